// SPDX-License-Identifier: Apache-2.0
//! Plans of the scheduler, read as text.

mod checks;
mod properties;
mod ranking;

use std::fmt::Write as _;
use std::sync::Arc;

use crate::model::*;
use crate::state::{NewTask, Write};
use crate::testing::{World, create_node};

use super::place;

/// Lets tasks wait in these slots of a service and gives back their ids.
fn wait_for(
    world: &mut World,
    service: ServiceId,
    slots: std::ops::RangeInclusive<u32>,
) -> Vec<TaskId> {
    slots
        .map(|slot| wait_on(world, service, slot, None))
        .collect()
}

/// Lets one task wait, for one node if there is one. It takes the place of those before it.
fn wait_on(world: &mut World, service: ServiceId, slot: u32, node: Option<NodeId>) -> TaskId {
    let template_revision = world
        .state
        .service(service)
        .map(|service| service.template_revision)
        .expect("it is there");
    let id = TaskId(world.next_id());
    let before: Vec<Arc<Task>> = world
        .state
        .place_tasks(service, slot, node)
        .cloned()
        .collect();
    let is_busy = before.iter().any(|task| world.state.may_run(task));
    let stops = before.iter().map(|task| Write::SetDesired {
        task: task.meta.id,
        desired: DesiredState::Stopped,
    });
    let create = Write::CreateTask(NewTask {
        id,
        service,
        slot,
        attempt: before.len() as u32 + 1,
        template_revision,
        node,
        desired: if is_busy {
            DesiredState::Ready
        } else {
            DesiredState::Running
        },
        restart_time: None,
        restart: RestartMemory::default(),
        step: None,
        beside: false,
    });
    let applied = world.apply(stops.chain([create]));
    assert_eq!(applied.refusal, None);
    id
}

/// Makes a plan, applies it and gives it back as text, with the names of tasks and nodes.
fn plan(world: &mut World) -> String {
    let writes = place(&world.state, world.now);
    let mut text = String::new();
    for write in &writes {
        match write {
            Write::AssignTask { task, node } => {
                let task = &world.state.task(*task).expect("it is there").name;
                let node = &world.state.node(*node).expect("it is there").spec.name;
                writeln!(text, "{task} -> {node}").unwrap();
            }
            Write::SetUnplaced { task, unplaced } => {
                let task = &world.state.task(*task).expect("it is there").name;
                writeln!(
                    text,
                    "{task} waits: {} tasks, {} nodes",
                    unplaced.tasks, unplaced.nodes
                )
                .unwrap();
                for cause in &unplaced.causes {
                    writeln!(
                        text,
                        "  {:?} on {}: {}",
                        cause.check, cause.nodes, cause.message
                    )
                    .unwrap();
                }
            }
            other => panic!("the scheduler does not write {other:?}"),
        }
    }
    world.apply(writes);
    text
}

/// Changes the spec of a node.
fn edit_spec(world: &mut World, node: u128, edit: impl FnOnce(&mut NodeSpec)) {
    let node = NodeId(node);
    let mut spec = NodeSpec::clone(&world.state.node(node).expect("it is there").spec);
    edit(&mut spec);
    world.apply([Write::PutNodeSpec {
        node,
        spec: Arc::new(spec),
    }]);
}

/// Changes what a node says of itself.
fn describe(world: &mut World, node: u128, edit: impl FnOnce(&mut NodeDescription)) {
    let node = NodeId(node);
    let known = &world
        .state
        .node(node)
        .expect("it is there")
        .status
        .description;
    let mut description = NodeDescription::clone(known);
    edit(&mut description);
    world.apply([Write::DescribeNode {
        node,
        description: Arc::new(description),
    }]);
}

fn label(world: &mut World, node: u128, key: &str, value: &str) {
    edit_spec(world, node, |spec| {
        let labels = Arc::make_mut(&mut spec.labels);
        labels.insert(key.to_owned(), value.to_owned());
    });
}

fn set_state(world: &mut World, node: u128, state: NodeState) {
    world.apply([Write::SetNodeState {
        node: NodeId(node),
        state,
        message: "".into(),
    }]);
}

/// A service whose template was changed a bit.
fn with_template(mut spec: ServiceSpec, edit: impl FnOnce(&mut TaskTemplate)) -> ServiceSpec {
    edit(Arc::make_mut(&mut spec.template));
    spec
}

/// A node like the others, with a number that may be greater.
fn numbered_node(number: u128) -> Write {
    let Write::CreateNode {
        spec,
        role,
        description,
        ..
    } = create_node(2)
    else {
        panic!("it creates a node");
    };
    let name = Name::parse(&format!("node-{number}")).expect("a good name");
    Write::CreateNode {
        id: NodeId(number),
        spec: Arc::new(NodeSpec {
            name,
            ..NodeSpec::clone(&spec)
        }),
        role,
        description,
    }
}
