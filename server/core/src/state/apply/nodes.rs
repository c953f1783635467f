// SPDX-License-Identifier: Apache-2.0
//! Writing the swarm and its nodes.

use std::sync::Arc;

use crate::model::{
    Meta, Node, NodeDescription, NodeId, NodeRole, NodeSpec, NodeState, NodeStatus, ObjectId,
    Revision, Swarm, SwarmId, SwarmSpec,
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
            self.note_node(id, Some(before));
            self.every_node_services_follow();
        }
    }

    pub(super) fn put_node(&mut self, node: Node) {
        let id = node.meta.id;
        let before = self.state.insert_node(Arc::new(node));
        self.note_node(id, before);
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
