// SPDX-License-Identifier: Apache-2.0
//! Whom a change concerns, so that nobody else is looked at.

use std::collections::BTreeSet;

use crate::model::{Node, NodeId, NodeState, Port, Service, ServiceId, Swarm, Task};
use crate::state::{Delta, Event, State};

use super::endpoints::is_on_its_way_out;
use super::item::Told;
use super::node::is_assigned;

/// Whom a change concerns.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Touched {
    /// Nodes whose assignments may have changed, or what they are welcomed with.
    pub nodes: BTreeSet<NodeId>,
    /// Services whose endpoints may have changed.
    pub endpoints: BTreeSet<ServiceId>,
}

/// Whom these events concern; `state` is the one after them.
#[must_use]
pub fn touched(state: &State, events: &[Event]) -> Touched {
    let mut touched = Touched::default();
    for event in events {
        match event {
            Event::Swarm(delta) => touched.swarm(state, delta),
            Event::Node(delta) => touched.node(state, delta),
            Event::Service(delta) => touched.service(state, delta),
            Event::Task(delta) => touched.task(delta),
        }
    }
    touched
}

/// The services that may have backends on a node: whom it concerns that the node is suspect,
/// or is no longer.
#[must_use]
pub fn services_on(state: &State, node: NodeId) -> BTreeSet<ServiceId> {
    state
        .node_tasks(node)
        .filter(|task| task.answers())
        .map(|task| task.service)
        .collect()
}

impl Touched {
    fn swarm(&mut self, state: &State, delta: &Delta<Swarm>) {
        if view(delta, |swarm| Some(swarm.spec.heartbeat_period())) {
            self.nodes.extend(state.nodes().map(|node| node.meta.id));
        }
    }

    fn node(&mut self, state: &State, delta: &Delta<Node>) {
        let reach = |node: &Node| {
            let ready = node.status.state == NodeState::Ready;
            (ready, node.status.description.address)
        };
        let Some(id) = either(delta, |node| node.meta.id) else {
            return;
        };
        if view(delta, |node| Some(reach(node))) {
            self.endpoints.extend(services_on(state, id));
        }
        if view(delta, |node| Some((&node.spec.name, &node.spec.labels))) {
            self.nodes.insert(id);
        }
    }

    fn service(&mut self, state: &State, delta: &Delta<Service>) {
        let Some(id) = either(delta, |service| service.meta.id) else {
            return;
        };
        if view(delta, |service| Some(service.ports.clone())) {
            self.endpoints.insert(id);
        }
        let told = |service: &Service| (service.spec.labels.clone(), service.image.clone());
        if view(delta, |service| Some(told(service))) {
            let nodes = state
                .service_tasks(id)
                .filter_map(|task| task.node.as_ref().map(|node| node.id));
            self.nodes.extend(nodes);
        }
    }

    fn task(&mut self, delta: &Delta<Task>) {
        let objects = || delta.before.iter().chain(&delta.after);
        if view(delta, assigned_view) {
            self.nodes
                .extend(objects().filter_map(|task| task.node.as_ref().map(|node| node.id)));
        }
        if view(delta, backend_view) {
            self.endpoints.extend(objects().map(|task| task.service));
        }
    }
}

/// The part of a task that its node is told of.
fn assigned_view(task: &Task) -> Option<(Told, bool)> {
    is_assigned(task).then(|| (Told::of(task), task.is_terminal()))
}

/// The part of a task that proxies are told of.
fn backend_view(task: &Task) -> Option<(bool, Vec<&Port>)> {
    let ports = || task.mesh_ports().collect();
    task.answers().then(|| (is_on_its_way_out(task), ports()))
}

/// Whether a part of an object changed.
fn view<'a, T, V: PartialEq>(delta: &'a Delta<T>, part: impl Fn(&'a T) -> Option<V>) -> bool {
    let before = delta.before.as_deref().and_then(&part);
    let after = delta.after.as_deref().and_then(&part);
    before != after
}

fn either<T, V>(delta: &Delta<T>, part: impl Fn(&T) -> V) -> Option<V> {
    let object = delta.after.as_deref().or(delta.before.as_deref());
    object.map(part)
}
