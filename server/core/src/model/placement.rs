// SPDX-License-Identifier: Apache-2.0
//! Where tasks may run, and why they do not.

use std::fmt;
use std::sync::Arc;

use super::ServiceId;

/// How an attribute and the values of a requirement are compared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Operator {
    /// The attribute equals one of the values.
    In,
    /// The attribute is absent or equals none of the values.
    NotIn,
    /// The attribute is present.
    Exists,
    /// The attribute is absent.
    NotExists,
    /// The attribute begins with one of the values.
    Prefix,
}

/// One predicate over an attribute of kind `K`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Requirement<K> {
    /// The attribute.
    pub key: K,
    /// The comparison; unset: `In` if there are values, else `Exists`.
    pub operator: Option<Operator>,
    /// What the attribute is compared with.
    pub values: Vec<String>,
}

impl<K> Requirement<K> {
    /// The comparison in force.
    pub fn operator(&self) -> Operator {
        self.operator.unwrap_or(if self.values.is_empty() {
            Operator::Exists
        } else {
            Operator::In
        })
    }

    /// Whether an attribute with this value, or an absent one, meets the requirement.
    pub fn holds(&self, attribute: Option<&str>) -> bool {
        self.holds_by(attribute, |attribute, value| attribute == value)
    }

    /// The same with another notion of equality, such as "lies in this range of addresses".
    pub fn holds_by(&self, attribute: Option<&str>, equal: impl Fn(&str, &str) -> bool) -> bool {
        let any_equal =
            || attribute.is_some_and(|attribute| self.values.iter().any(|v| equal(attribute, v)));
        match self.operator() {
            Operator::In => any_equal(),
            Operator::NotIn => !any_equal(),
            Operator::Exists => attribute.is_some(),
            Operator::NotExists => attribute.is_none(),
            Operator::Prefix => attribute.is_some_and(|attribute| {
                self.values
                    .iter()
                    .any(|value| attribute.starts_with(value.as_str()))
            }),
        }
    }
}

/// An attribute of a node that placement can ask for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NodeKey {
    /// `node.id`
    Id,
    /// `node.name`
    Name,
    /// `node.hostname`
    Hostname,
    /// `node.ip`, compared with addresses and ranges of them.
    Ip,
    /// `node.role`
    Role,
    /// `node.platform.os`
    Os,
    /// `node.platform.arch`
    Arch,
    /// `node.labels.KEY`
    Label(String),
}

impl NodeKey {
    /// The keys there are, for messages about keys that there are not.
    pub const KNOWN: &'static str = "node.id, node.name, node.hostname, node.ip, node.role, \
         node.platform.os, node.platform.arch and node.labels.KEY";

    /// Takes a text for a key; nothing if there is no such attribute.
    #[must_use]
    pub fn parse(text: &str) -> Option<NodeKey> {
        Some(match text {
            "node.id" => NodeKey::Id,
            "node.name" => NodeKey::Name,
            "node.hostname" => NodeKey::Hostname,
            "node.ip" => NodeKey::Ip,
            "node.role" => NodeKey::Role,
            "node.platform.os" => NodeKey::Os,
            "node.platform.arch" => NodeKey::Arch,
            _ => match text.strip_prefix("node.labels.") {
                Some(key) if !key.is_empty() => NodeKey::Label(key.to_owned()),
                _ => return None,
            },
        })
    }
}

impl fmt::Display for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NodeKey::Id => f.write_str("node.id"),
            NodeKey::Name => f.write_str("node.name"),
            NodeKey::Hostname => f.write_str("node.hostname"),
            NodeKey::Ip => f.write_str("node.ip"),
            NodeKey::Role => f.write_str("node.role"),
            NodeKey::Os => f.write_str("node.platform.os"),
            NodeKey::Arch => f.write_str("node.platform.arch"),
            NodeKey::Label(key) => write!(f, "node.labels.{key}"),
        }
    }
}

/// Where tasks may run and should run.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Placement {
    /// All must hold.
    pub requirements: Vec<Requirement<NodeKey>>,
    /// Spread evenly over the values of these node labels, the first key first.
    pub spread: Vec<String>,
    /// Most tasks of the service on one node; 0: no limit.
    pub max_replicas_per_node: u32,
}

/// The checks the scheduler makes of a node for a task, in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PlacementCheck {
    /// The node is ready.
    Ready,
    /// The node is neither paused nor draining.
    Availability,
    /// The node runs this kind of workload and can enforce its limits.
    Platform,
    /// Every requirement holds.
    Requirement,
    /// `max_replicas_per_node` is not exceeded.
    MaxReplicas,
    /// Enough CPU is left.
    Cpu,
    /// Enough memory is left.
    Memory,
    /// The host ports are free.
    Port,
}

/// One cause that ruled out nodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnplacedCause {
    /// The first check that failed there.
    pub check: PlacementCheck,
    /// How many nodes failed at it.
    pub nodes: u32,
    /// In words: "needs 4096 MiB, most free is 2048 MiB".
    pub message: Arc<str>,
}

/// Why work could not be placed, counted over nodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unplaced {
    /// The service.
    pub service: ServiceId,
    /// Its tasks in this plight.
    pub tasks: u32,
    /// Nodes looked at.
    pub nodes: u32,
    /// Causes, the one that ruled out most nodes first.
    pub causes: Vec<UnplacedCause>,
}
