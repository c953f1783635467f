// SPDX-License-Identifier: Apache-2.0
//! Rollouts that people steer.

use super::*;

#[test]
fn paused_means_that_nothing_moves() {
    let mut case = running(1, 3);
    case.policy(|it| it.parallelism = Some(2));
    case.new_template("new");
    let mut story = case.tell("a new template");
    slot(&mut case, "web.1", TaskState::Ready);
    story += &case.tell("the first is ready");
    case.steer(RolloutAction::Pause);
    story += &case.tell("paused: the second is undone, the first is on its way");
    stopped(&mut case, "web.1", 1);
    story += &case.tell("the old one has stopped");
    slot(&mut case, "web.1", TaskState::Running);
    stopped(&mut case, "web.2", 2);
    case.pass_ms(5_000);
    story += &case.tell("5 s later");
    case.observe("web.3", TaskState::Failed);
    story += &case.tell("an old one fails");
    case.scale(4);
    story += &case.tell("one more replica");
    case.steer(RolloutAction::Resume);
    story += &case.tell("resumed");
    assert_eq!(
        story,
        "-- a new template\n\
         rollout UPDATING: 0 done, 2 open, 0 failed of 3\n\
         make 1#2 v2: prepare\n\
         make 2#2 v2: prepare\n\
         wake at 600000 ms\n\
         -- the first is ready\n\
         stop web.1#1\n\
         wake at 600000 ms\n\
         -- paused: the second is undone, the first is on its way\n\
         rollout PAUSED REQUESTED: 0 done, 1 open, 0 failed of 3\n\
         stop web.2#2\n\
         -- the old one has stopped\n\
         run web.1#2\n\
         -- 5 s later\n\
         rollout PAUSED REQUESTED: 1 done, 0 open, 0 failed of 3\n\
         pass web.1#2\n\
         -- an old one fails\n\
         stop web.3#1\n\
         make 3#2 v1: run at 6000 ms, streak 1\n\
         wake at 6000 ms\n\
         -- one more replica\n\
         rollout PAUSED REQUESTED: 1 done, 0 open, 0 failed of 4\n\
         make 4#1 v1: run\n\
         wake at 6000 ms\n\
         -- resumed\n\
         rollout UPDATING: 1 done, 2 open, 0 failed of 4\n\
         stop web.3#2\n\
         make 3#3 v2: run\n\
         stop web.4#1\n\
         make 4#2 v2: run\n\
         wake at 605000 ms\n"
    );
}

#[test]
fn with_start_first_a_pause_leaves_the_old_one() {
    let mut case = running(1, 1);
    case.policy(|it| it.order = Some(UpdateOrder::StartFirst));
    case.new_template("new");
    let mut story = case.tell("a new template");
    slot(&mut case, "web.1", TaskState::Starting);
    case.steer(RolloutAction::Pause);
    story += &case.tell("paused");
    assert_eq!(
        story,
        "-- a new template\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 1\n\
         make 1#2 v2: run beside\n\
         wake at 600000 ms\n\
         -- paused\n\
         rollout PAUSED REQUESTED: 0 done, 0 open, 0 failed of 1\n\
         stop web.1#2\n"
    );
}

#[test]
fn less_parallelism_takes_effect_at_once() {
    let mut case = running(1, 2);
    case.policy(|it| it.parallelism = Some(2));
    case.new_template("new");
    let mut story = case.tell("a new template");
    case.policy(|it| it.parallelism = Some(1));
    slot(&mut case, "web.1", TaskState::Ready);
    slot(&mut case, "web.2", TaskState::Ready);
    story += &case.tell("one at a time now, and both are ready");
    stopped(&mut case, "web.1", 1);
    story += &case.tell("the old one has stopped");
    slot(&mut case, "web.1", TaskState::Running);
    story += &case.tell("the first runs");
    assert_eq!(
        story,
        "-- a new template\n\
         rollout UPDATING: 0 done, 2 open, 0 failed of 2\n\
         make 1#2 v2: prepare\n\
         make 2#2 v2: prepare\n\
         wake at 600000 ms\n\
         -- one at a time now, and both are ready\n\
         stop web.1#1\n\
         wake at 600000 ms\n\
         -- the old one has stopped\n\
         run web.1#2\n\
         wake at 600000 ms\n\
         -- the first runs\n\
         stop web.2#1\n\
         wake at 5000 ms\n"
    );
}

#[test]
fn a_rollout_that_is_missing_is_begun() {
    let mut case = running(1, 2);
    case.new_template("new");
    // As a log of earlier days leaves it.
    let mut image = case.world.state.image();
    for service in &mut image.services {
        Arc::make_mut(service).rollout = None;
    }
    case.world.state = crate::state::State::from_image(image);
    let story = case.tell("a leader looks at it");
    assert_eq!(
        story,
        "-- a leader looks at it\n\
         rollout UPDATING: 0 done, 0 open, 0 failed of 0\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 2\n\
         make 1#2 v2: prepare\n\
         wake at 600000 ms\n"
    );
}
