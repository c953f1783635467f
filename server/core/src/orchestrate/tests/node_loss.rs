// SPDX-License-Identifier: Apache-2.0
//! Nodes that are down, gone, drained, or no longer fit.

use std::sync::Arc;
use std::time::Duration;

use crate::model::*;
use crate::state::Write;
use crate::testing::replicated;

use super::Case;

#[test]
fn tasks_of_a_node_that_is_down_are_replaced_at_once() {
    let mut case = Case::running(2, replicated("web", 3));
    case.pass_ms(1_000);
    case.set_node(2, NodeState::Down);
    assert_eq!(
        case.plan(),
        "stop web.2#1\n\
         make 2#2 v1: run\n\
         observe web.2#1 Running NODE_LOST\n\
         wake at 86401000 ms"
    );
    // What is lost is neither running nor still to stop.
    case.world.apply([crate::state::Write::AssignTask {
        task: case.task("web.2").meta.id,
        node: NodeId(1),
    }]);
    case.observe("web.2", TaskState::Running);
    assert!(case.holds("CONVERGED"));
    let service = case.world.state.service(case.service).expect("it is there");
    assert_eq!(service.status.running_tasks, 3);
}

#[test]
fn they_are_orphaned_after_their_time() {
    for (orphan_after, millis) in [(None, 86_400_000), (Some(Duration::from_secs(60)), 60_000)] {
        let mut case = Case::running(2, replicated("web", 2));
        case.world.apply([Write::PutSwarm {
            id: SwarmId(1),
            spec: Arc::new(SwarmSpec {
                orphan_after,
                ..SwarmSpec::default()
            }),
        }]);
        case.set_node(2, NodeState::Down);
        let _ = case.plan();
        case.pass_ms(millis - 1);
        assert_eq!(case.plan(), format!("wake at {millis} ms"));
        case.pass_ms(1);
        assert_eq!(case.plan(), "observe web.2#1 Orphaned NODE_LOST");
        assert_eq!(case.plan(), "");
    }
}

#[test]
fn a_node_that_comes_back_stops_what_was_replaced() {
    let mut case = Case::running(2, replicated("web", 2));
    case.set_node(2, NodeState::Down);
    let _ = case.plan();
    case.set_node(2, NodeState::Ready);
    let old = case.task_of("web.2", 1).meta.id;
    case.world.observe(old, TaskState::Running);
    assert_eq!(case.plan(), "");
    assert!(!case.holds("CONVERGED"), "the old one runs still");
    case.settle();
    assert_eq!(case.task_of("web.2", 1).status.state, TaskState::Stopped);
    assert!(case.holds("CONVERGED"));
}

#[test]
fn a_node_that_is_not_heard_of_yet_is_given_time() {
    let mut case = Case::running(2, replicated("web", 2));
    case.set_node(2, NodeState::Unknown);
    assert_eq!(case.plan(), "");
}

#[test]
fn a_replacement_does_not_wait_for_a_node_that_goes_down() {
    let mut case = Case::running(2, replicated("web", 2));
    case.set_availability(2, Availability::Drain);
    assert_eq!(
        case.plan(),
        "stop web.2#1\n\
         make 2#2 v1: hold"
    );
    case.set_node(2, NodeState::Down);
    assert_eq!(
        case.plan(),
        "run web.2#2\n\
         observe web.2#1 Running NODE_LOST\n\
         wake at 86400000 ms"
    );
}

#[test]
fn tasks_of_a_node_that_is_deleted_are_orphaned_at_once() {
    let mut case = Case::running(2, replicated("web", 2));
    case.delete_node(2);
    assert_eq!(
        case.plan(),
        "stop web.2#1\n\
         make 2#2 v1: run\n\
         observe web.2#1 Orphaned NODE_LOST"
    );
    assert_eq!(case.task("web.2").restart, RestartMemory::default());
}

#[test]
fn nobody_waits_for_what_is_to_be_forgotten_on_a_node_that_is_down() {
    let mut case = Case::running(2, replicated("web", 2));
    case.scale(1);
    assert_eq!(case.plan(), "remove web.2#1");
    case.set_node(2, NodeState::Down);
    assert_eq!(case.plan(), "delete web.2#1");
}

#[test]
fn of_surplus_slots_those_on_a_node_that_is_down_go_first() {
    let mut case = Case::running(2, replicated("web", 3));
    case.set_node(2, NodeState::Down);
    case.scale(2);
    assert_eq!(case.plan(), "delete web.2#1");
}

#[test]
fn draining_moves_and_pausing_does_not() {
    let mut case = Case::running(2, replicated("web", 4));
    case.set_availability(2, Availability::Pause);
    assert_eq!(case.plan(), "");
    case.set_availability(2, Availability::Drain);
    assert_eq!(
        case.plan(),
        "stop web.2#1\n\
         make 2#2 v1: hold\n\
         stop web.4#1\n\
         make 4#2 v1: hold"
    );
    case.observe("web.2", TaskState::Stopped);
}

#[test]
fn a_restart_time_moves_along() {
    let mut case = Case::running(2, replicated("web", 2));
    case.observe("web.2", TaskState::Failed);
    let _ = case.plan();
    case.step();
    case.pass_ms(300);
    case.set_availability(2, Availability::Drain);
    assert_eq!(
        case.plan(),
        "stop web.2#2\n\
         make 2#3 v1: run at 1000 ms, streak 1\n\
         wake at 1000 ms"
    );
}

#[test]
fn a_label_that_is_taken_away_takes_the_tasks_away() {
    let mut spec = replicated("web", 2);
    let requirements = &mut Arc::make_mut(&mut spec.template).placement.requirements;
    requirements.push(Requirement {
        key: NodeKey::Label("zone".to_owned()),
        operator: Some(Operator::NotIn),
        values: vec!["b".to_owned()],
    });
    let mut case = Case::running(2, spec);
    case.edit_node(2, |spec| {
        Arc::make_mut(&mut spec.labels).insert("zone".to_owned(), "b".to_owned());
    });
    assert_eq!(
        case.plan(),
        "stop web.2#1\n\
         make 2#2 v1: hold"
    );
}
