// SPDX-License-Identifier: Apache-2.0
//! Waiting for a service: each way for a wait to end, by a clock that jumps to what is next.

mod scene;

use std::sync::Arc;
use std::time::Duration;

use skep_core::model::{PlacementCheck, TaskState, Unplaced, UnplacedCause};
use skep_core::state::Write;
use skep_core::state::derive::STALL_REASONS;
use skep_core::wait::Ending;
use skep_proto::v1;
use skep_proto::v1::ErrorReason;
use tokio::time::Instant;
use tonic::Request;

use super::desk::{Desk, failed, id_of, refused, spec};
use crate::error::{Failure, code_of, reason_name};
use crate::waits::Waits;

use scene::{
    begin, change, delete, deletion, joined, observe, reconcile, request, run, service_id,
    stop_tasks, tasks, wait, world,
};

#[tokio::test(start_paused = true)]
pub(super) async fn a_service_that_converged_and_stays_so_is_shown() {
    let (desk, service) = world().await;
    let waiting = begin(&desk, request(60, 7)).await;
    run(&desk, &service).await;
    let converged = Instant::now();
    let answer = joined(waiting).await.expect("it has converged");
    let held = converged.elapsed();
    assert!((7..8).contains(&held.as_secs()), "{held:?}");
    assert_eq!(answer.revision, desk.head().0);
    assert_eq!(answer.service, Some(desk.get("web").await));

    let by_id = v1::WaitServiceRequest {
        service: id_of(&service)[..12].to_owned(),
        ..request(0, 0)
    };
    let answer = wait(&desk, by_id).await.expect("it is so already");
    assert_eq!(answer.service, Some(desk.get("web").await));
    assert_eq!(desk.waits.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_break_begins_the_time_anew() {
    let (desk, service) = world().await;
    run(&desk, &service).await;
    let waiting = begin(&desk, request(60, 10)).await;
    tokio::time::advance(Duration::from_secs(6)).await;
    observe(&desk, &service, TaskState::Failed).await;
    run(&desk, &service).await;
    let again = Instant::now();
    joined(waiting).await.expect("it stays so now");
    let held = again.elapsed();
    assert!((10..11).contains(&held.as_secs()), "{held:?}");
}

#[tokio::test(start_paused = true)]
pub(super) async fn what_stalls_is_not_waited_for() {
    let (desk, service) = world().await;
    run(&desk, &service).await;
    let mut other = spec("web");
    if let Some(template) = &mut other.template {
        template.restart_token = "two".to_owned();
    }
    let update = v1::UpdateServiceRequest {
        spec: Some(other),
        ..v1::UpdateServiceRequest::default()
    };
    let updated = desk.services().update_service(update).await;
    updated.expect("it may be");
    let waiting = begin(&desk, request(60, 5)).await;
    let pause = v1::ControlRolloutRequest {
        service: "web".to_owned(),
        action: v1::control_rollout_request::Action::Pause.into(),
        ..v1::ControlRolloutRequest::default()
    };
    let paused = desk.services().control_rollout(pause).await;
    let paused = paused.expect("it may be").into_inner().service;
    let metadata = [("service", "web"), ("condition", "STALLED")];
    let told = failed(joined(waiting).await, ErrorReason::RolloutPaused, &metadata);
    let status = paused.and_then(|service| service.status);
    let stalled = status.and_then(|status| status.conditions.into_iter().nth(1));
    assert_eq!(Some(told.message), stalled.map(|it| it.message));
}

#[test]
pub(super) fn every_stall_is_a_reason_of_the_contract() {
    for reason in STALL_REASONS {
        let failure = Failure::Waited(Ending::Stalled {
            service: skep_core::model::Name::parse("web").expect("a name"),
            reason: reason.to_owned(),
            message: "it will not become better".to_owned(),
        });
        assert_eq!(reason_name(failure.reason()), reason);
        assert_eq!(code_of(failure.reason()), tonic::Code::FailedPrecondition);
    }
}

#[tokio::test(start_paused = true)]
pub(super) async fn tasks_without_a_node_are_told_with_their_causes() {
    let (desk, service) = world().await;
    reconcile(&desk, &service).await;
    for task in tasks(&desk, &service) {
        let cause = UnplacedCause {
            check: PlacementCheck::Cpu,
            nodes: 3,
            message: "needs 64 CPUs, most free are 4".into(),
        };
        let unplaced = Arc::new(Unplaced {
            service: service_id(&service),
            tasks: 1,
            nodes: 3,
            causes: vec![cause],
        });
        let task = task.meta.id;
        change(&desk, vec![Write::SetUnplaced { task, unplaced }]).await;
    }
    let told = wait(&desk, request(30, 5)).await;
    let told = failed(told, ErrorReason::Unplaced, &[("service", "web")]);
    let words = "tasks have no node: needs 64 CPUs, most free are 4";
    assert_eq!(told.message, words);
}

#[tokio::test(start_paused = true)]
pub(super) async fn the_time_is_over_with_what_the_service_says() {
    let (desk, service) = world().await;
    let metadata = [("service", "web"), ("condition", "CONVERGED")];
    for seconds in [0, 59, 86_400] {
        let began = Instant::now();
        let told = wait(&desk, request(seconds, 5)).await;
        let told = failed(told, ErrorReason::NotConverged, &metadata);
        assert_eq!(told.message, "0 of 1 tasks run and are up to date");
        let waited = i64::try_from(began.elapsed().as_secs());
        assert_eq!(waited, Ok(seconds), "no other limit ends it");
    }
    run(&desk, &service).await;
    let told = wait(&desk, request(30, 60)).await;
    let told = failed(told, ErrorReason::NotConverged, &metadata);
    let words = "1 of 1 tasks run and are up to date, but not yet for 60 s";
    assert_eq!(told.message, words);
}

/// The deadline of the call is a time to wait like any other.
#[tokio::test(start_paused = true)]
async fn a_caller_that_waits_less_is_told_in_time() {
    let (desk, _) = world().await;
    let mut call = Request::new(request(600, 5));
    call.set_timeout(Duration::from_secs(3));
    let began = Instant::now();
    let told = desk.services().wait_service(call).await;
    let metadata = [("service", "web"), ("condition", "CONVERGED")];
    failed(told, ErrorReason::NotConverged, &metadata);
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(3), "{waited:?}");
}

#[tokio::test(start_paused = true)]
pub(super) async fn only_the_spec_that_was_asked_for_counts() {
    let (desk, service) = world().await;
    run(&desk, &service).await;
    let present = service.meta.as_ref().map_or(0, |meta| meta.spec_revision);
    let of = |spec_revision| v1::WaitServiceRequest {
        spec_revision,
        ..request(5, 0)
    };
    wait(&desk, of(present)).await.expect("it has converged");
    let metadata = [("service", "web"), ("condition", "CONVERGED")];
    let newer = wait(&desk, of(present + 1)).await;
    failed(newer, ErrorReason::NotConverged, &metadata);
}

#[tokio::test(start_paused = true)]
pub(super) async fn what_is_deleted_is_gone_with_its_last_task() {
    let (desk, service) = world().await;
    run(&desk, &service).await;
    let metadata = [("service", "web")];
    let told = wait(&desk, deletion(3)).await;
    let told = failed(told, ErrorReason::NotDeleted, &metadata);
    assert_eq!(told.message, "nobody has deleted service \"web\"");
    delete(&desk).await;
    let told = wait(&desk, deletion(3)).await;
    let told = failed(told, ErrorReason::NotDeleted, &metadata);
    assert_eq!(told.message, "its tasks have not stopped in time");

    let waiting = begin(&desk, deletion(60)).await;
    stop_tasks(&desk, &service).await;
    let answer = joined(waiting).await.expect("it is gone");
    let gone = v1::WaitServiceResponse {
        service: None,
        revision: desk.head().0,
    };
    assert_eq!(answer, gone);
    let answer = wait(&desk, deletion(0)).await;
    assert_eq!(answer.expect("it is so already"), gone);
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_does_not_converge() {
    let (desk, service) = world().await;
    run(&desk, &service).await;
    let waiting = begin(&desk, request(60, 50)).await;
    delete(&desk).await;
    stop_tasks(&desk, &service).await;
    let metadata = [("kind", "service"), ("name", "web")];
    let told = failed(
        joined(waiting).await,
        ErrorReason::ObjectNotFound,
        &metadata,
    );
    assert_eq!(told.message, "service \"web\" was deleted meanwhile");
    let told = wait(&desk, request(60, 5)).await;
    failed(told, ErrorReason::ObjectNotFound, &metadata);
}

#[tokio::test(start_paused = true)]
async fn bad_requests_are_refused_with_all_that_is_wrong() {
    let desk = Desk::new().await;
    let bad = v1::WaitServiceRequest {
        service: String::new(),
        goal: 9,
        spec_revision: 1 << 54,
        ..request(-1, 3_601)
    };
    let fields = ["service", "spec_revision", "timeout", "stable_for", "goal"];
    refused(wait(&desk, bad).await, &fields);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_leaves_nothing() {
    let (desk, _) = world().await;
    let waiting = begin(&desk, request(86_400, 5)).await;
    assert_eq!(desk.waits.count(), 1);
    waiting.abort();
    while desk.waits.count() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_stops_ends_all_waits_at_once() {
    let (desk, service) = world().await;
    run(&desk, &service).await;
    let began = Instant::now();
    let waiting = [
        begin(&desk, request(60, 50)).await,
        begin(&desk, deletion(60)).await,
    ];
    desk.waits.stop();
    for waiting in waiting {
        failed(joined(waiting).await, ErrorReason::ManagerNotReady, &[]);
    }
    let late = wait(&desk, request(60, 0)).await;
    failed(late, ErrorReason::ManagerNotReady, &[]);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stops_ends_all_waits_at_once() {
    let (desk, _) = world().await;
    let began = Instant::now();
    let waiting = begin(&desk, request(60, 5)).await;
    desk.cluster.stop();
    failed(joined(waiting).await, ErrorReason::ManagerNotReady, &[]);
    assert!(began.elapsed() < Duration::from_secs(1));
}

/// A manager that is cut off from the others would wait for what it never hears of.
#[tokio::test(start_paused = true)]
async fn without_a_leader_nobody_waits() {
    let (desk, service) = world().await;
    run(&desk, &service).await;
    let began = Instant::now();
    let waiting = begin(&desk, request(60, 50)).await;
    desk.cluster.set_leaderless(true);
    failed(joined(waiting).await, ErrorReason::NoQuorum, &[]);
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn there_is_room_for_so_many_and_no_more() {
    let waits = Waits::new(2);
    let rooms = [waits.enter(), waits.enter()];
    assert!(rooms.iter().all(Result::is_ok));
    let refused = waits.enter().map(drop);
    let Err(Failure::Limit { subject, limit, .. }) = refused else {
        panic!("a third is too many: {refused:?}");
    };
    assert_eq!((subject, limit, waits.count()), ("waits", 2, 2));
    drop(rooms);
    assert!(waits.enter().is_ok());
}
