// SPDX-License-Identifier: Apache-2.0
//! Rollouts while nodes come and go, and of services with one task a node.

use crate::testing::every_node;

use super::*;

#[test]
fn a_node_that_is_paused_is_waited_for_and_named() {
    let mut case = Case::running(2, every_node("agent"));
    case.policy(|it| it.monitor = Some(Duration::ZERO));
    case.set_availability(1, Availability::Pause);
    case.new_template("new");
    let mut story = case.tell("a new template");
    story += &through(&mut case, "agent.node-2");
    let stalled = case.fact("STALLED");
    assert_eq!((stalled.0, stalled.1.as_str()), (true, "NODE_PAUSED"));
    assert_eq!(
        stalled.2,
        "1 task is left to change, on node node-1, which is paused; set it active or drain it"
    );
    case.set_availability(1, Availability::Active);
    story += &case.tell("the node takes tasks again");
    assert!(!case.holds("STALLED"));
    case.settle();
    assert!(case.holds("CONVERGED"));
    assert_eq!(
        story,
        "-- a new template\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 2\n\
         make node-2#2 v2: prepare\n\
         wake at 600000 ms\n\
         -- agent.node-2#2 is ready\n\
         stop agent.node-2#1\n\
         wake at 600000 ms\n\
         -- the old one has stopped\n\
         run agent.node-2#2\n\
         wake at 600000 ms\n\
         -- agent.node-2#2 runs\n\
         rollout UPDATING NODE_PAUSED: 1 done, 0 open, 0 failed of 2\n\
         pass agent.node-2#2\n\
         -- the node takes tasks again\n\
         rollout UPDATING: 1 done, 1 open, 0 failed of 2\n\
         make node-1#2 v2: prepare\n\
         wake at 600000 ms\n"
    );
}

#[test]
fn nodes_that_leave_do_not_hold_it_up() {
    let mut case = running(3, 3);
    case.policy(|it| it.monitor = Some(Duration::ZERO));
    case.new_template("new");
    let mut story = case.tell("a new template");
    case.set_availability(3, Availability::Drain);
    story += &case.tell("a node is drained: its task moves as it is");
    case.set_node(1, NodeState::Down);
    story += &case.tell("the node of the slot that is being changed is lost");
    case.delete_node(1);
    let _ = case.tell("and forgotten");
    slot2(&mut case);
    story += &case.tell("its successor runs");
    assert_eq!(
        story,
        "-- a new template\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 3\n\
         make 1#2 v2: prepare\n\
         wake at 600000 ms\n\
         -- a node is drained: its task moves as it is\n\
         stop web.3#1\n\
         make 3#2 v1: hold\n\
         wake at 600000 ms\n\
         -- the node of the slot that is being changed is lost\n\
         stop web.1#1\n\
         run web.1#2\n\
         observe web.1#1 Running NODE_LOST\n\
         wake at 600000 ms\n\
         -- its successor runs\n\
         rollout UPDATING: 1 done, 1 open, 0 failed of 3\n\
         pass web.1#2\n\
         stop web.3#2\n\
         make 3#3 v2: hold\n\
         wake at 600000 ms\n"
    );
}

fn slot2(case: &mut Case) {
    let task = case.task("web.1").meta.id;
    let node = NodeId(2);
    case.world
        .apply([crate::state::Write::AssignTask { task, node }]);
    case.observe("web.1", TaskState::Running);
}

#[test]
fn a_successor_whose_node_is_lost_is_made_again() {
    let mut case = running(2, 1);
    case.new_template("new");
    let mut story = case.tell("a new template");
    let task = case.task("web.1").meta.id;
    let node = NodeId(2);
    case.world
        .apply([crate::state::Write::AssignTask { task, node }]);
    case.observe("web.1", TaskState::Preparing);
    case.pass_ms(2_000);
    case.set_node(2, NodeState::Down);
    story += &case.tell("its node is lost");
    assert_eq!(
        story,
        "-- a new template\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 1\n\
         make 1#2 v2: prepare\n\
         wake at 600000 ms\n\
         -- its node is lost\n\
         stop web.1#2\n\
         make 1#3 v2: prepare\n\
         observe web.1#2 Preparing NODE_LOST\n\
         wake at 602000 ms\n"
    );
}

#[test]
fn a_new_leader_lets_nothing_pass_on_old_news() {
    let mut case = running(1, 1);
    case.new_template("new");
    let _ = case.tell("a new template");
    let _ = through(&mut case, "web.1");
    // The manager is killed then, and started again when the trial would be over.
    case.pass_ms(60_000);
    case.world.led_since = case.world.now;
    let mut story = case.tell("another leader");
    case.set_node(1, NodeState::Unknown);
    case.pass_ms(6_000);
    story += &case.tell("which has not heard the node");
    case.set_node(1, NodeState::Ready);
    case.observe("web.1", TaskState::Failed);
    story += &case.tell("which says that the task has failed meanwhile");
    assert_eq!(
        story,
        "-- another leader\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 1, next at 65000 ms\n\
         wake at 65000 ms\n\
         -- which has not heard the node\n\
         rollout UPDATING: 0 done, 1 open, 0 failed of 1\n\
         -- which says that the task has failed meanwhile\n\
         rollout PAUSED TASK_FAILED: 0 done, 0 open, 1 failed of 1\n\
         fail web.1#2\n\
         stop web.1#2\n\
         make 1#3 v2: run at 67000 ms, streak 1\n\
         wake at 67000 ms\n"
    );
}

/// What was on trial when its node was lost is made anew once the node is back. By then the
/// rollout has ended without it: nobody would judge it.
#[test]
fn what_comes_back_after_the_end_is_on_no_trial() {
    let mut case = Case::running(2, every_node("agent"));
    case.policy(|it| {
        it.monitor = Some(Duration::ZERO);
        it.parallelism = Some(0);
    });
    case.new_template("new");
    let _ = case.tell("a new template");
    let _ = through(&mut case, "agent.node-1");
    case.set_node(2, NodeState::Down);
    let story = case.tell("the other node is lost");
    assert!(story.contains("rollout COMPLETED"), "{story}");
    case.set_node(2, NodeState::Ready);
    let _ = case.tell("it is back");
    let task = case.task("agent.node-2");
    assert_eq!((task.attempt, task.step), (3, None));
}

/// The clock of the leader before was ahead by an hour, which would last for ever if it counted.
#[test]
fn a_clock_that_is_behind_holds_nothing_up() {
    let mut case = running(1, 1);
    case.new_template("new");
    let _ = case.tell("a new template");
    let _ = through(&mut case, "web.1");
    case.set_node(1, NodeState::Unknown);
    case.set_node(1, NodeState::Ready);
    let earlier = case.world.now.0 - 3_600_000_000_000;
    case.world.now = Timestamp(earlier);
    case.world.led_since = case.world.now;
    let _ = case.tell("another leader");
    case.pass_ms(4_999);
    assert_eq!(case.tell("not yet"), "-- not yet\nwake at -3595000 ms\n");
    case.pass_ms(1);
    let story = case.tell("its trial is over");
    assert!(story.contains("pass web.1#2"), "{story}");
}
