// SPDX-License-Identifier: Apache-2.0
//! Rollouts of templates that do not work.

use super::*;

#[test]
fn what_cannot_be_made_ready_takes_nothing_away() {
    let mut case = running(1, 3);
    case.new_template("bad");
    let mut story = case.tell("a new template");
    slot(&mut case, "web.1", TaskState::Rejected);
    story += &case.tell("it cannot be made ready");
    assert!(case.holds("STALLED"));
    case.new_template("good");
    story += &case.tell("a better one");
    story += &through(&mut case, "web.1");
    assert_eq!(
        story,
        "-- a new template\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 3\n\
         make 1#2 v2: prepare\n\
         wake at 600000 ms\n\
         -- it cannot be made ready\n\
         rollout PAUSED TASK_FAILED: 0 done, 0 open, 1 failed of 3\n\
         fail web.1#2\n\
         stop web.1#2\n\
         -- a better one\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 3\n\
         make 1#3 v3: prepare\n\
         wake at 600000 ms\n\
         -- web.1#3 is ready\n\
         stop web.1#1\n\
         wake at 600000 ms\n\
         -- the old one has stopped\n\
         run web.1#3\n\
         wake at 600000 ms\n\
         -- web.1#3 runs\n\
         rollout UPDATING: 0 done, 2 open, 0 failed of 3\n\
         make 2#2 v3: prepare\n\
         wake at 5000 ms\n"
    );
}

#[test]
fn a_crash_while_it_is_watched_pauses() {
    let mut case = running(1, 3);
    case.new_template("bad");
    let mut story = case.tell("a new template");
    story += &through(&mut case, "web.1");
    case.pass_ms(3_000);
    case.observe("web.1", TaskState::Failed);
    story += &case.tell("it fails 3 s after its start");
    case.pass_ms(1_000);
    story += &case.tell("its restart");
    case.observe("web.3", TaskState::Failed);
    story += &case.tell("one of the old ones fails");
    assert_eq!(
        story,
        "-- a new template\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 3\n\
         make 1#2 v2: prepare\n\
         wake at 600000 ms\n\
         -- web.1#2 is ready\n\
         stop web.1#1\n\
         wake at 600000 ms\n\
         -- the old one has stopped\n\
         run web.1#2\n\
         wake at 600000 ms\n\
         -- web.1#2 runs\n\
         rollout UPDATING: 0 done, 2 open, 0 failed of 3\n\
         make 2#2 v2: prepare\n\
         wake at 5000 ms\n\
         -- it fails 3 s after its start\n\
         rollout PAUSED TASK_FAILED: 0 done, 0 open, 1 failed of 3\n\
         fail web.1#2\n\
         stop web.1#2\n\
         make 1#3 v2: run at 4000 ms, streak 1\n\
         stop web.2#2\n\
         wake at 4000 ms\n\
         -- its restart\n\
         run web.1#3\n\
         -- one of the old ones fails\n\
         stop web.3#1\n\
         make 3#2 v1: run at 5000 ms, streak 1\n\
         wake at 5000 ms\n"
    );
}

#[test]
fn a_resumed_rollout_tries_what_failed_first() {
    let mut case = running(1, 3);
    case.new_template("bad");
    let mut story = case.tell("a new template");
    story += &through(&mut case, "web.1");
    case.observe("web.1", TaskState::Failed);
    story += &case.tell("it fails");
    case.steer(RolloutAction::Resume);
    story += &case.tell("resumed");
    slot(&mut case, "web.1", TaskState::Failed);
    story += &case.tell("it fails again: nothing else was touched");
    case.pass_ms(2_000);
    let _ = case.tell("its restart");
    slot(&mut case, "web.1", TaskState::Running);
    story += &case.tell("after all it runs");
    case.steer(RolloutAction::Resume);
    story += &case.tell("resumed: it has to prove itself");
    case.pass_ms(5_000);
    story += &case.tell("it has");
    assert_eq!(
        story,
        "-- a new template\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 3\n\
         make 1#2 v2: prepare\n\
         wake at 600000 ms\n\
         -- web.1#2 is ready\n\
         stop web.1#1\n\
         wake at 600000 ms\n\
         -- the old one has stopped\n\
         run web.1#2\n\
         wake at 600000 ms\n\
         -- web.1#2 runs\n\
         rollout UPDATING: 0 done, 2 open, 0 failed of 3\n\
         make 2#2 v2: prepare\n\
         wake at 5000 ms\n\
         -- it fails\n\
         rollout PAUSED TASK_FAILED: 0 done, 0 open, 1 failed of 3\n\
         fail web.1#2\n\
         stop web.1#2\n\
         make 1#3 v2: run at 1000 ms, streak 1\n\
         stop web.2#2\n\
         wake at 1000 ms\n\
         -- resumed\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 3\n\
         stop web.1#3\n\
         make 1#4 v2: run\n\
         wake at 600000 ms\n\
         -- it fails again: nothing else was touched\n\
         rollout PAUSED TASK_FAILED: 0 done, 0 open, 1 failed of 3\n\
         fail web.1#4\n\
         stop web.1#4\n\
         make 1#5 v2: run at 1000 ms, streak 1\n\
         wake at 1000 ms\n\
         -- after all it runs\n\
         -- resumed: it has to prove itself\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 3\n\
         retry web.1#5\n\
         wake at 7000 ms\n\
         -- it has\n\
         rollout UPDATING: 1 done, 1 open, 0 failed of 3\n\
         pass web.1#5\n\
         make 2#3 v2: prepare\n\
         wake at 607000 ms\n"
    );
}

#[test]
fn so_many_failures_are_borne() {
    let mut case = running(1, 4);
    case.policy(|it| {
        it.max_failure_percent = 25;
        it.monitor = Some(Duration::ZERO);
    });
    case.new_template("bad at times");
    let mut story = case.tell("a new template");
    slot(&mut case, "web.1", TaskState::Rejected);
    story += &case.tell("the first fails");
    story += &through(&mut case, "web.2");
    slot(&mut case, "web.3", TaskState::Rejected);
    story += &case.tell("another one fails");
    assert_eq!(
        story,
        "-- a new template\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 4\n\
         make 1#2 v2: prepare\n\
         wake at 600000 ms\n\
         -- the first fails\n\
         rollout UPDATING: 0 done, 1 open, 1 failed of 4\n\
         fail web.1#2\n\
         stop web.1#2\n\
         make 1#3 v2: run at 1000 ms, streak 1\n\
         make 2#2 v2: prepare\n\
         wake at 1000 ms\n\
         -- web.2#2 is ready\n\
         stop web.2#1\n\
         wake at 1000 ms\n\
         -- the old one has stopped\n\
         run web.2#2\n\
         wake at 1000 ms\n\
         -- web.2#2 runs\n\
         rollout UPDATING: 1 done, 1 open, 1 failed of 4\n\
         pass web.2#2\n\
         make 3#2 v2: prepare\n\
         wake at 1000 ms\n\
         -- another one fails\n\
         rollout PAUSED TASK_FAILED: 1 done, 0 open, 2 failed of 4\n\
         fail web.3#2\n\
         stop web.1#3\n\
         stop web.3#2\n"
    );
}

#[test]
fn going_on_whatever_fails_ends_and_is_not_converged() {
    let mut case = running(1, 2);
    case.policy(|it| {
        it.on_failure = Some(OnFailure::Continue);
        it.monitor = Some(Duration::ZERO);
    });
    case.new_template("bad");
    let mut story = case.tell("a new template");
    slot(&mut case, "web.1", TaskState::Rejected);
    story += &case.tell("the first fails");
    slot(&mut case, "web.2", TaskState::Rejected);
    story += &case.tell("the second fails");
    assert!(!case.holds("CONVERGED"));
    case.pass_ms(1_000);
    story += &case.tell("restarts");
    case.settle();
    story += &case.tell("at last they run");
    assert!(case.holds("CONVERGED"));
    assert_eq!(
        story,
        "-- a new template\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 2\n\
         make 1#2 v2: prepare\n\
         wake at 600000 ms\n\
         -- the first fails\n\
         rollout UPDATING: 0 done, 1 open, 1 failed of 2\n\
         fail web.1#2\n\
         stop web.1#2\n\
         make 1#3 v2: run at 1000 ms, streak 1\n\
         make 2#2 v2: prepare\n\
         wake at 1000 ms\n\
         -- the second fails\n\
         rollout COMPLETED: 0 done, 0 open, 2 failed of 2\n\
         fail web.2#2\n\
         stop web.2#2\n\
         make 2#3 v2: run at 1000 ms, streak 1\n\
         wake at 1000 ms\n\
         -- restarts\n\
         -- at last they run\n"
    );
}

#[test]
fn what_ends_well_for_good_has_passed() {
    let mut spec = replicated("web", 1);
    Arc::make_mut(&mut spec.template).restart.condition = Some(RestartCondition::OnFailure);
    let mut case = Case::running(1, spec);
    case.new_template("new");
    let mut story = case.tell("a new template");
    story += &through(&mut case, "web.1");
    case.observe("web.1", TaskState::Completed);
    story += &case.tell("it is done");
    assert_eq!(
        story,
        "-- a new template\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 1\n\
         make 1#2 v2: prepare\n\
         wake at 600000 ms\n\
         -- web.1#2 is ready\n\
         stop web.1#1\n\
         wake at 600000 ms\n\
         -- the old one has stopped\n\
         run web.1#2\n\
         wake at 600000 ms\n\
         -- web.1#2 runs\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 1, next at 5000 ms\n\
         wake at 5000 ms\n\
         -- it is done\n\
         rollout COMPLETED: 1 done, 0 open, 0 failed of 1\n\
         settle web.1#2 Finished\n\
         pass web.1#2\n\
         good v2\n"
    );
}

/// Such as one whose engine was stopped: it ends as it is asked to, and says nothing.
#[test]
fn what_ends_well_too_soon_is_told_so() {
    let mut case = running(1, 1);
    case.new_template("new");
    case.tell("a new template");
    through(&mut case, "web.1");
    case.observe("web.1", TaskState::Completed);
    case.tell("it is done");
    let (holds, reason, message) = case.fact("STALLED");
    assert!(holds && reason == "ROLLOUT_PAUSED", "{reason}");
    let id = case.task_of("web.1", 2).meta.id;
    assert_eq!(
        message,
        format!("update paused: task web.1 {id} failed: exited with code 0")
    );
}

/// Nobody knows what ended it, so what follows it is on trial in its stead, from the beginning.
#[test]
fn what_ends_with_its_engine_is_tried_again() {
    let mut case = running(1, 1);
    case.new_template("new");
    let _ = case.tell("a new template");
    let _ = through(&mut case, "web.1");
    case.pass_ms(3_000);
    case.end_with_engine("web.1");
    let mut story = case.tell("its engine goes 3 s after its start");
    case.pass_ms(5_000);
    story += &case.tell("its restart");
    slot(&mut case, "web.1", TaskState::Running);
    story += &case.tell("it runs again");
    case.pass_ms(4_999);
    story += &case.tell("its trial is not over");
    case.pass_ms(1);
    story += &case.tell("its trial is over");
    assert_eq!(
        story,
        "-- its engine goes 3 s after its start\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 1\n\
         stop web.1#2\n\
         make 1#3 v2: run at 4000 ms\n\
         wake at 4000 ms\n\
         -- its restart\n\
         run web.1#3\n\
         wake at 603000 ms\n\
         -- it runs again\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 1, next at 13000 ms\n\
         wake at 13000 ms\n\
         -- its trial is not over\n\
         wake at 13000 ms\n\
         -- its trial is over\n\
         rollout COMPLETED: 1 done, 0 open, 0 failed of 1\n\
         pass web.1#3\n\
         good v2\n"
    );
}

/// Where nothing follows, the step has failed.
#[test]
fn what_ends_with_its_engine_for_good_has_failed() {
    let mut case = running(1, 1);
    case.update(|spec| {
        let template = Arc::make_mut(&mut spec.template);
        template.restart.condition = Some(RestartCondition::None);
    });
    let _ = case.tell("a new template");
    let _ = through(&mut case, "web.1");
    case.end_with_engine("web.1");
    let story = case.tell("its engine goes");
    assert_eq!(
        story,
        "-- its engine goes\n\
         rollout PAUSED TASK_FAILED: 0 done, 0 open, 1 failed of 1\n\
         settle web.1#2 GaveUp\n\
         fail web.1#2\n"
    );
    assert!(case.holds("STALLED"));
}
