// SPDX-License-Identifier: Apache-2.0
//! What an event looks like through a filter.

use std::sync::Arc;

use crate::filter::{NodeFilter, ServiceFilter, TaskFilter};
use crate::model::{Node, Service, Swarm, Task};
use crate::state::{Delta, Event};

/// Which objects a subscriber wants to see; a kind without a filter is not watched.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct WatchFilter {
    /// Tasks.
    pub tasks: Option<TaskFilter>,
    /// Services.
    pub services: Option<ServiceFilter>,
    /// Nodes.
    pub nodes: Option<NodeFilter>,
    /// The swarm.
    pub swarm: bool,
}

/// How an object entered, changed in or left the view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Part of the first state, or created, or began to match.
    Added,
    /// Changed, and still matches.
    Changed,
    /// Still exists, but no longer matches.
    Left,
    /// Gone from the swarm.
    Deleted,
}

/// An object of any kind.
#[derive(Clone, PartialEq, Debug)]
pub enum Object {
    /// The swarm.
    Swarm(Arc<Swarm>),
    /// A node.
    Node(Arc<Node>),
    /// A service.
    Service(Arc<Service>),
    /// A task.
    Task(Arc<Task>),
}

/// What a subscriber is told of one object.
#[derive(Clone, PartialEq, Debug)]
pub struct WatchEvent {
    /// What happened.
    pub change: Change,
    /// The object after it; of one that is gone, its last state.
    pub object: Object,
}

impl WatchFilter {
    /// What a subscriber is told of an event; nothing if it does not concern the view.
    #[must_use]
    pub fn see(&self, event: &Event) -> Option<WatchEvent> {
        match event {
            Event::Swarm(delta) => {
                seen(delta, |_| self.swarm).map(|(change, it)| with(change, Object::Swarm(it)))
            }
            Event::Node(delta) => {
                let filter = self.nodes.as_ref()?;
                seen(delta, |it| filter.matches(it)).map(|(c, it)| with(c, Object::Node(it)))
            }
            Event::Service(delta) => {
                let filter = self.services.as_ref()?;
                seen(delta, |it| filter.matches(it)).map(|(c, it)| with(c, Object::Service(it)))
            }
            Event::Task(delta) => {
                let filter = self.tasks.as_ref()?;
                seen(delta, |it| filter.matches(it)).map(|(c, it)| with(c, Object::Task(it)))
            }
        }
    }
}

fn with(change: Change, object: Object) -> WatchEvent {
    WatchEvent { change, object }
}

fn seen<T>(delta: &Delta<T>, matches: impl Fn(&T) -> bool) -> Option<(Change, Arc<T>)> {
    let was_seen = delta.before.as_deref().is_some_and(&matches);
    match (&delta.before, &delta.after) {
        (Some(before), None) => was_seen.then(|| (Change::Deleted, before.clone())),
        (_, Some(after)) => match (was_seen, matches(after)) {
            (false, true) => Some((Change::Added, after.clone())),
            (true, true) => Some((Change::Changed, after.clone())),
            (true, false) => Some((Change::Left, after.clone())),
            (false, false) => None,
        },
        (None, None) => None,
    }
}
