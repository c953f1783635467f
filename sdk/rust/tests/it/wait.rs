// SPDX-License-Identifier: Apache-2.0
//! Waiting for a service: what the managers say, over calls that break off.

use std::time::Duration;

use skep_sdk::v1::wait_service_request::Goal;
use skep_sdk::v1::{Meta, Service, ServiceSpec, WaitServiceRequest, WaitServiceResponse};
use skep_sdk::{Code, Error, Status, WaitOptions};
use tokio::time::Instant;

use crate::fake::{Fake, Running, refusal};

fn service() -> Service {
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
        status: None,
    }
}

type Answer = Result<WaitServiceResponse, Status>;

fn reached() -> Answer {
    Ok(WaitServiceResponse {
        service: Some(service()),
        revision: 7,
    })
}

async fn fake(answers: impl IntoIterator<Item = Answer>) -> Running {
    let running = Fake::start().await;
    running.fake.with(|script| script.waits.extend(answers));
    running
}

async fn converged(running: &Running, timeout: Option<u64>) -> Result<Service, Error> {
    let options = WaitOptions {
        timeout: timeout.map(Duration::from_secs),
        stable_for: Duration::from_secs(3),
    };
    running.client.wait_converged(&service(), options).await
}

fn asked(running: &Running) -> Vec<WaitServiceRequest> {
    running.fake.with(|script| script.asked_waits.clone())
}

fn seconds(request: &WaitServiceRequest) -> i64 {
    request.timeout.as_ref().map_or(-1, |span| span.seconds)
}

/// What an error says to programs.
fn said(error: &Error) -> (Code, &str, Vec<(&str, &str)>) {
    let facts = error.metadata.iter();
    let facts = facts.map(|(key, value)| (key.as_str(), value.as_str()));
    (error.code, &error.reason, facts.collect())
}

#[tokio::test]
async fn the_managers_are_asked_for_what_the_caller_wants() {
    let running = fake([reached()]).await;
    let found = converged(&running, Some(60)).await.unwrap();
    assert_eq!(found, service());
    let asked = asked(&running);
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].service.as_str(), asked[0].spec_revision),
        ("svc_1", 5)
    );
    assert_eq!(asked[0].goal(), Goal::Converged);
    assert_eq!(asked[0].stable_for.map(|span| span.seconds), Some(3));
    assert!((59..=60).contains(&seconds(&asked[0])), "{asked:?}");
    // They say why, so they are given a little longer.
    let deadline = running.fake.with(|script| script.timeouts[0].clone());
    let deadline: u64 = deadline.unwrap().trim_end_matches('u').parse().unwrap();
    assert!((64_000_000..=65_000_000).contains(&deadline), "{deadline}");
}

#[tokio::test]
async fn what_the_managers_say_is_what_the_caller_hears() {
    for (code, reason) in [
        (Code::FailedPrecondition, "CRASH_LOOP"),
        (Code::NotFound, "OBJECT_NOT_FOUND"),
        (Code::InvalidArgument, "INVALID_FIELD"),
    ] {
        let running = fake([Err(refusal(code, reason))]).await;
        let error = converged(&running, Some(60)).await.unwrap_err();
        assert_eq!(said(&error), (code, reason, vec![("service", "web")]));
        assert_eq!(asked(&running).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_breaks_off_is_made_again_for_the_time_that_is_left() {
    let busy = || Err(refusal(Code::Unavailable, "MANAGER_NOT_READY"));
    let running = fake((0..20).map(|_| busy()).chain([reached()])).await;
    let began = Instant::now();
    converged(&running, Some(600)).await.unwrap();
    let took = began.elapsed();
    let asked = asked(&running);
    assert_eq!(asked.len(), 21, "more often than any other call");
    let left: Vec<i64> = asked.iter().map(seconds).collect();
    assert!(
        left.is_sorted_by(|before, after| before >= after),
        "{left:?}"
    );
    let waited = i64::try_from(took.as_secs()).unwrap();
    assert!(
        waited > 10 && (left[20] + waited - 600).abs() <= 1,
        "{left:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn managers_that_cannot_serve_in_time_are_told_as_they_said() {
    let busy = || Err(refusal(Code::Unavailable, "NO_QUORUM"));
    let running = fake((0..200).map(|_| busy())).await;
    let began = Instant::now();
    let error = converged(&running, Some(30)).await.unwrap_err();
    let facts = vec![("service", "web")];
    assert_eq!(said(&error), (Code::Unavailable, "NO_QUORUM", facts));
    assert_eq!(error.message, "no_quorum");
    let took = began.elapsed().as_secs();
    assert!((30..60).contains(&took), "{took} s");
}

/// A manager that says nothing at all is given up a little after the time.
#[tokio::test(start_paused = true)]
async fn silence_is_a_time_that_is_over() {
    for (goal, reason, words) in [
        (Goal::Converged, "NOT_CONVERGED", "did not converge"),
        (Goal::Deleted, "NOT_DELETED", "was not gone"),
    ] {
        let running = fake([]).await;
        let request = WaitServiceRequest {
            service: "web".into(),
            goal: goal.into(),
            ..WaitServiceRequest::default()
        };
        let began = Instant::now();
        let timeout = Some(Duration::from_secs(20));
        let waited = running.client.wait_service(request, timeout).await;
        let took = began.elapsed().as_secs();
        let error = waited.unwrap_err();
        let is_condition = goal == Goal::Converged;
        let facts = is_condition.then_some(("condition", "CONVERGED"));
        let facts = facts.into_iter().collect();
        assert_eq!(said(&error), (Code::DeadlineExceeded, reason, facts));
        let begin = format!("the service web {words} in time: no answer from ");
        assert!(error.message.starts_with(&begin), "{error}");
        assert!((25..30).contains(&took), "{took} s");
    }
}

#[tokio::test]
async fn the_time_that_is_over_is_what_the_managers_say_of_it() {
    let late = refusal(Code::DeadlineExceeded, "UNPLACED");
    let running = fake([Err(late)]).await;
    let error = converged(&running, Some(0)).await.unwrap_err();
    let facts = vec![("service", "web")];
    assert_eq!(said(&error), (Code::DeadlineExceeded, "UNPLACED", facts));
    assert_eq!(seconds(&asked(&running)[0]), 0, "it looks once");
}

/// One call waits for an hour, and for the time that it has to last.
#[tokio::test]
async fn without_a_timeout_there_is_another_call_after_the_first() {
    let late = || Err(refusal(Code::DeadlineExceeded, "NOT_CONVERGED"));
    let running = fake([late(), late(), reached()]).await;
    converged(&running, None).await.unwrap();
    let asked: Vec<i64> = asked(&running).iter().map(seconds).collect();
    assert_eq!(asked, [3_603; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_bare_call_has_no_deadline_and_is_not_repeated() {
    let busy = refusal(Code::Unavailable, "MANAGER_NOT_READY");
    let running = fake([Err(busy), reached()]).await;
    let request = WaitServiceRequest::default();
    let answer = running.client.services().wait_service(request).await;
    assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
    let deadlines = running.fake.with(|script| script.timeouts.clone());
    assert_eq!(deadlines, [None]);
}
