// SPDX-License-Identifier: Apache-2.0
//! Writing the swarm and its nodes.

use std::sync::Arc;

use crate::model::{
    Meta, Name, Node, NodeDescription, NodeId, NodeRole, NodeSpec, NodeState, NodeStatus, ObjectId,
    Protocol, Revision, Swarm, SwarmId, SwarmSpec,
};

use super::{Before, Writing};

impl Writing<'_> {
    pub(super) fn put_swarm(&mut self, id: SwarmId, spec: &Arc<SwarmSpec>) {
        let before = self.state.swarm.clone();
        let mut meta = match &before {
            Some(swarm) => swarm.meta,
            None => Meta::new(id, self.revision, self.time),
        };
        meta.touch(self.revision, self.time);
        meta.spec_revision = self.revision;
        self.state.swarm = Some(Arc::new(Swarm {
            meta,
            spec: spec.clone(),
        }));
        if self.seen.insert(ObjectId::Swarm(id)) {
            self.order.push(Before::Swarm(before));
        }
    }

    pub(super) fn create_node(
        &mut self,
        id: NodeId,
        spec: &Arc<NodeSpec>,
        role: NodeRole,
        description: &Arc<NodeDescription>,
    ) {
        let load = self.state.load(id);
        self.put_node(Node {
            meta: Meta::new(id, self.revision, self.time),
            spec: spec.clone(),
            status: NodeStatus {
                state: NodeState::Ready,
                message: "".into(),
                transition_time: self.time,
                description: description.clone(),
                role,
                reserved: load.reserved,
                active_tasks: load.active_tasks,
            },
        });
        self.every_node_services_follow();
    }

    pub(super) fn set_node_state(&mut self, id: NodeId, state: NodeState, message: &Arc<str>) {
        let time = self.time;
        self.edit_node(id, |node, _| {
            if node.status.state != state {
                node.status.transition_time = time;
            }
            node.status.state = state;
            node.status.message = message.clone();
        });
    }

    pub(super) fn edit_node(&mut self, id: NodeId, edit: impl FnOnce(&mut Node, Revision)) {
        let Some(known) = self.state.node(id) else {
            return;
        };
        let mut node = Node::clone(known);
        edit(&mut node, self.revision);
        if **known != node {
            node.meta.touch(self.revision, self.time);
            self.put_node(node);
            self.every_node_services_follow();
        }
    }

    pub(super) fn delete_node(&mut self, id: NodeId) {
        if let Some(before) = self.state.remove_node(id) {
            self.port_owners_follow(&before);
            self.note_node(id, Some(before));
            self.every_node_services_follow();
        }
    }

    pub(super) fn put_node(&mut self, node: Node) {
        let id = node.meta.id;
        let node = Arc::new(node);
        let before = self.state.insert_node(node.clone());
        let is_as_before = before
            .as_ref()
            .is_some_and(|before| ports_of(before) == ports_of(&node));
        if !is_as_before {
            before
                .iter()
                .for_each(|before| self.port_owners_follow(before));
            self.port_owners_follow(&node);
        }
        self.note_node(id, before);
    }

    /// Has the services looked at whose ports another program holds on a node.
    fn port_owners_follow(&mut self, node: &Node) {
        for (port, protocol) in &node.status.description.ports_in_use {
            if let Some(service) = self.state.ingress_port(*port, *protocol) {
                self.services.entry(service).or_default();
            }
        }
    }

    pub(super) fn note_node(&mut self, id: NodeId, before: Option<Arc<Node>>) {
        if self.seen.insert(ObjectId::Node(id)) {
            self.order.push(Before::Node(id, before));
        }
    }

    pub(super) fn every_node_services_follow(&mut self) {
        for service in &self.state.index.every_node {
            self.services.insert(*service, true);
        }
    }
}

/// What of a node the services follow whose ports it cannot open.
fn ports_of(node: &Node) -> (NodeState, &Name, &[(u16, Protocol)]) {
    let ports = &node.status.description.ports_in_use;
    (node.status.state, &node.spec.name, ports)
}
