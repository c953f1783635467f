// SPDX-License-Identifier: Apache-2.0
//! One task on every node that fits.

use std::sync::Arc;

use crate::model::*;
use crate::state::Write;
use crate::testing::{create_node, every_node};

use super::Case;

fn labelled(value: &str) -> Requirement<NodeKey> {
    Requirement {
        key: NodeKey::Label("zone".to_owned()),
        operator: None,
        values: vec![value.to_owned()],
    }
}

#[test]
fn every_node_has_one_also_those_that_join() {
    let mut case = Case::new(2, every_node("agent"));
    assert_eq!(
        case.plan(),
        "make node-1#1 v1: run\n\
         make node-2#1 v1: run"
    );
    case.world.apply([create_node(3)]);
    assert_eq!(case.plan(), "make node-3#1 v1: run");
    case.settle();
    assert!(case.holds("CONVERGED"));
}

#[test]
fn a_failure_is_made_good_on_its_node() {
    let mut case = Case::running(2, every_node("agent"));
    case.observe("agent.node-2", TaskState::Failed);
    assert_eq!(
        case.plan(),
        "stop agent.node-2#1\n\
         make node-2#2 v1: run at 1000 ms, streak 1\n\
         wake at 1000 ms"
    );
}

#[test]
fn a_drained_node_has_none_until_it_is_active_again() {
    let mut case = Case::running(2, every_node("agent"));
    case.set_availability(2, Availability::Drain);
    assert_eq!(case.plan(), "stop agent.node-2#1");
    case.settle();
    assert!(case.holds("CONVERGED"));
    case.set_availability(2, Availability::Active);
    assert_eq!(case.plan(), "make node-2#2 v1: run");
}

#[test]
fn a_paused_node_keeps_its_task_and_gets_no_other() {
    let mut case = Case::running(2, every_node("agent"));
    case.set_availability(2, Availability::Pause);
    assert_eq!(case.plan(), "");
    assert!(case.holds("CONVERGED"));
    case.observe("agent.node-2", TaskState::Failed);
    assert_eq!(case.plan(), "stop agent.node-2#1");
    assert!(case.holds("CONVERGED"));
    case.set_availability(2, Availability::Active);
    assert_eq!(case.plan(), "make node-2#2 v1: run");
}

/// A node says that it is capable of this.
fn is_capable(case: &mut Case, node: u128, capabilities: &[&str]) {
    let id = NodeId(node);
    let known = case.world.state.node(id).expect("it is there");
    let description = NodeDescription {
        capabilities: capabilities.iter().map(ToString::to_string).collect(),
        ..NodeDescription::clone(&known.status.description)
    };
    case.world.apply([Write::DescribeNode {
        node: id,
        description: Arc::new(description),
    }]);
}

#[test]
fn a_node_whose_engine_is_gone_keeps_its_task_and_gets_no_other() {
    let mut case = Case::running(2, every_node("agent"));
    is_capable(&mut case, 2, &[]);
    assert_eq!(case.plan(), "");
    assert!(case.holds("CONVERGED"));
    case.observe("agent.node-2", TaskState::Failed);
    assert_eq!(case.plan(), "stop agent.node-2#1");
    is_capable(&mut case, 2, &["workload.process"]);
    assert_eq!(case.plan(), "make node-2#2 v1: run");
}

#[test]
fn a_task_that_waits_for_a_paused_node_is_not_kept() {
    let mut case = Case::new(2, every_node("agent"));
    let _ = case.plan();
    case.set_availability(2, Availability::Pause);
    assert_eq!(case.plan(), "stop agent.node-2#1");
    case.settle();
    assert!(case.holds("CONVERGED"));
}

#[test]
fn what_finished_on_a_paused_node_counts() {
    let mut spec = every_node("agent");
    Arc::make_mut(&mut spec.template).restart.condition = Some(RestartCondition::OnFailure);
    let mut case = Case::running(1, spec);
    case.observe("agent.node-1", TaskState::Completed);
    case.set_availability(1, Availability::Pause);
    assert_eq!(case.plan(), "settle agent.node-1#1 Finished");
    assert!(case.holds("CONVERGED"));
    case.set_availability(1, Availability::Drain);
    assert_eq!(case.plan(), "stop agent.node-1#1");
    assert!(case.holds("CONVERGED"));
}

#[test]
fn a_node_that_is_down_has_none_until_it_is_back() {
    let mut case = Case::running(2, every_node("agent"));
    case.set_node(2, NodeState::Down);
    assert_eq!(
        case.plan(),
        "stop agent.node-2#1\n\
         observe agent.node-2#1 Running NODE_LOST\n\
         wake at 86400000 ms"
    );
    assert!(case.holds("CONVERGED"));
    case.set_node(2, NodeState::Ready);
    // The old one is stopped first: the node was only cut off.
    assert_eq!(case.plan(), "make node-2#2 v1: hold");
    let old = case.task_of("agent.node-2", 1).meta.id;
    case.world.observe(old, TaskState::Stopped);
    assert_eq!(case.plan(), "run agent.node-2#2");
}

#[test]
fn a_node_that_is_deleted_is_forgotten() {
    let mut case = Case::running(2, every_node("agent"));
    case.observe("agent.node-2", TaskState::Failed);
    let _ = case.plan();
    case.delete_node(2);
    assert_eq!(
        case.plan(),
        "delete agent.node-2#1\n\
         delete agent.node-2#2"
    );
    assert!(case.holds("CONVERGED"));
}

#[test]
fn nodes_that_no_longer_fit_are_left_at_once() {
    let mut case = Case::running(3, every_node("agent"));
    for node in [1, 2] {
        case.edit_node(node, |spec| {
            Arc::make_mut(&mut spec.labels).insert("zone".to_owned(), "a".to_owned());
        });
    }
    case.update(|spec| {
        let template = Arc::make_mut(&mut spec.template);
        template.placement.requirements.push(labelled("a"));
    });
    assert_eq!(
        case.plan(),
        "rollout UPDATING: 0 done, 1 open, 0 failed of 2\n\
         stop agent.node-3#1\n\
         make node-1#2 v2: prepare\n\
         wake at 600000 ms"
    );
    case.settle();
    case.edit_node(2, |spec| spec.labels = Arc::default());
    let told = case.plan();
    assert!(told.contains("stop agent.node-2#2"), "{told}");
}
