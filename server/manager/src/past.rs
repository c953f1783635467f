// SPDX-License-Identifier: Apache-2.0
//! Objects as they were at a revision: what an answer shows does not depend on what happened
//! between the change and the answer, or the retry that asks for it again.

use std::sync::Arc;

use skep_core::admit::{Kind, Rejection};
use skep_core::model::{Node, ObjectId, Revision, Service, Swarm, Task};
use skep_core::state::{Delta, Event, State};
use skep_core::watch::Source;

use crate::cluster::Cluster;
use crate::error::Failure;
use crate::propose::Done;

/// A kind of object that an answer is about.
pub(crate) trait Shown: Sized {
    /// The object in a state.
    fn find(state: &State, id: ObjectId) -> Option<Arc<Self>>;
    /// What an event did to it; nothing: the event is about another kind.
    fn delta(event: &Event) -> Option<&Delta<Self>>;
    /// When it last changed.
    fn revision(&self) -> Revision;
}

impl Shown for Service {
    fn find(state: &State, id: ObjectId) -> Option<Arc<Service>> {
        let ObjectId::Service(id) = id else {
            return None;
        };
        state.service(id).cloned()
    }

    fn delta(event: &Event) -> Option<&Delta<Service>> {
        let Event::Service(delta) = event else {
            return None;
        };
        Some(delta)
    }

    fn revision(&self) -> Revision {
        self.meta.revision
    }
}

impl Shown for Task {
    fn find(state: &State, id: ObjectId) -> Option<Arc<Task>> {
        let ObjectId::Task(id) = id else { return None };
        state.task(id).cloned()
    }

    fn delta(event: &Event) -> Option<&Delta<Task>> {
        let Event::Task(delta) = event else {
            return None;
        };
        Some(delta)
    }

    fn revision(&self) -> Revision {
        self.meta.revision
    }
}

impl Shown for Node {
    fn find(state: &State, id: ObjectId) -> Option<Arc<Node>> {
        let ObjectId::Node(id) = id else { return None };
        state.node(id).cloned()
    }

    fn delta(event: &Event) -> Option<&Delta<Node>> {
        let Event::Node(delta) = event else {
            return None;
        };
        Some(delta)
    }

    fn revision(&self) -> Revision {
        self.meta.revision
    }
}

impl Shown for Swarm {
    fn find(state: &State, id: ObjectId) -> Option<Arc<Swarm>> {
        let swarm = state.swarm().cloned();
        swarm.filter(|swarm| ObjectId::Swarm(swarm.meta.id) == id)
    }

    fn delta(event: &Event) -> Option<&Delta<Swarm>> {
        let Event::Swarm(delta) = event else {
            return None;
        };
        Some(delta)
    }

    fn revision(&self) -> Revision {
        self.meta.revision
    }
}

/// The object that an answer is about; nothing if the request was granted without one.
///
/// # Errors
/// If it has been deleted since, and the history does not reach back to the change.
pub(crate) fn object_of<T: Shown>(
    cluster: &dyn Cluster,
    done: Done,
) -> Result<Option<Arc<T>>, Failure> {
    let Some(id) = done.object else {
        return Ok(None);
    };
    match cluster.look(|source| object_at(source, id, done.revision)) {
        Some(object) => Ok(Some(object)),
        None => Err(Failure::Rejected(Rejection::NotFound {
            kind: Kind::of(id),
            name: id.to_string(),
        })),
    }
}

/// The object as it was at a revision; as it is now, if the history does not reach back so far.
fn object_at<T: Shown>(source: Source<'_>, id: ObjectId, revision: Revision) -> Option<Arc<T>> {
    let newest = T::find(source.state, id);
    if newest
        .as_ref()
        .is_some_and(|object| object.revision() <= revision)
    {
        return newest;
    }
    let mut later = source.history.since(revision).into_iter().flatten();
    let next_change = later.find_map(|step| {
        let mut events = step.events.iter();
        events.find(|event| event.object() == Some(id)).cloned()
    });
    match next_change {
        Some(event) => T::delta(&event).and_then(|delta| delta.before.clone()),
        None => newest,
    }
}
