// SPDX-License-Identifier: Apache-2.0
//! What follows when a task ends by itself.

use std::sync::Arc;
use std::time::Duration;

use crate::model::*;
use crate::testing::replicated;

use super::Case;

fn with_policy(policy: RestartPolicy) -> ServiceSpec {
    let mut spec = replicated("web", 1);
    Arc::make_mut(&mut spec.template).restart = policy;
    spec
}

/// Lets the newest task fail right away, then wait until the next one may run.
fn fail_once(case: &mut Case) -> String {
    case.observe("web.1", TaskState::Failed);
    let text = case.plan();
    if let Some(time) = case.task("web.1").status.restart_time {
        case.world.now = time;
        assert_eq!(
            case.plan(),
            format!("run web.1#{}", case.task("web.1").attempt)
        );
    }
    case.settle();
    text
}

#[test]
fn a_failure_is_made_good_after_a_delay() {
    let mut case = Case::running(1, replicated("web", 1));
    case.pass_ms(500);
    case.observe("web.1", TaskState::Failed);
    let first = "stop web.1#1\n\
                 make 1#2 v1: run at 1500 ms, streak 1\n\
                 wake at 1500 ms";
    assert_eq!(case.plan(), first);
    case.pass_ms(999);
    assert_eq!(case.plan(), "wake at 1500 ms");
    case.pass_ms(1);
    assert_eq!(case.plan(), "run web.1#2");
}

#[test]
fn the_delay_counts_from_when_the_end_was_known() {
    let mut case = Case::running(1, replicated("web", 1));
    case.observe("web.1", TaskState::Failed);
    // The leader died, and the next one looks only now.
    case.pass_ms(700);
    assert_eq!(
        case.plan(),
        "stop web.1#1\n\
         make 1#2 v1: run at 1000 ms, streak 1\n\
         wake at 1000 ms"
    );
    case.world.now = case.task("web.1").status.restart_time.expect("it waits");
    let _ = case.plan();
    case.settle();
    case.observe("web.1", TaskState::Failed);
    case.pass_ms(60_000);
    assert_eq!(
        case.plan(),
        "stop web.1#2\n\
         make 1#3 v1: run, streak 2"
    );
}

#[test]
fn a_time_written_by_a_clock_that_was_ahead_holds_nothing_up() {
    let mut case = Case::running(1, replicated("web", 1));
    let hour = Duration::from_secs(3_600);
    case.world.now = case.world.now.after(hour);
    case.observe("web.1", TaskState::Failed);
    let _ = case.plan();
    let time = case.task("web.1").status.restart_time.expect("it waits");
    let minute = Duration::from_secs(60);
    let earlier =
        |span: Duration| Timestamp(time.0 - i64::try_from(span.as_nanos()).expect("fits"));

    case.world.now = earlier(minute);
    assert!(
        case.plan().starts_with("wake at"),
        "no longer than the longest delay"
    );
    case.world.now = earlier(hour);
    assert_eq!(case.plan(), "run web.1#2");
}

#[test]
fn the_delay_doubles_up_to_the_longest() {
    let mut case = Case::running(
        1,
        with_policy(RestartPolicy {
            delay: Some(Duration::from_secs(1)),
            max_delay: Some(Duration::from_secs(5)),
            ..RestartPolicy::default()
        }),
    );
    let waits: Vec<u128> = (0..5)
        .map(|_| {
            let failed = case.world.now;
            fail_once(&mut case);
            case.world.now.since(failed).as_millis()
        })
        .collect();
    assert_eq!(waits, [1_000, 2_000, 4_000, 5_000, 5_000]);
}

#[test]
fn a_stable_run_starts_the_delays_anew() {
    let mut case = Case::running(1, replicated("web", 1));
    for _ in 0..4 {
        fail_once(&mut case);
    }
    assert_eq!(case.task("web.1").restart.streak, 4);
    case.pass_ms(59_999);
    fail_once(&mut case);
    assert_eq!(case.task("web.1").restart.streak, 5);
    case.pass_ms(60_000);
    fail_once(&mut case);
    assert_eq!(case.task("web.1").restart.streak, 1);
}

#[test]
fn a_delay_of_nothing_is_no_wait() {
    let mut case = Case::running(
        1,
        with_policy(RestartPolicy {
            delay: Some(Duration::ZERO),
            ..RestartPolicy::default()
        }),
    );
    case.observe("web.1", TaskState::Failed);
    assert_eq!(
        case.plan(),
        "stop web.1#1\n\
         make 1#2 v1: run, streak 1"
    );
}

#[test]
fn the_condition_decides_what_is_made_good() {
    use RestartCondition::{Any, None, OnFailure};
    for (condition, end, again) in [
        (Any, TaskState::Completed, "make"),
        (Any, TaskState::Failed, "make"),
        (Any, TaskState::Rejected, "make"),
        (OnFailure, TaskState::Completed, "settle web.1#1 Finished"),
        (OnFailure, TaskState::Failed, "make"),
        (OnFailure, TaskState::Stopped, "make"),
        (None, TaskState::Completed, "settle web.1#1 Finished"),
        (None, TaskState::Failed, "settle web.1#1 GaveUp"),
    ] {
        let mut case = Case::running(
            1,
            with_policy(RestartPolicy {
                condition: Some(condition),
                ..RestartPolicy::default()
            }),
        );
        case.observe("web.1", end);
        let text = case.plan();
        let is_again = text.contains("make 1#2");
        assert_eq!(is_again, again == "make", "{condition:?} {end:?}: {text}");
        assert!(is_again || text == again, "{condition:?} {end:?}: {text}");
    }
}

#[test]
fn attempts_come_to_an_end() {
    let mut case = Case::running(
        1,
        with_policy(RestartPolicy {
            max_attempts: 2,
            ..RestartPolicy::default()
        }),
    );
    assert!(fail_once(&mut case).contains("make 1#2"));
    assert!(fail_once(&mut case).contains("make 1#3"));
    assert_eq!(fail_once(&mut case), "settle web.1#3 GaveUp");
    assert!(case.holds("STALLED"));
    // Another template is another chance.
    case.new_template("again");
    assert_eq!(
        case.plan(),
        "rollout UPDATING: 0 done, 1 open, 0 failed of 1\n\
         stop web.1#3\n\
         make 1#4 v2: run\n\
         wake at 603000 ms"
    );
    assert!(!case.holds("STALLED"));
    assert_eq!(case.task("web.1").restart, RestartMemory::default());
}

#[test]
fn attempts_count_within_their_window() {
    let policy = RestartPolicy {
        max_attempts: 2,
        window: Some(Duration::from_secs(100)),
        ..RestartPolicy::default()
    };
    let mut case = Case::running(1, with_policy(policy));
    for _ in 0..2 {
        assert!(fail_once(&mut case).contains("make"));
    }
    case.pass_ms(100_000);
    for _ in 0..2 {
        assert!(fail_once(&mut case).contains("make"));
    }
    case.pass_ms(50_000);
    assert_eq!(fail_once(&mut case), "settle web.1#5 GaveUp");
}

#[test]
fn the_last_good_end_is_no_failure() {
    let mut case = Case::running(
        1,
        with_policy(RestartPolicy {
            max_attempts: 1,
            ..RestartPolicy::default()
        }),
    );
    assert!(fail_once(&mut case).contains("make 1#2"));
    case.observe("web.1", TaskState::Completed);
    assert_eq!(case.plan(), "settle web.1#2 Finished");
    assert!(case.holds("CONVERGED"));
}

#[test]
fn a_stop_on_demand_is_made_good_at_once_and_not_held_against_it() {
    let mut case = Case::running(1, replicated("web", 1));
    fail_once(&mut case);
    let running = case.task("web.1").meta.id;
    case.stop(running);
    // It is made ready while the old one stops.
    assert_eq!(case.plan(), "make 1#3 v1: hold, streak 1");
    case.world.observe(running, TaskState::Stopped);
    assert_eq!(case.plan(), "run web.1#3");
}

#[test]
fn a_task_that_waits_for_a_node_ends_when_it_is_stopped() {
    let mut case = Case::new(1, replicated("web", 1));
    let _ = case.plan();
    let waiting = case.task("web.1").meta.id;
    case.stop(waiting);
    assert_eq!(case.task("web.1").status.state, TaskState::Stopped);
    assert_eq!(case.plan(), "make 1#2 v1: run");
}

#[test]
fn the_next_attempt_can_fail_before_its_time() {
    let mut case = Case::running(1, replicated("web", 1));
    case.observe("web.1", TaskState::Failed);
    let _ = case.plan();
    case.step();
    case.pass_ms(400);
    case.observe("web.1", TaskState::Rejected);
    assert_eq!(
        case.plan(),
        "stop web.1#2\n\
         make 1#3 v1: run at 2400 ms, streak 2\n\
         wake at 2400 ms"
    );
}

#[test]
fn an_end_with_the_engine_counts_against_nobody() {
    let policy = RestartPolicy {
        max_attempts: 1,
        ..RestartPolicy::default()
    };
    let mut case = Case::running(1, with_policy(policy));
    assert!(fail_once(&mut case).contains("make 1#2"));
    let memory = case.task("web.1").restart;
    for attempt in 3..7 {
        case.end_with_engine("web.1");
        let plan = case.plan();
        assert!(plan.contains(&format!("make 1#{attempt}")), "{plan}");
        case.apply_plan();
        assert_eq!(case.task("web.1").restart, memory);
        case.pass_ms(60_000);
        case.settle();
    }
    assert!(fail_once(&mut case).contains("GaveUp"));
}
