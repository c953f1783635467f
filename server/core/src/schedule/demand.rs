// SPDX-License-Identifier: Apache-2.0
//! What tasks made from one template ask of a node, and what can be said against a node.

use crate::model::{
    Availability, KeptTemplate, Node, NodeKey, NodeState, PlacementCheck, Protocol, Requirement,
    TaskTemplate, Workload,
};
use crate::state::host_keys;

use super::books::Books;
use super::filter::first_unmet;

/// The capabilities of nodes that enforce the limits of containers: CPU, memory, processes.
const CONTAINER_LIMITS: [&str; 3] = [
    "container.limits.cpu",
    "container.limits.memory",
    "container.limits.pids",
];

/// The same for programs of the node itself.
const PROCESS_LIMITS: [&str; 3] = ["limits.cpu", "limits.memory", "limits.pids"];

/// What is said against a node: the first check that fails there. In the order of the checks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Objection {
    /// The node is down.
    Down,
    /// The node was not heard from since this leader began.
    NotHeard,
    /// The node takes no new tasks.
    Paused,
    /// The node is being emptied.
    Draining,
    /// The node does not have this capability.
    Lacks(&'static str),
    /// The node does not meet the requirement at this place of the list.
    Requirement(usize),
    /// The node has as many tasks of the service as are allowed.
    MaxReplicas,
    /// Too little CPU is left.
    Cpu,
    /// Too little memory is left.
    Memory,
    /// This host port is taken.
    Port(u16, Protocol),
}

impl Objection {
    /// The check that fails.
    pub(super) fn check(self) -> PlacementCheck {
        match self {
            Objection::Down | Objection::NotHeard => PlacementCheck::Ready,
            Objection::Paused | Objection::Draining => PlacementCheck::Availability,
            Objection::Lacks(_) => PlacementCheck::Platform,
            Objection::Requirement(_) => PlacementCheck::Requirement,
            Objection::MaxReplicas => PlacementCheck::MaxReplicas,
            Objection::Cpu => PlacementCheck::Cpu,
            Objection::Memory => PlacementCheck::Memory,
            Objection::Port(..) => PlacementCheck::Port,
        }
    }
}

/// What a node's standing facts are checked for. Demands with the same shape have the same
/// nodes to choose from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Shape<'a> {
    capabilities: Vec<&'static str>,
    requirements: &'a [Requirement<NodeKey>],
    /// Node labels to spread over.
    pub(super) spread: &'a [String],
}

impl Shape<'_> {
    /// What can be said against a node whatever runs on it.
    pub(super) fn objection(&self, node: &Node) -> Option<Objection> {
        match node.status.state {
            NodeState::Ready => {}
            NodeState::Down => return Some(Objection::Down),
            NodeState::Unknown => return Some(Objection::NotHeard),
        }
        match node.spec.availability() {
            Availability::Active => {}
            Availability::Pause => return Some(Objection::Paused),
            Availability::Drain => return Some(Objection::Draining),
        }
        let description = &node.status.description;
        let lacking = self
            .capabilities
            .iter()
            .find(|capability| !description.can(capability));
        if let Some(capability) = lacking {
            return Some(Objection::Lacks(capability));
        }
        first_unmet(self.requirements, node).map(Objection::Requirement)
    }
}

/// What tasks made from one template ask for.
#[derive(Debug)]
pub(super) struct Demand<'a> {
    /// The template.
    pub(super) template: &'a TaskTemplate,
    /// Fixed host ports.
    pub(super) ports: Vec<(u16, Protocol)>,
}

impl<'a> Demand<'a> {
    /// Of tasks made from this template.
    pub(super) fn of(kept: &'a KeptTemplate) -> Demand<'a> {
        Demand {
            template: &kept.template,
            ports: host_keys(Some(kept)).collect(),
        }
    }

    /// The part of it that standing facts of nodes answer.
    pub(super) fn shape(&self) -> Shape<'a> {
        let limits = self.template.limits;
        // A node may enforce the limits of its containers, and not those of its programs.
        let [cpu, memory, pids] = match self.template.workload {
            Workload::Container(_) => CONTAINER_LIMITS,
            Workload::Process(_) => PROCESS_LIMITS,
        };
        let wanted = [
            (true, self.template.workload.capability()),
            (limits.cpu_millis > 0, cpu),
            (limits.memory_bytes > 0, memory),
            (limits.pids > 0, pids),
        ];
        Shape {
            capabilities: wanted
                .into_iter()
                .filter_map(|(needed, capability)| needed.then_some(capability))
                .collect(),
            requirements: &self.template.placement.requirements,
            spread: &self.template.placement.spread,
        }
    }

    /// What can be said against one more task on a seat that has `own` of the service already.
    pub(super) fn objection(&self, books: &Books<'_>, seat: usize, own: u32) -> Option<Objection> {
        let free = books.seats[seat].free;
        let needed = self.template.reservations;
        let own_max = self.template.placement.max_replicas_per_node;
        if own_max > 0 && own >= own_max {
            Some(Objection::MaxReplicas)
        } else if needed.cpu_millis > free.cpu_millis {
            Some(Objection::Cpu)
        } else if needed.memory_bytes > free.memory_bytes {
            Some(Objection::Memory)
        } else {
            self.ports
                .iter()
                .find(|(port, protocol)| books.is_port_taken(seat, *port, *protocol))
                .map(|(port, protocol)| Objection::Port(*port, *protocol))
        }
    }
}
