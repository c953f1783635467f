// SPDX-License-Identifier: Apache-2.0
//! What is written, and what is refused because its ground has gone.

use crate::model::*;
use crate::state::{Applied, NewTask, Observation, Refusal, Write};
use crate::testing::{World, replicated};

/// A world with a service whose slot 1 has a task with this id, on node 1.
fn world() -> (World, ServiceId, TaskId) {
    let mut world = World::with_nodes(1);
    let service = world.create_service(replicated("web", 1));
    let first = TaskId(1);
    assert_eq!(
        make(&mut world, service, first, DesiredState::Running),
        None
    );
    let node = NodeId(1);
    world.apply([Write::AssignTask { task: first, node }]);
    (world, service, first)
}

fn new_task(world: &World, service: ServiceId, id: TaskId, desired: DesiredState) -> Write {
    let known = world.state.service(service).expect("it is there");
    Write::CreateTask(NewTask {
        id,
        service,
        slot: 1,
        attempt: id.0 as u32,
        template_revision: known.template_revision,
        node: None,
        desired,
        restart_time: None,
        restart: RestartMemory::default(),
        step: None,
        beside: false,
    })
}

fn make(
    world: &mut World,
    service: ServiceId,
    id: TaskId,
    desired: DesiredState,
) -> Option<Refusal> {
    let write = new_task(world, service, id, desired);
    world.apply([write]).refusal
}

fn tell(world: &mut World, task: TaskId, desired: DesiredState) -> Applied {
    world.apply([Write::SetDesired { task, desired }])
}

fn lose_node(world: &mut World) {
    world.apply([Write::SetNodeState {
        node: NodeId(1),
        state: NodeState::Down,
        message: "".into(),
    }]);
}

#[test]
fn a_place_is_left_before_it_is_taken() {
    let (mut world, service, first) = world();
    let changed = Some(Refusal::Changed(ObjectId::Service(service)));
    let (second, third) = (TaskId(2), TaskId(3));
    assert_eq!(
        make(&mut world, service, second, DesiredState::Ready),
        changed
    );
    tell(&mut world, first, DesiredState::Stopped);
    // The first may still run, so the second gets no leave to.
    assert_eq!(
        make(&mut world, service, second, DesiredState::Running),
        changed
    );
    let two = [second, third].map(|id| new_task(&world, service, id, DesiredState::Ready));
    assert_eq!(world.apply(two).refusal, changed);
    assert_eq!(make(&mut world, service, second, DesiredState::Ready), None);
    assert_eq!(
        make(&mut world, service, third, DesiredState::Ready),
        changed
    );
}

#[test]
fn a_place_may_be_left_by_the_same_change() {
    let (mut world, service, first) = world();
    world.observe(first, TaskState::Failed);
    let stop = Write::SetDesired {
        task: first,
        desired: DesiredState::Stopped,
    };
    let create = new_task(&world, service, TaskId(2), DesiredState::Running);
    assert!(
        world
            .apply([create.clone(), stop.clone()])
            .refusal
            .is_some()
    );
    assert_eq!(world.apply([stop, create]).refusal, None);
}

#[test]
fn leave_to_run_waits_for_the_place() {
    let (mut world, service, first) = world();
    let second = TaskId(2);
    tell(&mut world, first, DesiredState::Stopped);
    make(&mut world, service, second, DesiredState::Ready);
    let desired = |world: &World| world.state.task(second).map(|task| task.desired);
    tell(&mut world, second, DesiredState::Running);
    assert_eq!(desired(&world), Some(DesiredState::Ready));
    lose_node(&mut world);
    tell(&mut world, second, DesiredState::Running);
    assert_eq!(desired(&world), Some(DesiredState::Running));
}

#[test]
fn what_may_run_is_not_given_up() {
    let (mut world, _, first) = world();
    tell(&mut world, first, DesiredState::Stopped);
    let lost = Write::ObserveTask {
        task: first,
        observation: Observation::of(TaskState::Orphaned, world.now),
    };
    let refused = world.apply([lost.clone()]).refusal;
    assert_eq!(refused, Some(Refusal::Changed(ObjectId::Task(first))));
    lose_node(&mut world);
    assert_eq!(world.apply([lost]).refusal, None);
}

#[test]
fn what_may_run_is_not_forgotten() {
    let (mut world, service, first) = world();
    world.apply([Write::DeleteTask { task: first }]);
    let desired = world.state.task(first).map(|task| task.desired);
    assert_eq!(desired, Some(DesiredState::Removed));
    let delete_all = [
        Write::DeleteTask { task: first },
        Write::DeleteService { service },
    ];
    assert!(world.apply(delete_all.clone()).refusal.is_some());
    lose_node(&mut world);
    assert_eq!(world.apply(delete_all).refusal, None);
    assert_eq!(world.state.task_count(), 0);
}

#[test]
fn a_task_without_a_node_ends_when_it_is_told_to() {
    let mut world = World::with_nodes(1);
    let service = world.create_service(replicated("web", 1));
    make(&mut world, service, TaskId(1), DesiredState::Running);
    tell(&mut world, TaskId(1), DesiredState::Stopped);
    let task = world.state.task(TaskId(1)).expect("it is kept");
    assert_eq!(task.status.state, TaskState::Stopped);
    assert_eq!(&*task.status.message, "it was stopped before it had a node");
    assert_eq!(world.state.pending_tasks().count(), 0);
}
