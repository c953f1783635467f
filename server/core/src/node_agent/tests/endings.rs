// SPDX-License-Identifier: Apache-2.0
//! How it is said that a task ended.

use super::*;

#[test]
fn each_way_to_end_has_its_state() {
    for (cause, code, want) in [
        (ExitCause::Exited, Some(0), "Completed code 0"),
        (ExitCause::Exited, Some(3), "Failed EXITED code 3"),
        (ExitCause::Exited, Some(143), "Failed EXITED code 143"),
        (ExitCause::Exited, None, "Failed EXITED"),
        (ExitCause::Stopped, Some(143), "Stopped code 143"),
        (
            ExitCause::OutOfMemory,
            Some(137),
            "Failed OOM_KILLED code 137",
        ),
        (ExitCause::NotStarted, None, "Rejected START_FAILED"),
        (ExitCause::Lost, None, "Failed LOST"),
        (ExitCause::EngineLost, Some(0), "Failed ENGINE_LOST code 0"),
    ] {
        let mut bench = Bench::running();
        bench.exit(cause, code);
        assert_eq!(bench.step(), want, "{cause:?}");
    }
}

#[test]
fn while_it_is_being_stopped_every_end_is_a_stop() {
    for cause in [
        ExitCause::Exited,
        ExitCause::Stopped,
        ExitCause::OutOfMemory,
        ExitCause::EngineLost,
    ] {
        let mut bench = Bench::running();
        bench.want(DesiredState::Stopped);
        bench.step();
        bench.wait(1);
        bench.exit(cause, Some(1));
        assert_eq!(bench.step(), "Stopped code 1", "{cause:?}");
    }
}

#[test]
fn what_was_stopped_as_it_should_be_needs_no_last_words() {
    for wanted in [true, false] {
        let mut bench = Bench::running();
        if wanted {
            bench.want(DesiredState::Stopped);
            bench.step();
        }
        bench.see(Phase::Exited(Exit {
            cause: ExitCause::Stopped,
            code: Some(0),
            signal: 0,
            at: bench.now,
            message: "stopped with SIGTERM; last output:\nbye".into(),
        }));
        bench.step();
        let told = &bench.worker.records()[&TASK].reported;
        assert_eq!(&*told.message, "stopped with SIGTERM");
    }
}

#[test]
fn what_ended_before_it_was_stopped_ended_by_itself() {
    let mut bench = Bench::running();
    let before = bench.now;
    bench.wait(1);
    bench.want(DesiredState::Stopped);
    bench.step();
    bench.see(Phase::Exited(Exit {
        cause: ExitCause::Exited,
        code: Some(3),
        signal: 0,
        at: before,
        message: "3".into(),
    }));
    assert_eq!(bench.step(), "Failed EXITED (3) code 3");
}

#[test]
fn an_end_while_the_agent_was_away_is_told_as_it_was() {
    let mut bench = Bench::running();
    bench.wait(60);
    bench.see(Phase::Exited(Exit {
        cause: ExitCause::Exited,
        code: Some(3),
        signal: 0,
        at: bench.now,
        message: "cannot find its config".into(),
    }));
    bench.wait(600);
    bench.restart();
    assert_eq!(
        bench.step(),
        "Failed EXITED (cannot find its config) code 3"
    );
    let reported = &bench.worker.records()[&TASK].reported;
    assert_eq!(reported.time.since(bench.now), Duration::ZERO);
    assert_eq!(bench.now.since(reported.time), Duration::from_secs(600));
}

#[test]
fn long_messages_are_cut() {
    let mut bench = Bench::running();
    bench.see(Phase::Exited(Exit {
        cause: ExitCause::Exited,
        code: Some(1),
        signal: 0,
        at: bench.now,
        message: "ö".repeat(5_000).into(),
    }));
    bench.step();
    let message = &bench.worker.records()[&TASK].reported.message;
    assert_eq!(message.chars().count(), TaskStatus::MESSAGE_CHARS_MAX);
}

#[test]
fn nothing_started_begins_again() {
    // Remembered here, and nothing is left of it.
    let mut bench = Bench::running();
    bench.observed.clear();
    bench.restart();
    let lost = "Failed LOST (it was started here before, and nothing of it is left)";
    assert_eq!(bench.step(), lost);
    assert_eq!(bench.step(), "");

    // Remembered by the managers alone.
    let mut bench = Bench::new(DesiredState::Running, TaskState::Running);
    assert_eq!(bench.step(), lost);
    let mut bench = Bench::new(DesiredState::Running, TaskState::Failed);
    assert_eq!(bench.step(), "", "it has ended, and the managers know");

    // Its files came back from before it ran.
    let mut bench = Bench::running();
    bench.see(Phase::Prepared);
    let never = "Failed LOST (it ran here before, and what is left of it never did)";
    assert_eq!(bench.step(), never);

    // One that was made ready only may be made ready again.
    let mut bench = Bench::new(DesiredState::Ready, TaskState::Ready);
    assert_eq!(bench.step(), "Ready -> Prepare");
}

#[test]
fn what_runs_is_adopted() {
    let mut bench = Bench::running();
    bench.worker = Worker::default();
    assert_eq!(bench.step(), "Running");
    assert!(bench.worker.records()[&TASK].started);
}

#[test]
fn what_runs_although_it_ended_is_stopped() {
    let mut bench = Bench::running();
    let running = bench.observed.clone();
    bench.exit(ExitCause::Exited, Some(0));
    bench.step();
    bench.observed = running;
    assert_eq!(bench.step(), "-> Stop 2 20");
}
