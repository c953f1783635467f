// SPDX-License-Identifier: Apache-2.0
//! The state of a swarm: what the log makes of nothing, change by change.
//!
//! A [`State`] is a handful of persistent maps, so a clone costs next to nothing and is a view
//! that never changes. Only [`State::apply`] changes one.

mod apply;
mod change;
pub mod derive;
mod event;
mod guard;
mod history;
mod image;
mod index;
mod lookup;
mod overlap;
mod tally;
#[cfg(test)]
mod tests;
mod trial;

use std::ops::Bound::{self, Excluded, Unbounded};
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use crate::model::{
    KeptTemplate, Node, NodeId, Protocol, Revision, Service, ServiceId, Swarm, Task, TaskId,
    Timestamp,
};

pub use apply::{Applied, REQUEST_MEMORY, REQUESTS_MAX};
pub use change::{
    Because, CHANGE_WRITES_MAX, Change, NewTask, Observation, Precondition, Refusal, Request,
    RequestRecord, Write,
};
pub use derive::Load;
pub use event::{Delta, Event, Step};
pub use history::{History, HistoryLimits};
pub use image::StateImage;
pub(crate) use index::host_keys;
pub use lookup::{CANDIDATES_MAX, Found, ID_BEGINNING_MIN};
pub use overlap::{may_overlap, rollout_revision};
pub use tally::Tally;

/// The state of a swarm at one revision.
#[derive(Clone, Default, Debug)]
pub struct State {
    pub(crate) revision: Revision,
    pub(crate) time: Timestamp,
    pub(crate) swarm: Option<Arc<Swarm>>,
    pub(crate) nodes: OrdMap<NodeId, Arc<Node>>,
    pub(crate) services: OrdMap<ServiceId, Arc<Service>>,
    pub(crate) templates: OrdMap<(ServiceId, Revision), Arc<KeptTemplate>>,
    pub(crate) tasks: OrdMap<TaskId, Arc<Task>>,
    pub(crate) requests: OrdMap<Arc<str>, Arc<RequestRecord>>,
    pub(crate) index: Index,
}

/// What is looked up otherwise than by id. All of it follows from the objects.
#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Index {
    pub(crate) node_names: OrdMap<Arc<str>, NodeId>,
    pub(crate) service_names: OrdMap<Arc<str>, ServiceId>,
    pub(crate) service_tasks: OrdSet<(ServiceId, u32, TaskId)>,
    pub(crate) node_tasks: OrdSet<(NodeId, TaskId)>,
    pub(crate) pending: OrdSet<TaskId>,
    pub(crate) every_node: OrdSet<ServiceId>,
    pub(crate) ingress: OrdMap<(u16, Protocol), ServiceId>,
    pub(crate) host_ports: OrdMap<(NodeId, u16, Protocol), TaskId>,
    pub(crate) looping: OrdSet<(ServiceId, u32, TaskId)>,
    pub(crate) ports_in_use: OrdSet<(u16, Protocol, NodeId)>,
    pub(crate) tallies: OrdMap<ServiceId, Tally>,
    pub(crate) loads: OrdMap<NodeId, Load>,
    pub(crate) request_order: OrdMap<Revision, Arc<str>>,
}

impl State {
    /// The revision of the newest change applied.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The leader's clock at the newest change applied; it never goes back.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The swarm, once it is founded.
    #[must_use]
    pub fn swarm(&self) -> Option<&Arc<Swarm>> {
        self.swarm.as_ref()
    }

    /// One node.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Arc<Node>> {
        self.nodes.get(&id)
    }

    /// All nodes, by id.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values()
    }

    /// The nodes whose ids come after this one, by id; all, if there is none.
    pub fn nodes_after(&self, id: Option<NodeId>) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes
            .range((after(id), Unbounded))
            .map(|(_, node)| node)
    }

    /// How many nodes there are.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// One service.
    #[must_use]
    pub fn service(&self, id: ServiceId) -> Option<&Arc<Service>> {
        self.services.get(&id)
    }

    /// All services, by id.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.values()
    }

    /// The services whose ids come after this one, by id; all, if there is none.
    pub fn services_after(&self, id: Option<ServiceId>) -> impl Iterator<Item = &Arc<Service>> {
        self.services
            .range((after(id), Unbounded))
            .map(|(_, service)| service)
    }

    /// One task.
    #[must_use]
    pub fn task(&self, id: TaskId) -> Option<&Arc<Task>> {
        self.tasks.get(&id)
    }

    /// All tasks, by id.
    pub fn tasks(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.values()
    }

    /// The tasks whose ids come after this one, by id; all, if there is none.
    pub fn tasks_after(&self, id: Option<TaskId>) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks
            .range((after(id), Unbounded))
            .map(|(_, task)| task)
    }

    /// How many tasks there are.
    #[must_use]
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// The tasks of a service, by slot and then by id.
    pub fn service_tasks(&self, service: ServiceId) -> impl Iterator<Item = &Arc<Task>> {
        let first = (service, 0, TaskId(0));
        let last = (service, u32::MAX, TaskId(u128::MAX));
        self.index
            .service_tasks
            .range(first..=last)
            .filter_map(|(_, _, task)| self.task(*task))
    }

    /// The tasks of a service in one slot, by id.
    pub fn slot_tasks(&self, service: ServiceId, slot: u32) -> impl Iterator<Item = &Arc<Task>> {
        let (first, last) = (
            (service, slot, TaskId(0)),
            (service, slot, TaskId(u128::MAX)),
        );
        self.index
            .service_tasks
            .range(first..=last)
            .filter_map(|(_, _, task)| self.task(*task))
    }

    /// The tasks that name a node, ended ones included, by id.
    pub fn node_tasks(&self, node: NodeId) -> impl Iterator<Item = &Arc<Task>> {
        let (first, last) = ((node, TaskId(0)), (node, TaskId(u128::MAX)));
        self.index
            .node_tasks
            .range(first..=last)
            .filter_map(|(_, task)| self.task(*task))
    }

    /// The tasks that are wanted and wait for a node, by id.
    pub fn pending_tasks(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.index
            .pending
            .iter()
            .filter_map(|task| self.task(*task))
    }

    /// The services with one task a node.
    pub fn every_node_services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.index
            .every_node
            .iter()
            .filter_map(|service| self.service(*service))
    }

    /// What tasks of one template revision are made from.
    #[must_use]
    pub fn template(&self, service: ServiceId, revision: Revision) -> Option<&Arc<KeptTemplate>> {
        self.templates.get(&(service, revision))
    }

    /// The templates kept for a service, oldest first.
    pub fn templates(
        &self,
        service: ServiceId,
    ) -> impl Iterator<Item = (Revision, &Arc<KeptTemplate>)> {
        self.templates
            .range((service, Revision(0))..=(service, Revision(u64::MAX)))
            .map(|((_, revision), template)| (*revision, template))
    }

    /// The service that publishes an ingress port.
    #[must_use]
    pub fn ingress_port(&self, port: u16, protocol: Protocol) -> Option<ServiceId> {
        self.index.ingress.get(&(port, protocol)).copied()
    }

    /// The task that holds a fixed host port of a node.
    #[must_use]
    pub fn host_port(&self, node: NodeId, port: u16, protocol: Protocol) -> Option<TaskId> {
        self.index.host_ports.get(&(node, port, protocol)).copied()
    }

    /// Names of the parts in which `other` differs, what follows from the objects included.
    #[must_use]
    pub fn differences(&self, other: &State) -> Vec<&'static str> {
        let (mine, theirs) = (&self.index, &other.index);
        let parts = [
            ("revision", self.revision == other.revision),
            ("time", self.time == other.time),
            ("swarm", self.swarm == other.swarm),
            ("nodes", self.nodes == other.nodes),
            ("services", self.services == other.services),
            ("templates", self.templates == other.templates),
            ("tasks", self.tasks == other.tasks),
            ("requests", self.requests == other.requests),
            ("index of node names", mine.node_names == theirs.node_names),
            (
                "index of service names",
                mine.service_names == theirs.service_names,
            ),
            (
                "tasks by service",
                mine.service_tasks == theirs.service_tasks,
            ),
            ("tasks by node", mine.node_tasks == theirs.node_tasks),
            ("pending tasks", mine.pending == theirs.pending),
            ("every-node services", mine.every_node == theirs.every_node),
            ("ingress ports", mine.ingress == theirs.ingress),
            ("host ports", mine.host_ports == theirs.host_ports),
            ("looping tasks", mine.looping == theirs.looping),
            ("ports in use", mine.ports_in_use == theirs.ports_in_use),
            ("tallies", mine.tallies == theirs.tallies),
            ("loads", mine.loads == theirs.loads),
            (
                "order of requests",
                mine.request_order == theirs.request_order,
            ),
        ];
        let unlike = parts.into_iter().filter(|(_, same)| !same);
        unlike.map(|(part, _)| part).collect()
    }

    /// A request that was answered and is still remembered.
    #[must_use]
    pub fn request(&self, id: &str) -> Option<&Arc<RequestRecord>> {
        self.requests.get(id)
    }

    /// Counts over the tasks of a service.
    #[must_use]
    pub fn tally(&self, service: ServiceId) -> Tally {
        self.index
            .tallies
            .get(&service)
            .copied()
            .unwrap_or_default()
    }
}

/// Where a range begins that follows an id.
fn after<I>(id: Option<I>) -> Bound<I> {
    id.map_or(Unbounded, Excluded)
}
