// SPDX-License-Identifier: Apache-2.0
//! Waiting for a service, by what it says of itself.

use std::time::Duration;

use prost_types::Timestamp;
use skep_sdk::v1::condition::Status as Truth;
use skep_sdk::v1::{
    Condition, EventType, GetServiceResponse, Meta, Service, ServiceSpec, ServiceStatus, Task,
    TaskState, TaskStatus, Unplaced, WatchResponse, unplaced,
};
use skep_sdk::{Code, Error, Goal, Object, Phase, Status, View, WaitOptions};
use tokio::time::Instant;

use crate::fake::{Fake, Running};
use crate::watch::step;

const GOAL: Goal = Goal::Converged { spec_revision: 5 };

/// A service with one task that runs; the conditions hold since a second.
fn service(conditions: &[(&str, u64, i64)]) -> Service {
    let condition = |(name, observed, since): &(&str, u64, i64)| Condition {
        r#type: (*name).into(),
        status: Truth::True.into(),
        reason: format!("{name}_REASON"),
        message: format!("why {name}"),
        observed_spec_revision: *observed,
        transition_time: Some(Timestamp {
            seconds: *since,
            nanos: 0,
        }),
    };
    Service {
        meta: Some(Meta {
            id: "svc_1".into(),
            spec_revision: 5,
            ..Meta::default()
        }),
        spec: Some(ServiceSpec {
            name: "web".into(),
            ..ServiceSpec::default()
        }),
        status: Some(ServiceStatus {
            conditions: conditions.iter().map(condition).collect(),
            running_tasks: 1,
            ..ServiceStatus::default()
        }),
    }
}

fn changed(revision: u64, conditions: &[(&str, u64, i64)]) -> Result<WatchResponse, Status> {
    let object = Object::Service(service(conditions));
    step(revision, EventType::Changed, object)
}

async fn fake(frames: Vec<Result<WatchResponse, Status>>) -> Running {
    let running = Fake::start().await;
    running.fake.with(|script| script.watches.push_back(frames));
    running
}

fn options(stable_for: u64, timeout: u64) -> WaitOptions {
    WaitOptions {
        timeout: Some(Duration::from_secs(timeout)),
        stable_for: Duration::from_secs(stable_for),
    }
}

async fn converged(running: &Running, options: WaitOptions) -> Result<Service, Error> {
    let created = service(&[]);
    running.client.wait_converged(&created, options).await
}

/// What an error says to programs.
fn said(error: &Error) -> (Code, &str, &str, Vec<&str>) {
    let facts = error.metadata.values().map(String::as_str).collect();
    (error.code, &error.reason, &error.message, facts)
}

#[tokio::test]
async fn only_a_judgement_of_the_wanted_spec_counts() {
    let running = fake(vec![
        changed(5, &[("STALLED", 4, 1), ("CONVERGED", 4, 1)]),
        changed(6, &[]),
        changed(7, &[("CONVERGED", 6, 1)]),
    ])
    .await;
    let mut seen = Vec::new();
    let mut view = View::default();
    let observe = |view: &View<Object>, phase| seen.push((view.revision, phase));
    let wait = running
        .client
        .wait("svc_1", GOAL, options(0, 60), &mut view, observe);
    wait.await.unwrap();
    assert_eq!(seen, [(5, Phase::Moving), (6, Phase::Moving)]);
    assert_eq!(view.service(), Some(&service(&[("CONVERGED", 6, 1)])));
}

#[tokio::test]
async fn stalled_comes_first_and_says_why() {
    let running = fake(vec![changed(7, &[("CONVERGED", 5, 1), ("STALLED", 5, 1)])]).await;
    let error = converged(&running, options(5, 60)).await.unwrap_err();
    assert_eq!(
        said(&error),
        (
            Code::FailedPrecondition,
            "STALLED_REASON",
            "why STALLED",
            vec!["STALLED", "web"]
        )
    );
    let asked = running.fake.with(|script| script.asked_watches[0].clone());
    assert_eq!(asked.services.unwrap().services, ["svc_1"]);
    assert_eq!(asked.tasks, None);
}

#[tokio::test(start_paused = true)]
async fn converged_has_to_last_and_is_read_again() {
    let running = fake(vec![changed(5, &[("CONVERGED", 5, 1)])]).await;
    // The first read shows that there was a break that the watch has not told of.
    running.fake.with(|script| {
        script.gets.extend([2, 2].map(|since| GetServiceResponse {
            service: Some(service(&[("CONVERGED", 5, since)])),
            revision: 6,
        }));
    });
    let begin = Instant::now();
    let found = converged(&running, options(5, 60)).await.unwrap();
    let took = begin.elapsed();
    assert!(took >= Duration::from_secs(10), "{took:?}");
    assert_eq!(found, service(&[("CONVERGED", 5, 2)]));
    assert!(running.fake.with(|script| script.gets.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_read_that_shows_that_it_stalled_ends_the_wait() {
    let running = fake(vec![changed(5, &[("CONVERGED", 5, 1)])]).await;
    running.fake.with(|script| {
        script.gets.push_back(GetServiceResponse {
            service: Some(service(&[("STALLED", 5, 2)])),
            revision: 6,
        });
    });
    let error = converged(&running, options(5, 60)).await.unwrap_err();
    assert_eq!(error.reason, "STALLED_REASON");
}

#[tokio::test(start_paused = true)]
async fn a_break_begins_the_time_anew() {
    let holds = |since| [("CONVERGED", 5, since)];
    for last in [
        vec![changed(6, &[]), changed(7, &holds(1))],
        vec![changed(6, &holds(2))],
    ] {
        let running = fake([vec![changed(5, &holds(1))], last].concat()).await;
        let mut phases = Vec::new();
        let mut view = View::default();
        let observe = |_: &View<Object>, phase| phases.push(phase);
        let wait = running
            .client
            .wait("svc_1", GOAL, options(5, 3), &mut view, observe);
        let error = wait.await.unwrap_err();
        assert_eq!(error.code, Code::DeadlineExceeded);
        assert_eq!(phases.last(), Some(&Phase::Settling));
    }
}

#[tokio::test]
async fn what_has_no_task_that_runs_needs_no_time() {
    let mut done = service(&[("CONVERGED", 5, 1)]);
    done.status.as_mut().unwrap().running_tasks = 0;
    let running = fake(vec![step(
        5,
        EventType::Added,
        Object::Service(done.clone()),
    )])
    .await;
    let found = converged(&running, options(600, 60)).await.unwrap();
    assert_eq!(found, done);
}

#[tokio::test]
async fn a_service_that_is_gone_ends_every_wait() {
    let frames = || {
        vec![
            changed(5, &[]),
            step(6, EventType::Deleted, Object::Service(service(&[]))),
        ]
    };
    let running = fake(frames()).await;
    let mut view = View::default();
    let wait = running
        .client
        .wait("svc_1", Goal::Deleted, options(5, 60), &mut view, |_, _| ());
    wait.await.unwrap();
    let running = fake(frames()).await;
    let error = converged(&running, options(5, 60)).await.unwrap_err();
    assert_eq!(
        (error.code, &*error.reason),
        (Code::NotFound, "OBJECT_NOT_FOUND")
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_over_says_why() {
    let mut behind = service(&[("CONVERGED", 5, 1)]);
    let condition = &mut behind.status.as_mut().unwrap().conditions[0];
    condition.status = Truth::False.into();
    for (causes, reason, message, metadata) in [
        (
            vec![],
            "NOT_CONVERGED",
            "why CONVERGED",
            vec!["CONVERGED", "web"],
        ),
        (
            vec!["too little", "too much", "too little"],
            "UNPLACED",
            "tasks have no node: too little; too much",
            vec!["web"],
        ),
    ] {
        let frame = step(5, EventType::Added, Object::Service(behind.clone()));
        let running = fake(vec![frame]).await;
        let pending = |message: &&str| Task {
            desired_state: TaskState::Running.into(),
            status: Some(TaskStatus {
                unplaced: Some(Unplaced {
                    causes: vec![unplaced::Cause {
                        message: (*message).into(),
                        ..unplaced::Cause::default()
                    }],
                    ..Unplaced::default()
                }),
                ..TaskStatus::default()
            }),
            ..Task::default()
        };
        let tasks = causes.iter().map(pending).collect();
        running.fake.with(|script| script.tasks = tasks);
        let error = converged(&running, options(5, 600)).await.unwrap_err();
        assert_eq!(
            said(&error),
            (Code::DeadlineExceeded, reason, message, metadata)
        );
    }
}
