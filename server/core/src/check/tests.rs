// SPDX-License-Identifier: Apache-2.0
//! That the checks see what they are for: each state or step here breaks one rule.

use std::sync::Arc;

use crate::model::*;
use crate::state::{State, Write};
use crate::testing::{World, replicated, tcp};

use super::{Violation, invariants, step};

/// A world in which two replicas run, each on a node of its own.
fn world() -> (World, ServiceId) {
    let mut world = World::with_nodes(2);
    let service = world.create_service(ServiceSpec {
        ports: vec![tcp(80, 8080, PortMode::Host)],
        ..replicated("web", 2)
    });
    let _ = world.reconcile(service);
    for (number, id) in ids(&world).into_iter().enumerate() {
        let node = NodeId(number as u128 + 1);
        world.apply([Write::AssignTask { task: id, node }]);
        world.observe(id, TaskState::Running);
    }
    assert_eq!(invariants(&world.state), []);
    (world, service)
}

fn ids(world: &World) -> Vec<TaskId> {
    world.state.tasks().map(|task| task.meta.id).collect()
}

/// The same with one task changed behind the back of all indexes, and looked at as if afresh.
fn with_task(world: &World, number: usize, edit: impl FnOnce(&mut Task)) -> State {
    let mut image = world.state.image();
    let task = Arc::make_mut(&mut image.tasks[number]);
    task.meta.revision = Revision(image.revision.0 + 1);
    edit(task);
    image.revision = Revision(image.revision.0 + 1);
    State::from_image(image)
}

fn rules(found: &[Violation]) -> Vec<&'static str> {
    found.iter().map(|violation| violation.rule).collect()
}

#[test]
fn rules_about_tasks() {
    let (world, _) = world();
    type Edit = fn(&mut Task);
    let cases: [(Edit, &str); 7] = [
        (|task| task.service = ServiceId(9), "a task has a service"),
        (
            |task| task.template_revision = Revision(1),
            "a task has its template",
        ),
        (|task| task.slot = 0, "slot 0 is for one task a node"),
        (
            |task| task.node = None,
            "a task that was placed has a node, as has one that is for a node",
        ),
        (
            |task| task.status.restart_time = Some(Timestamp(1)),
            "only a task that waits for its restart has a restart time",
        ),
        (
            |task| task.outcome = Outcome::GaveUp,
            "only a task that ended is settled",
        ),
        (
            |task| {
                task.status = TaskStatus::pending(Timestamp(1));
                task.desired = DesiredState::Stopped;
            },
            "a task that waits for a node is meant to run",
        ),
    ];
    for (edit, rule) in cases {
        let found = invariants(&with_task(&world, 0, edit));
        assert!(rules(&found).contains(&rule), "{rule}: {found:?}");
        assert!(found[0].to_string().starts_with(found[0].rule));
    }
}

#[test]
fn rules_about_places() {
    let (world, _) = world();
    let twice = with_task(&world, 1, |task| task.slot = 1);
    assert_eq!(
        rules(&invariants(&twice)),
        [
            "a place has one holder, and one successor of another template at most",
            "attempts at a place are numbered"
        ]
    );
    let early = with_task(&world, 0, |task| task.desired = DesiredState::Ready);
    assert_eq!(rules(&invariants(&early)), ["no task starts without leave"]);
    let older = with_task(&world, 1, |task| {
        task.slot = 1;
        task.attempt = 2;
        task.desired = DesiredState::Stopped;
    });
    assert_eq!(
        rules(&invariants(&older)),
        ["the holder of a place is its newest task, less what was beside it"]
    );
}

#[test]
fn rules_about_nodes() {
    let (world, _) = world();
    let shared = with_task(&world, 1, |task| {
        let first = world.state.tasks().next().expect("there are two");
        task.node = first.node.clone();
    });
    assert_eq!(rules(&invariants(&shared)), ["a host port has one task"]);
}

#[test]
fn a_node_that_is_full_is_given_no_more() {
    let mut world = World::with_nodes(1);
    let mut spec = replicated("web", 3);
    let reservations = &mut Arc::make_mut(&mut spec.template).reservations;
    reservations.memory_bytes = 3 << 30;
    let service = world.create_service(spec);
    let _ = world.reconcile(service);
    let node = NodeId(1);
    let found: Vec<Vec<&str>> = ids(&world)
        .into_iter()
        .map(|task| {
            let before = world.state.clone();
            world.apply([Write::AssignTask { task, node }]);
            rules(&step(&before, &world.state))
        })
        .collect();
    let full = vec!["a node is given no more than it has"];
    assert_eq!(found, [vec![], vec![], full]);
}

#[test]
fn an_index_that_is_wrong_is_found() {
    let (mut world, service) = world();
    world.state.index.tallies.remove(&service);
    world.state.index.host_ports.clear();
    let found: Vec<String> = invariants(&world.state)
        .into_iter()
        .map(|violation| violation.message)
        .collect();
    assert_eq!(found, ["host ports, at r9", "tallies, at r9"]);
}

#[test]
fn rules_about_steps_of_a_task() {
    let (world, _) = world();
    type Edit = fn(&mut Task);
    let cases: [(Edit, &str); 5] = [
        (
            |task| task.status.state = TaskState::Ready,
            "a task's state only grows",
        ),
        (
            |task| task.desired = DesiredState::Ready,
            "a task's desired state only grows",
        ),
        (
            |task| task.attempt = 2,
            "a task keeps its place, attempt and template",
        ),
        (
            |task| task.node.as_mut().expect("it has one").id = NodeId(2),
            "a task keeps its node",
        ),
        (
            |task| {
                task.outcome = Outcome::Finished;
                task.meta.revision = Revision(1);
            },
            "a change is a new revision",
        ),
    ];
    for (edit, rule) in cases {
        let found = step(&world.state, &with_task(&world, 0, edit));
        assert_eq!(rules(&found), [rule]);
    }
    let mut ended = world.clone();
    ended.observe(ids(&world)[0], TaskState::Failed);
    let again = with_task(&world, 0, |task| {
        task.status.state = TaskState::Rejected;
        task.meta.revision = Revision(20);
    });
    let rule = "a task that ended stays as it is";
    assert!(rules(&step(&ended.state, &again)).contains(&rule));
}

#[test]
fn time_does_not_go_back() {
    let (world, _) = world();
    let mut later = world.clone();
    later.now = Timestamp(later.now.0 + 1);
    later.observe(ids(&world)[0], TaskState::Failed);
    let rule = "revision and time never go back";
    assert_eq!(step(&world.state, &later.state), []);
    assert!(rules(&step(&later.state, &world.state)).contains(&rule));
}

#[test]
fn a_task_that_may_run_is_not_forgotten() {
    let (world, _) = world();
    let mut image = world.state.image();
    image.tasks.remove(0);
    let after = State::from_image(image);
    let found = step(&world.state, &after);
    assert_eq!(rules(&found), ["no task is forgotten that may run"]);
}

#[test]
fn a_place_does_not_run_twice() {
    let (mut world, service) = world();
    let first = ids(&world)[0];
    world.apply([Write::SetDesired {
        task: first,
        desired: DesiredState::Stopped,
    }]);
    let _ = world.reconcile(service);
    let place = ids(&world).len() - 1;
    assert_eq!(world.state.task_count(), 3);
    let after = with_task(&world, place, |task| task.desired = DesiredState::Running);
    assert_eq!(rules(&step(&world.state, &after)), ["no place runs twice"]);
}

/// A world whose service has a new template, with a policy.
fn updated(policy: UpdatePolicy) -> (World, ServiceId) {
    let (mut world, service) = world();
    let known = world.state.service(service).expect("it is there").clone();
    let mut spec = ServiceSpec::clone(&known.spec);
    Arc::make_mut(&mut spec.template).restart_token = "new".to_owned();
    spec.update = Some(policy);
    world.apply([Write::PutServiceSpec {
        service,
        spec: Arc::new(spec),
        ports: known.ports.clone(),
        new_template: true,
    }]);
    (world, service)
}

/// What is broken if the rollout of a service is edited.
fn with_rollout(
    world: &World,
    service: ServiceId,
    edit: impl FnOnce(&mut Rollout),
) -> Vec<Violation> {
    let known = world.state.service(service).expect("it is there");
    let mut rollout = known.rollout.clone().expect("it has one");
    edit(&mut rollout);
    let mut after = world.clone();
    let rollout = Box::new(rollout);
    after.apply([Write::SetRollout { service, rollout }]);
    step(&world.state, &after.state)
}

#[test]
fn a_rollout_takes_away_what_it_may() {
    let (mut world, service) = updated(UpdatePolicy::default());
    let before = world.state.clone();
    replace(&mut world, service, 1);
    let one = world.state.clone();
    assert_eq!(step(&before, &one), []);
    replace(&mut world, service, 2);
    let rule = "no more are down than the policy of a rollout lets be";
    assert_eq!(rules(&step(&one, &world.state)), [rule]);
    assert_eq!(rules(&step(&before, &world.state)), [rule]);
}

#[test]
fn a_paused_rollout_is_still() {
    let (mut world, service) = updated(UpdatePolicy::default());
    let known = world.state.service(service).expect("it is there").clone();
    let mut rollout = known.rollout.clone().expect("it has one");
    rollout.state = RolloutState::Paused;
    let rollout = Box::new(rollout);
    world.apply([Write::SetRollout { service, rollout }]);
    let before = world.state.clone();
    replace(&mut world, service, 1);
    assert_eq!(rules(&step(&before, &world.state)), ["paused means still"]);
}

#[test]
fn a_rollout_ends_when_all_is_changed_and_bears_what_it_may() {
    let (world, service) = updated(UpdatePolicy::default());
    let found = with_rollout(&world, service, |it| it.state = RolloutState::Completed);
    let rule = "a rollout ends when all is changed";
    assert_eq!(rules(&found), [rule, rule]);
    let found = with_rollout(&world, service, |it| {
        it.counts.total = 2;
        it.counts.failed = 1;
    });
    assert_eq!(rules(&found), ["a rollout bears what it may"]);
}

#[test]
fn a_step_passes_after_its_trial() {
    let (mut world, service) = updated(UpdatePolicy::default());
    replace(&mut world, service, 1);
    let new = world
        .state
        .slot_tasks(service, 1)
        .max_by_key(|it| it.attempt);
    let task = new.expect("it was made").meta.id;
    let node = NodeId(1);
    world.apply([Write::AssignTask { task, node }]);
    world.observe(task, TaskState::Running);
    let judge = Write::JudgeStep {
        task,
        verdict: Some(crate::model::Verdict::Passed),
        leg: world.state.revision(),
    };
    for (millis, rules) in [
        (4_999, &["a step passes after its trial"][..]),
        (5_000, &[]),
    ] {
        let mut later = world.clone();
        later.now = Timestamp(world.now.0 + millis * 1_000_000);
        later.apply([judge.clone()]);
        assert_eq!(self::rules(&step(&world.state, &later.state)), rules);
    }
}

/// Replaces the task of a slot by one of the present template, come what may.
fn replace(world: &mut World, service: ServiceId, slot: u32) {
    let old = world.state.slot_tasks(service, slot).next().expect("one");
    let stop = Write::SetDesired {
        task: old.meta.id,
        desired: DesiredState::Stopped,
    };
    let known = world.state.service(service).expect("it is there");
    let template_revision = known.template_revision;
    let create = Write::CreateTask(crate::state::NewTask {
        id: TaskId(world.next_id()),
        service,
        slot,
        attempt: 2,
        template_revision,
        node: None,
        desired: DesiredState::Ready,
        restart_time: None,
        restart: RestartMemory::default(),
        step: Some(RolloutStep {
            leg: template_revision,
            begun: world.now,
            turn_over: None,
            overlaps: false,
            verdict: None,
        }),
        beside: false,
    });
    assert_eq!(world.apply([stop, create]).refusal, None);
}
