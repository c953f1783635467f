// SPDX-License-Identifier: Apache-2.0
//! Nodes: where tasks run.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Condition, Labels, Meta, Name, NodeId, Protocol, Resources, Timestamp};

/// Whether a node takes tasks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Availability {
    /// It takes tasks.
    Active,
    /// It takes no new tasks and keeps those it has.
    Pause,
    /// It takes no new tasks, and those it has are replaced elsewhere.
    Drain,
}

/// What is wanted of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeSpec {
    /// Its name.
    pub name: Name,
    /// For placement and filters.
    pub labels: Arc<Labels>,
    /// Whether it takes tasks; none: it does.
    pub availability: Option<Availability>,
}

impl NodeSpec {
    /// Whether it takes tasks.
    #[must_use]
    pub fn availability(&self) -> Availability {
        self.availability.unwrap_or(Availability::Active)
    }
}

/// Whether a node can be reached.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NodeState {
    /// In session with a manager.
    Ready,
    /// Silent for too long; its tasks are replaced.
    Down,
    /// The leader changed or started, and the node is given time to come back.
    Unknown,
}

/// What a node is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NodeRole {
    /// It runs tasks.
    Worker,
    /// It votes, keeps the state, and runs tasks too.
    Manager,
}

impl NodeRole {
    /// The word that `node.role` is compared with.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            NodeRole::Worker => "worker",
            NodeRole::Manager => "manager",
        }
    }
}

/// An operating system and a machine architecture, in the words of OCI images.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Platform {
    /// "linux".
    pub os: String,
    /// "amd64", "arm64".
    pub architecture: String,
}

/// What an agent says about its node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeDescription {
    /// Host name.
    pub hostname: String,
    /// The address other nodes reach it at.
    pub address: IpAddr,
    /// Its platform.
    pub platform: Platform,
    /// Version of its daemon.
    pub version: String,
    /// What it can do, in order: "limits.memory", "workload.process", ...
    pub capabilities: Vec<String>,
    /// All it has.
    pub capacity: Resources,
    /// PORT_IN_USE and the like.
    pub conditions: Vec<Condition>,
    /// Published ports that other programs hold, in order.
    pub ports_in_use: Vec<(u16, Protocol)>,
}

impl NodeDescription {
    /// Whether it can do what `capability` names.
    #[must_use]
    pub fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|known| known == capability)
    }
}

/// What is known of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeStatus {
    /// Whether it can be reached.
    pub state: NodeState,
    /// Why, in words; empty: nothing to say.
    pub message: Arc<str>,
    /// When `state` last changed.
    pub transition_time: Timestamp,
    /// What its agent says.
    pub description: Arc<NodeDescription>,
    /// Its role.
    pub role: NodeRole,
    /// Reserved by its tasks: derived.
    pub reserved: Resources,
    /// Tasks assigned to it that have not ended: derived.
    pub active_tasks: u32,
}

/// A node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// Common facts.
    pub meta: Meta<NodeId>,
    /// What is wanted.
    pub spec: Arc<NodeSpec>,
    /// What is.
    pub status: NodeStatus,
}

impl Node {
    /// What the tasks it has leave free.
    #[must_use]
    pub fn free(&self) -> Resources {
        self.status.description.capacity.minus(self.status.reserved)
    }
}
