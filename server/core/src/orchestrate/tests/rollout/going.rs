// SPDX-License-Identifier: Apache-2.0
//! Rollouts in which all goes well.

use super::*;

#[test]
fn one_slot_after_the_other_each_prepared_first() {
    let mut case = running(2, 2);
    case.new_template("new");
    let mut story = case.tell("a new template");
    story += &through(&mut case, "web.1");
    assert!(!case.holds("CONVERGED"));
    story += &through(&mut case, "web.2");
    assert!(!case.holds("CONVERGED"), "it is still watched");
    case.pass_ms(5_000);
    story += &case.tell("5 s later");
    assert!(case.holds("CONVERGED"));
    assert_eq!(
        story,
        "-- a new template\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 2\n\
         make 1#2 v2: prepare\n\
         wake at 600000 ms\n\
         -- web.1#2 is ready\n\
         stop web.1#1\n\
         wake at 600000 ms\n\
         -- the old one has stopped\n\
         run web.1#2\n\
         wake at 600000 ms\n\
         -- web.1#2 runs\n\
         rollout UPDATING: 0 done, 2 open, 0 failed of 2\n\
         make 2#2 v2: prepare\n\
         wake at 5000 ms\n\
         -- web.2#2 is ready\n\
         stop web.2#1\n\
         wake at 5000 ms\n\
         -- the old one has stopped\n\
         run web.2#2\n\
         wake at 5000 ms\n\
         -- web.2#2 runs\n\
         rollout UPDATING: 0 done, 2 open, 0 failed of 2, next at 5000 ms\n\
         wake at 5000 ms\n\
         -- 5 s later\n\
         rollout COMPLETED: 2 done, 0 open, 0 failed of 2\n\
         pass web.1#2\n\
         pass web.2#2\n\
         good v2\n"
    );
}

#[test]
fn start_first_lets_both_run() {
    let mut case = running(2, 1);
    case.policy(|it| {
        it.order = Some(UpdateOrder::StartFirst);
        it.monitor = Some(Duration::ZERO);
    });
    case.new_template("new");
    let mut story = case.tell("a new template");
    slot(&mut case, "web.1", TaskState::Starting);
    story += &case.tell("it starts");
    slot(&mut case, "web.1", TaskState::Running);
    story += &case.tell("it runs");
    stopped(&mut case, "web.1", 1);
    story += &case.tell("the old one has stopped");
    assert_eq!(
        story,
        "-- a new template\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 1\n\
         make 1#2 v2: run beside\n\
         wake at 600000 ms\n\
         -- it starts\n\
         wake at 600000 ms\n\
         -- it runs\n\
         rollout COMPLETED: 1 done, 0 open, 0 failed of 1\n\
         pass web.1#2\n\
         stop web.1#1\n\
         -- the old one has stopped\n\
         good v2\n"
    );
}

#[test]
fn several_at_a_time_with_a_wait_after_each() {
    let mut case = running(1, 5);
    case.policy(|it| {
        it.parallelism = Some(2);
        it.delay = seconds(10);
    });
    case.new_template("new");
    let mut story = case.tell("a new template");
    story += &through(&mut case, "web.1");
    case.pass_ms(1_000);
    story += &through(&mut case, "web.2");
    case.pass_ms(9_000);
    story += &case.tell("10 s after the first");
    case.pass_ms(1_000);
    story += &case.tell("10 s after the second");
    assert_eq!(
        story,
        "-- a new template\n\
         rollout UPDATING: 0 done, 2 open, 0 failed of 5\n\
         make 1#2 v2: prepare\n\
         make 2#2 v2: prepare\n\
         wake at 600000 ms\n\
         -- web.1#2 is ready\n\
         stop web.1#1\n\
         wake at 600000 ms\n\
         -- the old one has stopped\n\
         run web.1#2\n\
         wake at 600000 ms\n\
         -- web.1#2 runs\n\
         rollout UPDATING: 0 done, 2 open, 0 failed of 5, next at 10000 ms\n\
         wake at 5000 ms\n\
         -- web.2#2 is ready\n\
         stop web.2#1\n\
         wake at 5000 ms\n\
         -- the old one has stopped\n\
         run web.2#2\n\
         wake at 5000 ms\n\
         -- web.2#2 runs\n\
         wake at 5000 ms\n\
         -- 10 s after the first\n\
         rollout UPDATING: 2 done, 1 open, 0 failed of 5, next at 11000 ms\n\
         pass web.1#2\n\
         pass web.2#2\n\
         make 3#2 v2: prepare\n\
         wake at 11000 ms\n\
         -- 10 s after the second\n\
         rollout UPDATING: 2 done, 2 open, 0 failed of 5\n\
         make 4#2 v2: prepare\n\
         wake at 610000 ms\n"
    );
}

#[test]
fn all_at_once() {
    let mut case = running(1, 3);
    case.policy(|it| {
        it.parallelism = Some(0);
        it.monitor = Some(Duration::ZERO);
    });
    case.new_template("new");
    let story = case.tell("a new template");
    case.settle();
    assert!(case.holds("CONVERGED"));
    assert_eq!(
        story,
        "-- a new template\n\
         rollout UPDATING: 0 done, 3 open, 0 failed of 3\n\
         make 1#2 v2: prepare\n\
         make 2#2 v2: prepare\n\
         make 3#2 v2: prepare\n\
         wake at 600000 ms\n"
    );
}

#[test]
fn the_old_one_makes_room_if_there_is_none() {
    let mut case = running(1, 2);
    reserve(&mut case, 4 << 30, "large");
    case.policy(|it| it.monitor = Some(Duration::ZERO));
    case.settle();
    reserve(&mut case, 4 << 30, "larger");
    let mut story = case.tell("a new template");
    let writes = crate::schedule::place(&case.world.state, case.world.now);
    case.world.apply(writes);
    story += &case.tell("it has no node: both are full");
    stopped(&mut case, "web.1", 2);
    story += &case.tell("the old one has stopped");
    case.settle();
    assert!(case.holds("CONVERGED"));
    assert_eq!(
        story,
        "-- a new template\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 2\n\
         make 1#3 v3: prepare\n\
         wake at 600000 ms\n\
         -- it has no node: both are full\n\
         stop web.1#2\n\
         wake at 600000 ms\n\
         -- the old one has stopped\n\
         run web.1#3\n\
         wake at 600000 ms\n"
    );
}

#[test]
fn what_fits_nowhere_takes_nothing_away() {
    let mut case = running(1, 1);
    case.policy(|it| it.progress_deadline = seconds(60));
    reserve(&mut case, 64 << 30, "huge");
    let mut story = case.tell("a template too large for any node");
    let writes = crate::schedule::place(&case.world.state, case.world.now);
    case.world.apply(writes);
    story += &case.tell("it has no node");
    case.pass_ms(60_000);
    story += &case.tell("its time is up");
    assert_eq!(
        case.fact("STALLED"),
        (
            true,
            "ROLLOUT_PAUSED".to_owned(),
            format!(
                "update paused: task web.1 {} found no node in time: needs 65536 MiB, most free is \
                 8192 MiB",
                case.task("web.1").meta.id
            )
        )
    );
    assert!(case.holds("AVAILABLE"));
    assert_eq!(
        story,
        "-- a template too large for any node\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 1\n\
         make 1#2 v2: prepare\n\
         wake at 60000 ms\n\
         -- it has no node\n\
         wake at 60000 ms\n\
         -- its time is up\n\
         rollout PAUSED NO_PROGRESS: 0 done, 0 open, 1 failed of 1\n\
         fail web.1#2\n\
         stop web.1#2\n"
    );
}

#[test]
fn a_new_spec_begins_anew_from_where_it_is() {
    let mut case = running(2, 3);
    case.policy(|it| it.monitor = Some(Duration::ZERO));
    case.new_template("new");
    let mut story = case.tell("a new template");
    story += &through(&mut case, "web.1");
    case.new_template("newer");
    story += &case.tell("a newer one, while slot 2 is being prepared");
    story += &through(&mut case, "web.1");
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
         rollout UPDATING: 1 done, 1 open, 0 failed of 3\n\
         pass web.1#2\n\
         make 2#2 v2: prepare\n\
         wake at 600000 ms\n\
         -- a newer one, while slot 2 is being prepared\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 3\n\
         stop web.2#2\n\
         make 1#3 v3: prepare\n\
         wake at 600000 ms\n\
         -- web.1#3 is ready\n\
         stop web.1#2\n\
         wake at 600000 ms\n\
         -- the old one has stopped\n\
         run web.1#3\n\
         wake at 600000 ms\n\
         -- web.1#3 runs\n\
         rollout UPDATING: 1 done, 1 open, 0 failed of 3\n\
         pass web.1#3\n\
         make 2#3 v3: prepare\n\
         wake at 600000 ms\n"
    );
}

#[test]
fn scaling_goes_on_beside_it() {
    let mut case = running(2, 2);
    case.policy(|it| it.monitor = Some(Duration::ZERO));
    case.new_template("new");
    let mut story = case.tell("a new template");
    case.scale(4);
    story += &case.tell("two more replicas");
    slot(&mut case, "web.3", TaskState::Running);
    slot(&mut case, "web.4", TaskState::Running);
    story += &case.tell("both run");
    case.scale(1);
    story += &case.tell("one replica only");
    case.settle();
    assert!(case.holds("CONVERGED"));
    assert_eq!(
        story,
        "-- a new template\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 2\n\
         make 1#2 v2: prepare\n\
         wake at 600000 ms\n\
         -- two more replicas\n\
         rollout UPDATING: 0 done, 3 open, 0 failed of 4\n\
         make 3#1 v2: run\n\
         make 4#1 v2: run\n\
         wake at 600000 ms\n\
         -- both run\n\
         rollout UPDATING: 2 done, 1 open, 0 failed of 4\n\
         pass web.3#1\n\
         pass web.4#1\n\
         wake at 600000 ms\n\
         -- one replica only\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 1\n\
         remove web.4#1\n\
         remove web.3#1\n\
         remove web.2#1\n\
         wake at 600000 ms\n"
    );
}

#[test]
fn a_trial_lasts_as_long_as_the_policy_says() {
    let mut case = running(1, 1);
    case.policy(|it| it.monitor = seconds(7));
    case.new_template("new");
    let _ = case.tell("a new template");
    let _ = through(&mut case, "web.1");
    case.pass_ms(6_999);
    let mut story = case.tell("it is still watched");
    case.pass_ms(1);
    story += &case.tell("7 s after it began to run");
    assert_eq!(
        story,
        "-- it is still watched\n\
         wake at 7000 ms\n\
         -- 7 s after it began to run\n\
         rollout COMPLETED: 1 done, 0 open, 0 failed of 1\n\
         pass web.1#2\n\
         good v2\n"
    );
}
