// SPDX-License-Identifier: Apache-2.0
//! Rolling update: one place at a time.

use std::sync::Arc;

use crate::model::*;
use crate::state::Refusal;
use crate::testing::{every_node, replicated};

use super::Case;

/// Lets the old task of a slot stop and the new one run.
fn roll(case: &mut Case, name: &str) {
    let new = case.task(name);
    let old = case.task_of(name, new.attempt - 1);
    case.world.observe(old.meta.id, TaskState::Stopped);
    let _ = case.apply_plan();
    case.step();
    case.step();
    assert_eq!(case.task(name).status.state, TaskState::Running);
}

#[test]
fn one_slot_after_the_other() {
    let mut case = Case::running(2, replicated("web", 3));
    case.new_template("new");
    assert_eq!(
        case.plan(),
        "stop web.1#1\n\
         make 1#2 v2: hold"
    );
    // It gets its node and is made ready while the old one stops.
    case.world.apply([crate::state::Write::AssignTask {
        task: case.task("web.1").meta.id,
        node: NodeId(2),
    }]);
    case.observe("web.1", TaskState::Ready);
    assert_eq!(case.plan(), "");
    let old = case.task_of("web.1", 1).meta.id;
    case.world.observe(old, TaskState::Stopped);
    assert_eq!(case.plan(), "run web.1#2");
    case.observe("web.1", TaskState::Starting);
    assert_eq!(case.plan(), "");
    case.observe("web.1", TaskState::Running);
    assert_eq!(
        case.plan(),
        "stop web.2#1\n\
         make 2#2 v2: hold"
    );
    roll(&mut case, "web.2");
    assert!(!case.holds("CONVERGED"));
    assert_eq!(
        case.plan(),
        "stop web.3#1\n\
         make 3#2 v2: hold"
    );
    roll(&mut case, "web.3");
    assert_eq!(case.plan(), "");
    assert!(case.holds("CONVERGED"));
}

#[test]
fn a_template_that_fails_takes_one_slot() {
    let mut case = Case::running(1, replicated("web", 3));
    case.new_template("bad");
    let _ = case.plan();
    let old = case.task_of("web.1", 1).meta.id;
    case.world.observe(old, TaskState::Stopped);
    let _ = case.plan();
    case.step();
    case.observe("web.1", TaskState::Failed);
    assert_eq!(
        case.plan(),
        "stop web.1#2\n\
         make 1#3 v2: run at 1000 ms, streak 1\n\
         wake at 1000 ms"
    );
    // What is out of date and fails meanwhile is made good from the template it had.
    case.observe("web.3", TaskState::Failed);
    assert_eq!(
        case.plan(),
        "stop web.3#1\n\
         make 3#2 v1: run at 1000 ms, streak 1\n\
         wake at 1000 ms"
    );
    // The cure begins where nothing runs.
    case.new_template("good");
    assert_eq!(
        case.plan(),
        "stop web.1#3\n\
         make 1#4 v3: run\n\
         wake at 1000 ms"
    );
}

#[test]
fn slots_that_do_not_run_are_first() {
    let mut case = Case::running(1, replicated("web", 4));
    case.observe("web.2", TaskState::Failed);
    let _ = case.plan();
    case.update(|spec| {
        let template = Arc::make_mut(&mut spec.template);
        template.restart.condition = Some(RestartCondition::None);
    });
    // Slot 2 waits for its restart.
    assert_eq!(
        case.plan(),
        "stop web.2#2\n\
         make 2#3 v2: run"
    );
    case.step();
    case.step();
    let _ = case.plan();
    assert_eq!(case.task("web.1").attempt, 2);
}

#[test]
fn a_slot_that_fails_takes_the_turn_if_it_is_free() {
    let mut case = Case::running(1, replicated("web", 3));
    case.observe("web.3", TaskState::Failed);
    case.new_template("new");
    assert_eq!(
        case.plan(),
        "stop web.3#1\n\
         make 3#2 v2: run"
    );
}

#[test]
fn new_slots_are_up_to_date_and_waited_for() {
    let mut case = Case::running(1, replicated("web", 1));
    case.update(|spec| {
        Arc::make_mut(&mut spec.template).restart_token = "new".to_owned();
        spec.mode = Mode::Replicated { replicas: Some(2) };
    });
    assert_eq!(case.plan(), "make 2#1 v2: run");
    case.step();
    case.step();
    assert_eq!(
        case.plan(),
        "stop web.1#1\n\
         make 1#2 v2: hold"
    );
}

#[test]
fn what_finished_is_no_obstacle_and_is_updated_too() {
    let mut spec = replicated("web", 2);
    Arc::make_mut(&mut spec.template).restart.condition = Some(RestartCondition::OnFailure);
    let mut case = Case::running(1, spec);
    case.observe("web.2", TaskState::Completed);
    case.settle();
    case.new_template("new");
    assert_eq!(
        case.plan(),
        "stop web.2#1\n\
         make 2#2 v2: run"
    );
    case.step();
    case.observe("web.2", TaskState::Completed);
    assert_eq!(
        case.plan(),
        "settle web.2#2 Finished\n\
         stop web.1#1\n\
         make 1#2 v2: hold"
    );
}

#[test]
fn tasks_that_must_move_do_so_whoever_has_the_turn() {
    let mut case = Case::running(3, replicated("web", 3));
    case.new_template("new");
    let _ = case.plan();
    case.set_availability(3, Availability::Drain);
    assert_eq!(
        case.plan(),
        "stop web.3#1\n\
         make 3#2 v1: hold"
    );
    case.set_node(2, NodeState::Down);
    assert_eq!(
        case.plan(),
        "stop web.2#1\n\
         make 2#2 v1: run\n\
         observe web.2#1 Running NODE_LOST\n\
         wake at 86400000 ms"
    );
}

#[test]
fn a_turn_that_is_free_goes_to_the_first_that_must_move() {
    let mut case = Case::running(2, replicated("web", 4));
    case.new_template("new");
    case.set_availability(2, Availability::Drain);
    assert_eq!(
        case.plan(),
        "stop web.2#1\n\
         make 2#2 v2: hold\n\
         stop web.4#1\n\
         make 4#2 v1: hold"
    );
}

#[test]
fn nodes_take_turns_and_paused_ones_are_left_alone() {
    let mut case = Case::running(3, every_node("agent"));
    case.set_availability(1, Availability::Pause);
    case.new_template("new");
    assert_eq!(
        case.plan(),
        "stop agent.node-2#1\n\
         make node-2#2 v2: hold"
    );
    roll(&mut case, "agent.node-2");
    let _ = case.plan();
    roll(&mut case, "agent.node-3");
    assert_eq!(case.plan(), "");
    assert!(!case.holds("CONVERGED"));
    case.set_availability(1, Availability::Active);
    assert_eq!(
        case.plan(),
        "stop agent.node-1#1\n\
         make node-1#2 v2: hold"
    );
    roll(&mut case, "agent.node-1");
    assert!(case.holds("CONVERGED"));
}

#[test]
fn a_return_to_an_earlier_spec_is_one_more_update() {
    let mut case = Case::running(1, replicated("web", 1));
    case.new_template("new");
    case.settle();
    case.new_template("");
    case.settle();
    assert_eq!(case.task("web.1").attempt, 3);
    assert!(case.holds("CONVERGED"));
}

#[test]
fn a_plan_holds_for_its_spec_alone() {
    let mut case = Case::running(1, replicated("web", 1));
    case.new_template("new");
    let plan = case.world.plan(case.service);
    case.new_template("newer");
    let applied = case.world.apply_change(plan.into_change(case.world.now));
    let service = ObjectId::Service(case.service);
    assert_eq!(applied.refusal, Some(Refusal::Changed(service)));
}
