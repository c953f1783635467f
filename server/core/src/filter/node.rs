// SPDX-License-Identifier: Apache-2.0
//! Filters of nodes.

use crate::model::{Availability, Node, NodeId, NodeKey, NodeRole, NodeState, Requirement};
use crate::schedule::filter::requirement_holds;

use super::{ObjectKey, Reference, any_or_empty};

/// An attribute of a node that a filter can ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NodeFilterKey {
    /// `name` or `labels.KEY`
    Object(ObjectKey),
    /// A key that placement knows too.
    Placement(NodeKey),
}

impl NodeFilterKey {
    /// The keys there are, for messages about keys that there are not.
    pub const KNOWN: &'static str = "name, labels.KEY, node.id, node.name, node.hostname, \
         node.ip, node.role, node.platform.os, node.platform.arch and node.labels.KEY";

    /// Takes a text for a key; nothing if there is no such attribute.
    #[must_use]
    pub fn parse(text: &str) -> Option<NodeFilterKey> {
        ObjectKey::parse(text)
            .map(NodeFilterKey::Object)
            .or_else(|| NodeKey::parse(text).map(NodeFilterKey::Placement))
    }
}

/// Which nodes.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct NodeFilter {
    /// These.
    pub nodes: Vec<Reference<NodeId>>,
    /// With one of these roles.
    pub roles: Vec<NodeRole>,
    /// In one of these states.
    pub states: Vec<NodeState>,
    /// With one of these availabilities.
    pub availabilities: Vec<Availability>,
    /// All must hold.
    pub requirements: Vec<Requirement<NodeFilterKey>>,
}

impl NodeFilter {
    /// Whether a node fits.
    #[must_use]
    pub fn matches(&self, node: &Node) -> bool {
        let spec = &node.spec;
        any_or_empty(&self.nodes, |n| n.means(&node.meta.id, spec.name.as_str()))
            && any_or_empty(&self.roles, |role| *role == node.status.role)
            && any_or_empty(&self.states, |state| *state == node.status.state)
            && any_or_empty(&self.availabilities, |a| *a == spec.availability())
            && self
                .requirements
                .iter()
                .all(|requirement| match &requirement.key {
                    NodeFilterKey::Object(ObjectKey::Name) => {
                        requirement.holds(Some(spec.name.as_str()))
                    }
                    NodeFilterKey::Object(ObjectKey::Label(key)) => {
                        requirement.holds(spec.labels.get(key).map(String::as_str))
                    }
                    NodeFilterKey::Placement(key) => requirement_holds(key, requirement, node),
                })
    }
}
