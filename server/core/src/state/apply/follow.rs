// SPDX-License-Identifier: Apache-2.0
//! What follows from a change: derived statuses, then the events.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Mode, Node, NodeId, Service};
use crate::state::derive::Kept;
use crate::state::{Delta, Event, State, derive};

use super::{Before, Writing};

impl Writing<'_> {
    pub(super) fn finish(mut self) -> Arc<[Event]> {
        self.derive_nodes();
        self.derive_services();
        let state = self.state;
        self.order
            .into_iter()
            .filter_map(|before| event(state, before))
            .collect()
    }

    pub(super) fn derive_nodes(&mut self) {
        for id in std::mem::take(&mut self.nodes) {
            let load = self.state.load(id);
            let Some(known) = self.state.node(id) else {
                continue;
            };
            let status = &known.status;
            if (status.reserved, status.active_tasks) != (load.reserved, load.active_tasks) {
                let mut node = Node::clone(known);
                node.status.reserved = load.reserved;
                node.status.active_tasks = load.active_tasks;
                node.meta.touch(self.revision, self.time);
                self.put_node(node);
            }
        }
    }

    pub(super) fn derive_services(&mut self) {
        for (id, recount) in std::mem::take(&mut self.services) {
            let Some(known) = self.state.service(id) else {
                continue;
            };
            let desired = match known.spec.mode {
                _ if known.is_deleting() => 0,
                Mode::Replicated { replicas } => replicas.unwrap_or(1),
                Mode::EveryNode if recount => self.state.nodes_wanted(known),
                Mode::EveryNode => known.status.desired_tasks,
            };
            let status = derive::service_status(self.state, known, desired, self.time);
            if known.status != status {
                let mut service = Service::clone(known);
                service.status = status;
                service.meta.touch(self.revision, self.time);
                let before = self.state.insert_service(Arc::new(service));
                self.note_service(id, before);
            }
        }
    }
}

impl State {
    /// On how many nodes a service with one task a node wants one.
    pub(in crate::state) fn nodes_wanted(&self, service: &Service) -> u32 {
        let mut holders: BTreeMap<NodeId, Kept> = BTreeMap::new();
        for task in self.service_tasks(service.meta.id) {
            if let Some(node) = task.node.as_ref().filter(|_| derive::keeps_node(task)) {
                let kept = holders.entry(node.id).or_insert(Kept::Nothing);
                *kept = (*kept).max(derive::kept(self, service, task));
            }
        }
        let kept = |node: &Node| *holders.get(&node.meta.id).unwrap_or(&Kept::Nothing);
        let wanted = self
            .nodes()
            .filter(|node| derive::wants_node(service, node, kept(node)))
            .count();
        u32::try_from(wanted).unwrap_or(u32::MAX)
    }
}

/// The event of an object that was written; nothing if it came and went in the same change.
fn event(state: &State, before: Before) -> Option<Event> {
    fn delta<T>(before: Option<Arc<T>>, after: Option<Arc<T>>) -> Option<Delta<T>> {
        (before.is_some() || after.is_some()).then_some(Delta { before, after })
    }
    match before {
        Before::Swarm(before) => delta(before, state.swarm.clone()).map(Event::Swarm),
        Before::Node(id, before) => delta(before, state.node(id).cloned()).map(Event::Node),
        Before::Service(id, before) => {
            delta(before, state.service(id).cloned()).map(Event::Service)
        }
        Before::Task(id, before) => delta(before, state.task(id).cloned()).map(Event::Task),
    }
}
