// SPDX-License-Identifier: Apache-2.0
//! Tasks that do as they are told.

use super::*;

#[test]
fn from_assigned_to_completed() {
    let mut bench = Bench::new(DesiredState::Running, TaskState::Assigned);
    assert_eq!(bench.step(), "Preparing -> Prepare");
    assert_eq!(bench.wakes_in(), Some(PREPARE_DEADLINE));
    assert_eq!(bench.step(), "", "it is being prepared");
    bench.done(OrderKind::Prepare);
    bench.see(Phase::Prepared);
    assert_eq!(bench.step(), "Starting -> Start");
    assert!(
        bench.worker.records()[&TASK].started,
        "remembered before it is done"
    );
    assert_eq!(bench.wakes_in(), Some(START_DEADLINE));
    bench.done(OrderKind::Start);
    bench.wait(1);
    let since = bench.now;
    bench.see(Phase::Running { pid: 42, since });
    assert_eq!(bench.step(), "Running");
    let reported = bench.worker.records()[&TASK].reported.clone();
    assert_eq!((reported.pid, reported.time), (42, since));
    assert_eq!(reported.ports, [tcp(80, 20_000, PortMode::Ingress)]);
    assert_eq!((bench.step().as_str(), bench.wake_at), ("", None));
    bench.wait(5);
    bench.exit(ExitCause::Exited, Some(0));
    assert_eq!(bench.step(), "Completed code 0");
    let reported = &bench.worker.records()[&TASK].reported;
    assert_eq!((reported.time, reported.pid), (bench.now, 0));
    assert_eq!(bench.step(), "", "it is kept until it is forgotten");

    bench.held.tasks.clear();
    assert_eq!(bench.step(), "-> Remove");
    assert_eq!(bench.step(), "");
    bench.done(OrderKind::Remove);
    bench.observed.clear();
    assert_eq!(bench.step(), "");
    assert!(bench.worker.records().is_empty());
}

#[test]
fn wanted_ready_waits_for_leave() {
    let mut bench = Bench::new(DesiredState::Ready, TaskState::Assigned);
    bench.step();
    bench.done(OrderKind::Prepare);
    bench.see(Phase::Prepared);
    assert_eq!(bench.step(), "Ready");
    assert_eq!((bench.step().as_str(), bench.wake_at), ("", None));
    bench.want(DesiredState::Running);
    assert_eq!(bench.step(), "Starting -> Start");
}

#[test]
fn a_new_attempt_waits_before_anything_is_prepared() {
    let mut bench = Bench::new(DesiredState::Ready, TaskState::Assigned);
    let task = bench.held.tasks.get_mut(&TASK).expect("it is there");
    task.restart_time = Some(bench.now);
    assert_eq!(bench.step(), "Accepted");
    assert_eq!(bench.step(), "");
    let task = bench.held.tasks.get_mut(&TASK).expect("it is there");
    task.restart_time = None;
    task.desired = DesiredState::Running;
    assert_eq!(bench.step(), "Preparing -> Prepare");
}

#[test]
fn what_has_not_started_stops_at_once() {
    let mut assigned = Bench::new(DesiredState::Stopped, TaskState::Assigned);
    assert_eq!(assigned.step(), "Stopped");

    let mut preparing = Bench::new(DesiredState::Running, TaskState::Assigned);
    preparing.step();
    preparing.want(DesiredState::Stopped);
    assert_eq!(preparing.step(), "Stopped");
    preparing.done(OrderKind::Prepare);
    preparing.see(Phase::Prepared);
    preparing.want(DesiredState::Removed);
    assert_eq!(
        preparing.step(),
        "-> Remove",
        "it does not start later, and keeps nothing"
    );

    let mut ready = Bench::new(DesiredState::Ready, TaskState::Assigned);
    ready.step();
    ready.done(OrderKind::Prepare);
    ready.see(Phase::Prepared);
    ready.want(DesiredState::Removed);
    assert_eq!(
        ready.step(),
        "Preparing -> Remove",
        "it may have ports that others need"
    );
    ready.done(OrderKind::Remove);
    ready.observed.clear();
    assert_eq!(ready.step(), "Stopped");
}

#[test]
fn what_never_ran_is_removed_although_it_is_remembered() {
    let mut bench = Bench::new(DesiredState::Running, TaskState::Assigned);
    bench.step();
    bench.done(OrderKind::Prepare);
    bench.see(Phase::Prepared);
    assert_eq!(bench.step(), "Starting -> Start");
    bench.fail(OrderKind::Start, true, "no such program");
    assert_eq!(bench.step(), "Rejected START_FAILED (no such program)");
    assert_eq!(bench.step(), "-> Remove", "or it would keep its ports");
}

#[test]
fn stopping_signals_waits_and_insists() {
    let mut bench = Bench::running();
    bench.want(DesiredState::Stopped);
    assert_eq!(bench.step(), "Running STOPPING -> Stop 2 20");
    assert_eq!(bench.wakes_in(), Some(Duration::from_secs(25)));
    assert_eq!(bench.step(), "");
    bench.done(OrderKind::Stop);
    bench.wait(24);
    assert_eq!(bench.step(), "");
    bench.wait(1);
    assert_eq!(bench.step(), "-> Stop 9 0");
    assert_eq!(bench.wakes_in(), Some(KILL_MARGIN));
    bench.done(OrderKind::Stop);
    bench.wait(5);
    assert_eq!(
        bench.step(),
        "-> Stop 9 0",
        "again, and never said to have ended"
    );
    bench.exit(ExitCause::Stopped, Some(137));
    assert_eq!(bench.step(), "Stopped code 137");
}

#[test]
fn a_stop_while_it_starts_comes_after_the_start() {
    let mut bench = Bench::new(DesiredState::Running, TaskState::Assigned);
    bench.step();
    bench.done(OrderKind::Prepare);
    bench.see(Phase::Prepared);
    bench.step();
    bench.want(DesiredState::Stopped);
    assert_eq!(bench.step(), "-> Stop 2 20");
    bench.done(OrderKind::Start);
    bench.exit(ExitCause::Stopped, None);
    assert_eq!(bench.step(), "Stopped");
}

#[test]
fn what_is_not_assigned_any_more_is_stopped_and_removed() {
    let mut bench = Bench::running();
    bench.held.tasks.clear();
    bench.held.templates.clear();
    assert_eq!(bench.step(), "-> Stop 2 20", "as its template said");
    bench.done(OrderKind::Stop);
    bench.exit(ExitCause::Stopped, Some(0));
    assert_eq!(bench.step(), "-> Remove");
}

#[test]
fn strangers_are_stopped_and_removed_once_a_manager_has_spoken() {
    let mut bench = Bench::running();
    bench.held = Held::default();
    bench.worker = Worker::default();
    assert_eq!(
        bench.step(),
        "",
        "perhaps only the memory of this node is lost"
    );
    bench.held.revision = Revision(3);
    assert_eq!(bench.step(), "-> Stop 15 10");
    bench.done(OrderKind::Stop);
    bench.observed.clear();
    assert_eq!(bench.step(), "");
    assert!(bench.worker.records().is_empty());
}
