// SPDX-License-Identifier: Apache-2.0
//! Each way for a wait to end, by a clock that is a number.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::model::{
    NodeId, PlacementCheck, RestartCondition, ServiceSpec, Task, TaskState, Unplaced, UnplacedCause,
};
use crate::state::Write;
use crate::testing::{World, replicated};

const TIMEOUT: Duration = Duration::from_secs(60);

/// A world with one service, which is waited for.
struct Case {
    world: World,
    service: ServiceId,
    wait: Wait,
}

impl Case {
    fn of(spec: ServiceSpec, options: Options) -> Case {
        let mut world = World::with_nodes(1);
        let service = world.create_service(spec);
        let wait = Wait::new(options, world.state.service(service).expect("it is there"));
        Case {
            world,
            service,
            wait,
        }
    }

    fn tasks(&self) -> Vec<Arc<Task>> {
        self.world
            .state
            .service_tasks(self.service)
            .cloned()
            .collect()
    }

    /// Time passes in the world, as its clock of decisions sees it.
    fn pass(&mut self, seconds: u64) {
        self.world.now = self.world.now.after(Duration::from_secs(seconds));
    }

    /// Makes the tasks that are wanted, and lets them run.
    fn run(&mut self) {
        self.world.reconcile(self.service);
        for task in self.tasks().iter().filter(|task| !task.is_terminal()) {
            let (task, node) = (task.meta.id, NodeId(1));
            self.world.apply([Write::AssignTask { task, node }]);
            self.world.observe(task, TaskState::Running);
        }
    }

    /// All tasks fail, and what follows from that is decided.
    fn fail(&mut self) {
        for task in self.tasks().iter().filter(|task| !task.is_terminal()) {
            self.world.observe(task.meta.id, TaskState::Failed);
        }
        self.world.reconcile(self.service);
    }

    /// Deletes the service; its tasks stop.
    fn delete(&mut self) {
        let service = self.service;
        self.world.apply([Write::MarkServiceDeleting { service }]);
    }

    fn stop(&mut self) {
        for task in self.tasks() {
            self.world.observe(task.meta.id, TaskState::Stopped);
        }
        for _ in 0..3 {
            self.world.reconcile(self.service);
        }
        assert_eq!(self.world.state.service(self.service), None);
    }

    /// What is seen after so many seconds.
    fn look(&mut self, seconds: f64) -> Verdict {
        let passed = Duration::from_secs_f64(seconds);
        self.wait.look(&self.world.state, false, passed)
    }

    /// The same by a state that is surely the newest.
    fn prove(&mut self, seconds: f64) -> Verdict {
        let passed = Duration::from_secs_f64(seconds);
        self.wait.look(&self.world.state, true, passed)
    }
}

fn converged(stable_for: u64) -> Options {
    Options {
        goal: Goal::Converged(None),
        timeout: TIMEOUT,
        stable_for: Duration::from_secs(stable_for),
    }
}

fn deleted() -> Options {
    Options {
        goal: Goal::Deleted,
        ..converged(5)
    }
}

fn until(seconds: u64) -> Verdict {
    let until = Duration::from_secs(seconds);
    Verdict::Wait { until }
}

fn name() -> Name {
    Name::parse("web").expect("a name")
}

#[test]
fn what_has_converged_counts_once_it_has_stayed_so() {
    let mut case = Case::of(replicated("web", 2), converged(5));
    assert_eq!(case.look(0.0), until(60));
    case.run();
    assert_eq!(case.look(2.0), until(7));
    assert_eq!(case.look(6.9), until(7));
    // What was seen may be old.
    assert_eq!(case.look(7.0), Verdict::Prove);
    assert_eq!(case.prove(7.1), Verdict::Reached);
}

#[test]
fn a_break_begins_the_time_anew() {
    let mut case = Case::of(replicated("web", 1), converged(5));
    case.run();
    assert_eq!(case.look(1.0), until(6));
    case.pass(3);
    case.fail();
    assert_eq!(case.look(4.0), until(60));
    case.pass(3);
    case.run();
    assert_eq!(case.look(7.0), until(12));
    assert_eq!(case.look(11.9), until(12));
    assert_eq!(case.prove(12.0), Verdict::Reached);
}

/// Between two looks it failed and came back: only the time of the condition tells.
#[test]
fn a_break_that_nobody_saw_counts_too() {
    let mut case = Case::of(replicated("web", 1), converged(5));
    case.run();
    assert_eq!(case.look(1.0), until(6));
    case.pass(3);
    case.fail();
    case.pass(3);
    case.run();
    assert_eq!(case.look(6.0), until(11));
    // Nor is it enough if only the proof shows it.
    case.pass(1);
    case.fail();
    case.pass(3);
    case.run();
    assert_eq!(case.prove(11.0), until(16));
    assert_eq!(case.prove(16.0), Verdict::Reached);
}

#[test]
fn without_a_span_or_a_task_that_runs_it_counts_at_once() {
    let mut case = Case::of(replicated("web", 1), converged(0));
    case.run();
    assert_eq!(case.look(0.5), Verdict::Reached);

    let mut case = Case::of(replicated("web", 0), converged(3_600));
    case.world.reconcile(case.service);
    assert_eq!(case.look(0.0), Verdict::Reached);
}

#[test]
fn what_does_not_become_better_is_not_waited_for() {
    let mut spec = replicated("web", 1);
    let restart = &mut Arc::make_mut(&mut spec.template).restart;
    restart.condition = Some(RestartCondition::OnFailure);
    restart.max_attempts = 1;
    let mut case = Case::of(spec, converged(5));
    case.run();
    assert_eq!(case.look(1.0), until(6));
    for _ in 0..2 {
        case.fail();
        case.pass(120);
        case.run();
    }
    assert_eq!(
        case.look(2.0),
        Verdict::Failed(Ending::Stalled {
            service: name(),
            reason: "ATTEMPTS_EXHAUSTED".to_owned(),
            message: "1 slot failed and has no attempt left".to_owned(),
        })
    );
}

#[test]
fn tasks_without_a_node_are_told_with_each_cause_once() {
    let mut case = Case::of(replicated("web", 2), converged(5));
    case.world.reconcile(case.service);
    for (task, more) in case.tasks().iter().zip([None, Some("needs 64 CPUs")]) {
        let texts = ["has no label moon"].into_iter().chain(more);
        let causes = texts.map(|text| UnplacedCause {
            check: PlacementCheck::Requirement,
            nodes: 1,
            message: text.into(),
        });
        let unplaced = Arc::new(Unplaced {
            service: case.service,
            tasks: 2,
            nodes: 1,
            causes: causes.collect(),
        });
        let task = task.meta.id;
        case.world.apply([Write::SetUnplaced { task, unplaced }]);
    }
    assert_eq!(case.look(59.9), until(60));
    let Verdict::Failed(ending) = case.look(60.0) else {
        panic!("the time is over");
    };
    let words = "tasks have no node: has no label moon; needs 64 CPUs";
    assert_eq!(ending.to_string(), words);
    assert!(matches!(ending, Ending::Unplaced { causes, .. } if causes.len() == 2));
}

#[test]
fn the_time_ends_with_what_the_service_says() {
    let mut case = Case::of(replicated("web", 2), converged(50));
    case.world.reconcile(case.service);
    let Verdict::Failed(ending) = case.look(60.0) else {
        panic!("the time is over");
    };
    assert_eq!(ending.to_string(), "0 of 2 tasks run and are up to date");

    case.run();
    assert_eq!(
        case.look(20.0),
        until(60),
        "the time is over before it counts"
    );
    let Verdict::Failed(ending) = case.look(60.0) else {
        panic!("the time is over");
    };
    let words = "2 of 2 tasks run and are up to date, but not yet for 50 s";
    assert_eq!(ending.to_string(), words);
    assert!(matches!(ending, Ending::NotConverged { .. }));
}

#[test]
fn no_time_at_all_is_one_look() {
    let zero = Options {
        timeout: Duration::ZERO,
        ..converged(0)
    };
    let mut case = Case::of(replicated("web", 1), zero);
    assert!(matches!(case.prove(0.0), Verdict::Failed(_)));
    case.run();
    assert_eq!(case.prove(0.1), Verdict::Reached);
}

#[test]
fn only_the_spec_that_was_asked_for_counts() {
    let mut case = Case::of(replicated("web", 0), converged(0));
    case.world.reconcile(case.service);
    let present = case
        .world
        .state
        .service(case.service)
        .expect("it is there")
        .clone();
    let asked = |revision| Options {
        goal: Goal::Converged(Some(revision)),
        ..converged(0)
    };
    let revision = present.meta.spec_revision;
    for (asked_for, verdict) in [
        (Revision(revision.0 - 1), Verdict::Reached),
        (revision, Verdict::Reached),
        (Revision(revision.0 + 1), until(60)),
    ] {
        case.wait = Wait::new(asked(asked_for), &present);
        assert_eq!(case.look(0.0), verdict, "{asked_for:?} of {revision:?}");
    }
}

#[test]
fn what_is_deleted_does_not_converge_any_more() {
    let mut case = Case::of(replicated("web", 1), converged(5));
    case.run();
    case.delete();
    assert_eq!(case.look(1.0), until(60));
    case.stop();
    let Verdict::Failed(ending) = case.look(2.0) else {
        panic!("it is gone");
    };
    assert_eq!(ending, Ending::Gone { service: name() });
    assert_eq!(ending.to_string(), "service \"web\" was deleted meanwhile");
}

#[test]
fn what_is_to_be_gone_is_waited_for_to_the_last_task() {
    let mut case = Case::of(replicated("web", 1), deleted());
    case.run();
    assert_eq!(case.look(0.0), until(60));
    let begun = false;
    let service = name();
    let ending = Ending::NotDeleted { service, begun };
    assert_eq!(ending.to_string(), "nobody has deleted service \"web\"");
    assert_eq!(case.look(60.0), Verdict::Failed(ending));
    case.delete();
    assert_eq!(case.look(1.0), until(60));
    let Verdict::Failed(ending) = case.look(60.0) else {
        panic!("the time is over");
    };
    assert_eq!(ending.to_string(), "its tasks have not stopped in time");
    case.stop();
    assert_eq!(case.look(60.0), Verdict::Reached);
}
