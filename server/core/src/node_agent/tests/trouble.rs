// SPDX-License-Identifier: Apache-2.0
//! Orders that fail or take too long, and agents that die in between.

use super::*;

#[test]
fn an_order_that_failed_is_given_again_after_a_growing_wait() {
    let mut bench = Bench::new(DesiredState::Running, TaskState::Assigned);
    bench.step();
    bench.fail(OrderKind::Prepare, false, "disk is full");
    assert_eq!(bench.step(), "Preparing RETRYING (disk is full)");
    assert_eq!(bench.wakes_in(), Some(Duration::from_secs(1)));
    bench.wait(1);
    assert_eq!(bench.step(), "-> Prepare");
    bench.fail(OrderKind::Prepare, false, "disk is full");
    bench.step();
    assert_eq!(bench.wakes_in(), Some(Duration::from_secs(2)));
    bench.wait(2);
    assert_eq!(bench.step(), "-> Prepare");
    bench.done(OrderKind::Prepare);
    bench.see(Phase::Prepared);
    assert_eq!(bench.step(), "Starting -> Start");
}

#[test]
fn what_cannot_be_made_ready_is_rejected() {
    let mut refused = Bench::new(DesiredState::Running, TaskState::Assigned);
    refused.step();
    refused.fail(OrderKind::Prepare, true, "no such user");
    assert_eq!(refused.step(), "Rejected PREPARE_FAILED (no such user)");
    assert_eq!(refused.step(), "");

    let mut slow = Bench::new(DesiredState::Running, TaskState::Assigned);
    slow.step();
    slow.wait(300);
    assert_eq!(
        slow.step(),
        "Rejected DEADLINE (it was not ready within 300 s) -> Remove"
    );

    let mut failing = Bench::new(DesiredState::Running, TaskState::Assigned);
    failing.step();
    failing.fail(OrderKind::Prepare, false, "disk is full");
    failing.wait(300);
    assert_eq!(
        failing.step(),
        "Rejected DEADLINE (it was not ready within 300 s: disk is full) -> Remove"
    );
}

fn starting() -> Bench {
    let mut bench = Bench::new(DesiredState::Running, TaskState::Assigned);
    bench.step();
    bench.done(OrderKind::Prepare);
    bench.see(Phase::Prepared);
    bench.step();
    bench
}

#[test]
fn what_cannot_be_started_is_rejected() {
    let mut bench = starting();
    bench.fail(OrderKind::Start, true, "no such file");
    assert_eq!(bench.step(), "Rejected START_FAILED (no such file)");
}

#[test]
fn what_does_not_start_in_time_is_killed_before_it_has_failed() {
    let mut bench = starting();
    bench.wait(60);
    assert_eq!(bench.step(), "-> Stop 9 0");
    bench.wait(5);
    assert_eq!(bench.step(), "", "the order is being carried out");
    bench.exit(ExitCause::Stopped, None);
    assert_eq!(
        bench.step(),
        "Failed DEADLINE (it did not start within 60 s)"
    );
}

/// An engine may have begun it and gone before it could say so: what is seen of it is old.
#[test]
fn a_start_without_an_answer_may_have_come_about() {
    let mut bench = starting();
    bench.fail(OrderKind::Start, false, "the engine is gone");
    bench.want(DesiredState::Stopped);
    assert_eq!(bench.step(), "-> Stop 2 20", "it may run");
    bench.fail(OrderKind::Stop, false, "the engine is gone");
    assert_eq!(bench.step(), "", "it may still run");
    let since = bench.now;
    bench.see(Phase::Running { pid: 42, since });
    bench.wait(2);
    assert_eq!(bench.step(), "Running STOPPING -> Stop 2 18");
    bench.exit(ExitCause::Stopped, Some(130));
    assert_eq!(bench.step(), "Stopped code 130");
}

#[test]
fn a_stop_that_fails_for_long_is_tried_again_without_haste() {
    let mut bench = Bench::running();
    bench.want(DesiredState::Stopped);
    bench.step();
    bench.wait(30);
    bench.fail(OrderKind::Stop, false, "the engine is gone");
    assert_eq!(bench.step(), "");
    assert_eq!(bench.wakes_in(), Some(Duration::from_secs(1)));
    bench.wait(1);
    assert_eq!(bench.step(), "-> Stop 2 0");
}

#[test]
fn an_agent_that_died_before_the_start_gives_the_order_again() {
    let mut bench = starting();
    bench.wait(600);
    bench.restart();
    assert_eq!(bench.step(), "-> Start", "it is still only prepared");
    assert_eq!(bench.wakes_in(), Some(START_DEADLINE));
}

#[test]
fn an_agent_that_died_while_stopping_goes_on_with_what_is_left_of_the_grace() {
    let mut bench = Bench::running();
    bench.want(DesiredState::Stopped);
    bench.step();
    bench.wait(15);
    bench.restart();
    assert_eq!(bench.step(), "-> Stop 2 5");
    bench.done(OrderKind::Stop);
    bench.wait(10);
    assert_eq!(bench.step(), "-> Stop 9 0");
}

#[test]
fn a_stop_that_failed_is_given_again() {
    let mut bench = Bench::running();
    bench.want(DesiredState::Stopped);
    bench.step();
    bench.fail(OrderKind::Stop, false, "disk is full");
    assert_eq!(bench.step(), "");
    bench.wait(1);
    assert_eq!(bench.step(), "-> Stop 2 19");
}

#[test]
fn what_cannot_be_removed_is_tried_again() {
    let mut bench = Bench::running();
    bench.exit(ExitCause::Exited, Some(0));
    bench.step();
    bench.held.tasks.clear();
    assert_eq!(bench.step(), "-> Remove");
    bench.fail(OrderKind::Remove, false, "busy");
    assert_eq!(bench.step(), "");
    bench.wait(1);
    assert_eq!(bench.step(), "-> Remove");
}

#[test]
fn what_cannot_be_seen_is_not_taken_for_gone() {
    let mut bench = Bench::running();
    bench.restart();
    bench.observed.clear();
    bench.unseen = vec!["workload.container"];
    assert_eq!(
        bench.clone().step(),
        "Failed LOST (it was started here before, and nothing of it is left)",
        "a program can be seen"
    );
    bench.unseen.push("workload.process");
    assert_eq!(bench.step(), "");
    // Nor is one that is no longer for this node, whatever it is.
    let mut removed = bench.clone();
    removed.held.tasks.clear();
    assert_eq!(removed.step(), "");
    assert!(removed.worker.records().contains_key(&TASK));
    bench.unseen.clear();
    assert!(bench.step().starts_with("Failed LOST"));
}
