// SPDX-License-Identifier: Apache-2.0
//! What nodes are told, and that it is enough and not too much.

mod convergence;
mod rules;

use std::sync::Arc;

use crate::model::*;
use crate::state::{NewTask, Observation, Write};
use crate::testing::{World, replicated, tcp};

/// A service with an ingress port and a port of its own.
fn web(world: &mut World, name: &str, published: u16) -> ServiceId {
    world.create_service(ServiceSpec {
        ports: vec![
            tcp(80, published, PortMode::Ingress),
            tcp(90, 0, PortMode::Host),
        ],
        ..replicated(name, 1)
    })
}

/// A task on a node, in a slot of its own.
fn assign(world: &mut World, service: ServiceId, node: u128) -> TaskId {
    let task = TaskId(world.next_id());
    let template_revision = world
        .state
        .service(service)
        .map(|service| service.template_revision)
        .expect("it is there");
    world.apply([
        Write::CreateTask(NewTask {
            id: task,
            service,
            slot: u32::try_from(task.0).expect("a small number"),
            attempt: 1,
            template_revision,
            node: None,
            desired: DesiredState::Running,
            restart_time: None,
            restart: RestartMemory::default(),
            step: None,
            beside: false,
        }),
        Write::AssignTask {
            task,
            node: NodeId(node),
        },
    ]);
    task
}

/// What a node says of a task that runs with its ports open.
fn running(world: &World, task: TaskId) -> Write {
    let mut observation = Observation::of(TaskState::Running, world.now);
    observation.ports = vec![
        tcp(80, 20_000, PortMode::Ingress),
        tcp(90, 20_001, PortMode::Host),
    ];
    Write::ObserveTask { task, observation }
}

fn run(world: &mut World, task: TaskId) {
    let write = running(world, task);
    world.apply([write]);
}

fn want(world: &mut World, task: TaskId, desired: DesiredState) {
    world.apply([Write::SetDesired { task, desired }]);
}

fn set_state(world: &mut World, node: u128, state: NodeState) {
    world.apply([Write::SetNodeState {
        node: NodeId(node),
        state,
        message: "".into(),
    }]);
}

/// Gives a service another label, which needs no new tasks.
fn relabel(world: &mut World, service: ServiceId, value: &str) {
    let known = world.state.service(service).expect("it is there");
    let mut spec = ServiceSpec::clone(&known.spec);
    Arc::make_mut(&mut spec.labels).insert("team".to_owned(), value.to_owned());
    let ports = known.ports.clone();
    world.apply([Write::PutServiceSpec {
        service,
        spec: Arc::new(spec),
        ports,
        new_template: false,
    }]);
}
