// SPDX-License-Identifier: Apache-2.0
//! What a change did, object by object.

use std::sync::Arc;

use crate::model::{Node, ObjectId, Revision, Service, Swarm, Task, Timestamp};

/// One object before and after a change; one of the two is there.
#[derive(Debug)]
pub struct Delta<T> {
    /// Before; nothing: it was created.
    pub before: Option<Arc<T>>,
    /// After; nothing: it was deleted.
    pub after: Option<Arc<T>>,
}

impl<T> Clone for Delta<T> {
    fn clone(&self) -> Self {
        Delta {
            before: self.before.clone(),
            after: self.after.clone(),
        }
    }
}

/// What a change did to one object. An object has at most one event in a change.
#[derive(Clone, Debug)]
pub enum Event {
    /// To the swarm.
    Swarm(Delta<Swarm>),
    /// To a node.
    Node(Delta<Node>),
    /// To a service.
    Service(Delta<Service>),
    /// To a task.
    Task(Delta<Task>),
}

impl Event {
    /// The object.
    #[must_use]
    pub fn object(&self) -> Option<ObjectId> {
        fn any<T, I>(delta: &Delta<T>, id: impl Fn(&T) -> I) -> Option<I> {
            delta
                .after
                .as_ref()
                .or(delta.before.as_ref())
                .map(|object| id(object))
        }
        match self {
            Event::Swarm(delta) => any(delta, |swarm| ObjectId::Swarm(swarm.meta.id)),
            Event::Node(delta) => any(delta, |node| ObjectId::Node(node.meta.id)),
            Event::Service(delta) => any(delta, |service| ObjectId::Service(service.meta.id)),
            Event::Task(delta) => any(delta, |task| ObjectId::Task(task.meta.id)),
        }
    }
}

/// Everything one revision did, in order.
#[derive(Clone, Debug)]
pub struct Step {
    /// The revision.
    pub revision: Revision,
    /// The leader's clock when it was proposed.
    pub time: Timestamp,
    /// What it did.
    pub events: Arc<[Event]>,
}
