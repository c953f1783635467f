// SPDX-License-Identifier: Apache-2.0
//! Putting objects in and taking them out, with every index that follows from them.

use std::sync::Arc;

use crate::model::{
    DesiredState, KeptTemplate, Mode, Node, NodeId, Port, PortMode, Protocol, Service, ServiceId,
    Task, TaskId, TaskState,
};

use super::{Load, RequestRecord, State, Tally};

impl State {
    pub(super) fn insert_node(&mut self, node: Arc<Node>) -> Option<Arc<Node>> {
        let id = node.meta.id;
        let name = node.spec.name.key();
        if let Some(before) = self.nodes.get(&id).cloned() {
            self.unindex_node(&before);
        }
        for (port, protocol) in &node.status.description.ports_in_use {
            self.index.ports_in_use.insert((*port, *protocol, id));
        }
        let before = self.nodes.insert(id, node);
        self.index.node_names.insert(name, id);
        before
    }

    pub(super) fn remove_node(&mut self, id: NodeId) -> Option<Arc<Node>> {
        let before = self.nodes.remove(&id)?;
        self.unindex_node(&before);
        Some(before)
    }

    fn unindex_node(&mut self, node: &Node) {
        self.index.node_names.remove(&node.spec.name.key());
        for (port, protocol) in &node.status.description.ports_in_use {
            let key = (*port, *protocol, node.meta.id);
            self.index.ports_in_use.remove(&key);
        }
    }

    pub(super) fn insert_service(&mut self, service: Arc<Service>) -> Option<Arc<Service>> {
        let id = service.meta.id;
        let before = self.services.insert(id, service.clone());
        for key in before.iter().flat_map(|before| ingress_keys(&before.ports)) {
            self.index.ingress.remove(&key);
        }
        for key in ingress_keys(&service.ports) {
            self.index.ingress.insert(key, id);
        }
        self.index.service_names.insert(service.spec.name.key(), id);
        if matches!(service.spec.mode, Mode::EveryNode) {
            self.index.every_node.insert(id);
        }
        let stale = before
            .as_ref()
            .is_none_or(|before| before.template_revision != service.template_revision);
        if stale {
            self.count_again(id);
        }
        before
    }

    pub(super) fn remove_service(&mut self, id: ServiceId) -> Option<Arc<Service>> {
        let before = self.services.remove(&id)?;
        for key in ingress_keys(&before.ports) {
            self.index.ingress.remove(&key);
        }
        self.index.service_names.remove(&before.spec.name.key());
        self.index.every_node.remove(&id);
        self.index.tallies.remove(&id);
        let kept: Vec<_> = self.templates(id).map(|(revision, _)| revision).collect();
        for revision in kept {
            self.templates.remove(&(id, revision));
        }
        Some(before)
    }

    pub(super) fn insert_task(&mut self, task: Arc<Task>) -> Option<Arc<Task>> {
        let before = self.tasks.insert(task.meta.id, task.clone());
        if let Some(before) = &before {
            self.unindex_task(before);
        }
        self.index_task(&task);
        before
    }

    pub(super) fn remove_task(&mut self, id: TaskId) -> Option<Arc<Task>> {
        let before = self.tasks.remove(&id)?;
        self.unindex_task(&before);
        Some(before)
    }

    fn index_task(&mut self, task: &Task) {
        let id = task.meta.id;
        self.index
            .service_tasks
            .insert((task.service, task.slot, id));
        if let Some(node) = &task.node {
            self.index.node_tasks.insert((node.id, id));
        }
        if waits_for_node(task) {
            self.index.pending.insert(id);
        }
        if loops(task) {
            let key = (task.service, task.slot, id);
            self.index.looping.insert(key);
        }
        if let Some(node) = task.occupies() {
            let template = self.template(task.service, task.template_revision).cloned();
            for (port, protocol) in host_keys(template.as_deref()) {
                self.index.host_ports.insert((node, port, protocol), id);
            }
            let load = self.load(node).plus(Load::of(task, template.as_deref()));
            self.index.loads.insert(node, load);
        }
        let tally = self.tally(task.service).plus(self.tally_of(task));
        self.index.tallies.insert(task.service, tally);
    }

    fn unindex_task(&mut self, task: &Task) {
        let id = task.meta.id;
        self.index
            .service_tasks
            .remove(&(task.service, task.slot, id));
        if let Some(node) = &task.node {
            self.index.node_tasks.remove(&(node.id, id));
        }
        self.index.pending.remove(&id);
        self.index.looping.remove(&(task.service, task.slot, id));
        if let Some(node) = task.occupies() {
            let template = self.template(task.service, task.template_revision).cloned();
            for (port, protocol) in host_keys(template.as_deref()) {
                let key = (node, port, protocol);
                if self.index.host_ports.get(&key) == Some(&id) {
                    self.index.host_ports.remove(&key);
                }
            }
            let load = self.load(node).minus(Load::of(task, template.as_deref()));
            if load == Load::default() {
                self.index.loads.remove(&node);
            } else {
                self.index.loads.insert(node, load);
            }
        }
        let tally = self.tally(task.service).minus(self.tally_of(task));
        self.index.tallies.insert(task.service, tally);
    }

    fn tally_of(&self, task: &Task) -> Tally {
        let template = self
            .service(task.service)
            .map(|service| service.template_revision);
        Tally::of(task, template.unwrap_or_default())
    }

    /// Counts the tasks of a service from scratch: another template is the present one now.
    fn count_again(&mut self, service: ServiceId) {
        let tally = self
            .service_tasks(service)
            .fold(Tally::default(), |tally, task| {
                tally.plus(self.tally_of(task))
            });
        self.index.tallies.insert(service, tally);
    }

    /// What the tasks of a node take up.
    #[must_use]
    pub fn load(&self, node: NodeId) -> Load {
        self.index.loads.get(&node).copied().unwrap_or_default()
    }

    /// The tasks of a service that are meant to run after others in their places that ended early
    /// in a row, by slot and then by id.
    pub(super) fn looping_tasks(&self, service: ServiceId) -> impl Iterator<Item = &Arc<Task>> {
        let first = (service, 0, TaskId(0));
        let last = (service, u32::MAX, TaskId(u128::MAX));
        let looping = self.index.looping.range(first..=last);
        looping.filter_map(|(_, _, task)| self.task(*task))
    }

    /// The nodes on which another program holds a published port, by id.
    pub(super) fn ports_in_use_on(
        &self,
        port: u16,
        protocol: Protocol,
    ) -> impl Iterator<Item = &Arc<Node>> {
        let first = (port, protocol, NodeId(0));
        let last = (port, protocol, NodeId(u128::MAX));
        let held = self.index.ports_in_use.range(first..=last);
        held.filter_map(|(_, _, node)| self.node(*node))
    }

    pub(super) fn insert_request(&mut self, record: Arc<RequestRecord>) {
        let id = record.request.id.clone();
        self.index.request_order.insert(record.revision, id.clone());
        self.requests.insert(id, record);
    }
}

/// Whether a task is meant to run after others in its place that ended early in a row.
fn loops(task: &Task) -> bool {
    task.restart.is_loop() && task.desired <= DesiredState::Running
}

fn waits_for_node(task: &Task) -> bool {
    task.status.state == TaskState::Pending && task.is_wanted()
}

/// A port, as it can be had once.
pub(super) type PortKey = (u16, Protocol);

/// The fixed host ports among these.
pub(super) fn fixed_host_keys(ports: &[Port]) -> impl Iterator<Item = PortKey> {
    ports
        .iter()
        .filter(|port| port.mode == PortMode::Host && port.published != 0)
        .map(|port| (port.published, port.protocol))
}

/// The ingress ports among these, as the index keys them.
pub(super) fn ingress_keys(ports: &[Port]) -> impl Iterator<Item = PortKey> {
    ports
        .iter()
        .filter(|port| port.mode == PortMode::Ingress && port.published != 0)
        .map(|port| (port.published, port.protocol))
}

/// The fixed host ports that a task made from this template holds.
pub(crate) fn host_keys(
    template: Option<&KeptTemplate>,
) -> impl Iterator<Item = (u16, Protocol)> + use<'_> {
    template
        .into_iter()
        .flat_map(|template| &template.ports)
        .filter(|port| port.mode == PortMode::Host && port.published != 0)
        .map(|port| (port.published, port.protocol))
}
