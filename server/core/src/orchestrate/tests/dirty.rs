// SPDX-License-Identifier: Apache-2.0
//! Which services an event concerns.

use std::sync::Arc;

use crate::model::*;
use crate::orchestrate::{Dirty, dirty};
use crate::state::Write;
use crate::testing::{World, create_node, every_node, replicated};

fn after(world: &mut World, write: Write) -> Dirty {
    let applied = world.apply([write]);
    assert_eq!(applied.refusal, None);
    dirty(&world.state, applied.step.events.iter())
}

fn these(services: &[ServiceId]) -> Dirty {
    Dirty {
        all: false,
        services: services.iter().copied().collect(),
    }
}

#[test]
fn events_lead_to_the_services_they_concern() {
    let mut world = World::with_nodes(2);
    let web = world.create_service(replicated("web", 1));
    let agent = world.create_service(every_node("agent"));
    let _ = world.reconcile(web);
    let task = world.state.service_tasks(web).next().expect("one").meta.id;

    // What is derived from a task brings no service or node of its own.
    let node = NodeId(1);
    assert_eq!(
        after(&mut world, Write::AssignTask { task, node }),
        these(&[web])
    );

    let down = |node| Write::SetNodeState {
        node: NodeId(node),
        state: NodeState::Down,
        message: "".into(),
    };
    assert_eq!(after(&mut world, down(1)), these(&[web, agent]));
    assert_eq!(after(&mut world, down(2)), these(&[agent]));
    assert_eq!(after(&mut world, down(2)), these(&[]));
    assert_eq!(after(&mut world, create_node(3)), these(&[agent]));
    let gone = after(&mut world, Write::DeleteNode { node: NodeId(1) });
    assert!(gone.all, "places may have stood on it");
    assert_eq!(
        after(&mut world, Write::MarkServiceDeleting { service: web }),
        these(&[web])
    );
}

#[test]
fn settings_of_the_swarm_concern_every_service_or_none() {
    let mut world = World::with_nodes(1);
    let put = |spec| Write::PutSwarm {
        id: SwarmId(1),
        spec: Arc::new(spec),
    };
    let other = SwarmSpec {
        snapshot_interval: Some(7),
        ..SwarmSpec::default()
    };
    assert!(after(&mut world, put(other)).is_empty());
    let fewer = SwarmSpec {
        task_history: Some(1),
        ..SwarmSpec::default()
    };
    assert_eq!(after(&mut world, put(fewer)), Dirty::all());
}

#[test]
fn what_is_to_be_looked_at_adds_up() {
    let mut sum = these(&[ServiceId(1)]);
    sum.merge(these(&[ServiceId(2)]));
    assert_eq!(sum, these(&[ServiceId(1), ServiceId(2)]));
    sum.merge(Dirty::all());
    assert!(sum.all);
}
