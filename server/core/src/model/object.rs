// SPDX-License-Identifier: Apache-2.0
//! What every object has: its numbers and times, labels, and standing facts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::{NodeId, Revision, ServiceId, SwarmId, TaskId, Timestamp};

/// Labels of an object, by key.
pub type Labels = BTreeMap<String, String>;

/// What the managers know about every object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Meta<I> {
    /// The object.
    pub id: I,
    /// The last change of any kind.
    pub revision: Revision,
    /// The last change of its spec; preconditions of users compare this one.
    pub spec_revision: Revision,
    /// The change that created it.
    pub create_revision: Revision,
    /// When it was created.
    pub create_time: Timestamp,
    /// When it last changed.
    pub update_time: Timestamp,
    /// When its deletion began, if it has.
    pub delete_time: Option<Timestamp>,
}

impl<I> Meta<I> {
    /// Of an object that is created by this revision at this time.
    pub fn new(id: I, revision: Revision, time: Timestamp) -> Self {
        Meta {
            id,
            revision,
            spec_revision: revision,
            create_revision: revision,
            create_time: time,
            update_time: time,
            delete_time: None,
        }
    }

    /// Notes a change by this revision at this time.
    pub fn touch(&mut self, revision: Revision, time: Timestamp) {
        self.revision = revision;
        self.update_time = time;
    }
}

/// Any object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ObjectId {
    /// The swarm.
    Swarm(SwarmId),
    /// A node.
    Node(NodeId),
    /// A service.
    Service(ServiceId),
    /// A task.
    Task(TaskId),
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ObjectId::Swarm(id) => id.fmt(f),
            ObjectId::Node(id) => id.fmt(f),
            ObjectId::Service(id) => id.fmt(f),
            ObjectId::Task(id) => id.fmt(f),
        }
    }
}

/// A standing fact about an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Condition {
    /// UPPER_SNAKE name, unique among the conditions of the object.
    pub kind: Cow<'static, str>,
    /// Whether the fact holds.
    pub holds: bool,
    /// UPPER_SNAKE cause, for programs; empty: none.
    pub reason: Cow<'static, str>,
    /// The cause in words; empty: none.
    pub message: Cow<'static, str>,
    /// The spec this was judged against.
    pub observed_spec_revision: Revision,
    /// When `holds` last changed.
    pub transition_time: Timestamp,
}
