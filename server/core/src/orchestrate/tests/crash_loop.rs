// SPDX-License-Identifier: Apache-2.0
//! When a service says that its tasks end again and again.

use std::sync::Arc;
use std::time::Duration;

use crate::admit::RolloutAction;
use crate::model::*;
use crate::state::{Observation, Write};
use crate::testing::{every_node, replicated};

use super::Case;

/// Its tasks have only just begun to run.
fn begun(nodes: u8, spec: ServiceSpec) -> Case {
    let mut case = Case::new(nodes, spec);
    case.settle();
    case
}

/// The task of this name ends, saying so if its code is not 0.
fn end(case: &mut Case, name: &str, state: TaskState, code: i32) {
    let task = case.task(name).meta.id;
    let words = match code {
        0 => String::new(),
        code => format!("exited with code {code}; last output:\nboom\nbang"),
    };
    let mut observation = Observation::of(state, case.world.now).because("EXITED", words);
    observation.exit_code = Some(code);
    case.world.apply([Write::ObserveTask { task, observation }]);
}

/// It fails, and the next attempt waits for its time.
fn fail(case: &mut Case, name: &str) {
    end(case, name, TaskState::Failed, 3);
    case.apply_plan();
}

/// The next attempt of this name runs.
fn run(case: &mut Case, name: &str) {
    if let Some(time) = case.task(name).status.restart_time {
        case.world.now = case.world.now.max(time);
    }
    case.settle();
    assert_eq!(case.task(name).status.state, TaskState::Running);
}

fn fail_often(case: &mut Case, name: &str, times: u32) {
    for n in 0..times {
        if n > 0 {
            run(case, name);
        }
        fail(case, name);
    }
}

fn reason(case: &Case) -> String {
    let (holds, reason, _) = case.fact("STALLED");
    assert_eq!(holds, !reason.is_empty());
    reason
}

#[test]
fn three_early_ends_in_a_row_are_a_loop_until_an_attempt_is_stable() {
    let mut case = begun(1, replicated("web", 1));
    fail_often(&mut case, "web.1", 2);
    run(&mut case, "web.1");
    assert_eq!(reason(&case), "");
    fail(&mut case, "web.1");
    let message =
        "1 of 1 tasks end again and again: web.1: exited with code 3; last output: boom bang";
    let fact = case.fact("STALLED");
    assert_eq!(fact, (true, "CRASH_LOOP".into(), message.into()));

    // The next attempt may be the one that works. That is seen once it has run for long enough.
    run(&mut case, "web.1");
    assert!(case.holds("CONVERGED") && case.holds("STALLED"));
    let begun = case.world.now;
    case.pass_ms(4_999);
    assert_eq!(case.plan(), "wake at 12000 ms");
    assert_eq!(case.world.now.since(begun), Duration::from_millis(4_999));
    case.pass_ms(1);
    assert_eq!(case.plan(), "stable web.1#4");
    assert_eq!(reason(&case), "");
    // Its end is no early one; those that follow are another row.
    fail_often(&mut case, "web.1", 3);
    assert_eq!(reason(&case), "");
    run(&mut case, "web.1");
    fail(&mut case, "web.1");
    assert_eq!(reason(&case), "CRASH_LOOP");
}

#[test]
fn the_clock_of_a_node_that_is_ahead_keeps_nothing_unstable() {
    let mut case = begun(1, replicated("web", 1));
    fail_often(&mut case, "web.1", 3);
    case.world.now = case.world.now.after(Duration::from_secs(60));
    case.apply_plan();
    let task = case.task("web.1").meta.id;
    let node = NodeId(1);
    case.world.apply([Write::AssignTask { task, node }]);
    let ahead = case.world.now.after(Duration::from_secs(3_600));
    let observation = Observation::of(TaskState::Running, ahead);
    case.world.apply([Write::ObserveTask { task, observation }]);
    case.pass_ms(5_000);
    case.apply_plan();
    assert_eq!(reason(&case), "");
}

#[test]
fn what_a_check_says_meanwhile_keeps_nothing_unstable() {
    let mut case = begun(1, replicated("web", 1));
    fail_often(&mut case, "web.1", 3);
    run(&mut case, "web.1");
    let task = case.task("web.1").meta.id;
    for said in ["slow", "", "slow"] {
        case.pass_ms(2_000);
        let mut observation = Observation::of(TaskState::Running, case.world.now);
        observation.health_message = said.into();
        case.world.apply([Write::ObserveTask { task, observation }]);
    }
    case.apply_plan();
    assert_eq!(reason(&case), "");
}

#[test]
fn a_task_of_a_node_that_is_not_heard_is_not_called_stable() {
    let mut case = begun(1, replicated("web", 1));
    fail_often(&mut case, "web.1", 3);
    run(&mut case, "web.1");
    let hear = |state| Write::SetNodeState {
        node: NodeId(1),
        state,
        message: "".into(),
    };
    case.world.apply([hear(NodeState::Unknown)]);
    case.pass_ms(10_000);
    case.apply_plan();
    assert_eq!(reason(&case), "CRASH_LOOP");
    case.world.apply([hear(NodeState::Ready)]);
    case.apply_plan();
    assert_eq!(reason(&case), "");
}

#[test]
fn an_end_after_a_stable_run_ends_the_row() {
    for (ran_ms, expected) in [(4_999, "CRASH_LOOP"), (5_000, "")] {
        let mut case = begun(1, replicated("web", 1));
        fail_often(&mut case, "web.1", 2);
        run(&mut case, "web.1");
        case.pass_ms(ran_ms);
        fail(&mut case, "web.1");
        assert_eq!(reason(&case), expected, "after {ran_ms} ms");
    }
}

#[test]
fn what_is_on_its_way_elsewhere_is_waited_for_and_what_rests_is_not() {
    let mut case = begun(1, replicated("web", 2));
    fail_often(&mut case, "web.1", 3);
    let message =
        "1 of 2 tasks end again and again: web.1: exited with code 3; last output: boom bang";
    assert_eq!(case.fact("STALLED").2, message);
    // A slot without a task, then with one on its way, then with one without a node.
    case.scale(3);
    assert_eq!(reason(&case), "");
    case.apply_plan();
    assert_eq!(reason(&case), "");
    let task = case.task("web.3").meta.id;
    let unplaced = Arc::new(Unplaced {
        service: case.service,
        tasks: 1,
        nodes: 1,
        causes: Vec::new(),
    });
    case.world.apply([Write::SetUnplaced { task, unplaced }]);
    assert_eq!(reason(&case), "CRASH_LOOP");
    case.settle();
    fail_often(&mut case, "web.3", 3);
    run(&mut case, "web.1");
    fail(&mut case, "web.1");
    assert_eq!(
        case.fact("STALLED").2,
        "2 of 3 tasks end again and again: web.1: exited with code 3; last output: boom bang"
    );
}

#[test]
fn an_end_with_code_0_counts_if_the_task_is_made_anew() {
    let mut case = begun(1, replicated("web", 1));
    for _ in 0..3 {
        run(&mut case, "web.1");
        end(&mut case, "web.1", TaskState::Completed, 0);
        case.apply_plan();
    }
    let message = "1 of 1 tasks end again and again: web.1: exited with code 0";
    assert_eq!(case.fact("STALLED").2, message);
    // With the last of them, nothing follows.
    case.update(|spec| {
        let template = Arc::make_mut(&mut spec.template);
        template.restart.condition = Some(RestartCondition::OnFailure);
    });
    run(&mut case, "web.1");
    end(&mut case, "web.1", TaskState::Completed, 0);
    case.apply_plan();
    assert_eq!(reason(&case), "");
    assert!(case.holds("CONVERGED"));
}

#[test]
fn a_stop_or_a_lost_node_is_no_end_of_that_kind() {
    for state in [TaskState::Stopped, TaskState::Orphaned] {
        let mut case = begun(1, replicated("web", 1));
        fail_often(&mut case, "web.1", 2);
        run(&mut case, "web.1");
        case.observe("web.1", state);
        case.apply_plan();
        assert_eq!(reason(&case), "", "{state:?}");
        run(&mut case, "web.1");
        fail(&mut case, "web.1");
        assert_eq!(reason(&case), "CRASH_LOOP", "after {state:?}");
    }
}

#[test]
fn no_attempt_left_is_the_stronger_reason() {
    let mut spec = replicated("web", 1);
    Arc::make_mut(&mut spec.template).restart.max_attempts = 3;
    let mut case = begun(1, spec);
    fail_often(&mut case, "web.1", 3);
    assert_eq!(reason(&case), "CRASH_LOOP");
    run(&mut case, "web.1");
    fail(&mut case, "web.1");
    assert_eq!(reason(&case), "ATTEMPTS_EXHAUSTED");
}

#[test]
fn another_template_is_another_chance_and_its_rollout_judges() {
    let mut case = begun(1, replicated("web", 1));
    case.policy(|it| it.on_failure = Some(OnFailure::Continue));
    fail_often(&mut case, "web.1", 3);
    assert_eq!(reason(&case), "CRASH_LOOP");
    case.new_template("new");
    assert_eq!(reason(&case), "");
    case.settle();
    for n in 0..3 {
        let going = |case: &Case| {
            let service = case.world.state.service(case.service).expect("it is there");
            service
                .rollout
                .as_ref()
                .is_some_and(|it| it.state.is_going())
        };
        if n > 0 {
            run(&mut case, "web.1");
        }
        end(&mut case, "web.1", TaskState::Failed, 3);
        assert!(!going(&case) || reason(&case).is_empty());
        case.apply_plan();
    }
    assert_eq!(reason(&case), "CRASH_LOOP");
}

#[test]
fn a_rollout_that_pauses_or_went_back_says_so_first() {
    let mut case = begun(1, replicated("web", 1));
    fail_often(&mut case, "web.1", 3);
    case.new_template("new");
    case.apply_plan();
    case.steer(RolloutAction::Pause);
    assert_eq!(reason(&case), "ROLLOUT_PAUSED");
    case.steer(RolloutAction::Resume);
    assert_eq!(reason(&case), "");
}

#[test]
fn with_one_task_a_node_the_node_is_the_place() {
    let mut case = begun(2, every_node("agent"));
    fail_often(&mut case, "agent.node-2", 3);
    assert_eq!(
        case.fact("STALLED").2,
        "1 of 2 tasks end again and again: agent.node-2: exited with code 3; last output: boom bang"
    );
    case.set_availability(2, Availability::Drain);
    case.apply_plan();
    assert_eq!(reason(&case), "");
}

#[test]
fn what_the_swarm_forgets_stays_counted() {
    let mut case = begun(1, replicated("web", 1));
    fail_often(&mut case, "web.1", 3);
    let ended: Vec<TaskId> = case
        .world
        .state
        .service_tasks(case.service)
        .filter(|task| task.is_terminal())
        .map(|task| task.meta.id)
        .collect();
    assert_eq!(ended.len(), 3);
    let forget = ended.into_iter().map(|task| Write::DeleteTask { task });
    case.world.apply(forget);
    assert_eq!(case.fact("STALLED").2, "1 of 1 tasks end again and again");
}
