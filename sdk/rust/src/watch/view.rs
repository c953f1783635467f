// SPDX-License-Identifier: Apache-2.0
//! A copy of what a watch shows, kept up to date by its events.

use std::collections::BTreeMap;

use crate::v1::{Meta, Node, Service, Swarm, Task};

use super::{Object, WatchEvent};

/// An object with an id.
pub trait Identified {
    /// Common facts, if the server sent them.
    fn meta(&self) -> Option<&Meta>;

    /// Its id.
    fn id(&self) -> &str {
        self.meta().map_or("", |meta| meta.id.as_str())
    }
}

macro_rules! identified {
    ($($kind:ty),+) => {
        $(impl Identified for $kind {
            fn meta(&self) -> Option<&Meta> {
                self.meta.as_ref()
            }
        })+
    };
}

identified!(Task, Service, Node, Swarm);

impl Identified for Object {
    fn meta(&self) -> Option<&Meta> {
        match self {
            Self::Task(task) => task.meta(),
            Self::Service(service) => service.meta(),
            Self::Node(node) => node.meta(),
            Self::Swarm(swarm) => swarm.meta(),
        }
    }
}

/// The objects that match, by id. Between two [`WatchEvent::Progress`] it may show half of a
/// change; at one it is what the swarm was at that revision.
#[derive(Debug, Clone, PartialEq)]
pub struct View<O> {
    objects: BTreeMap<String, O>,
    revision: u64,
}

impl<O> Default for View<O> {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            revision: 0,
        }
    }
}

impl<O: Identified> View<O> {
    /// Takes in an event.
    pub fn apply(&mut self, event: WatchEvent<O>) {
        match event {
            WatchEvent::Reset(all) => {
                self.objects = all
                    .into_iter()
                    .map(|object| (object.id().to_owned(), object))
                    .collect();
            }
            WatchEvent::Added(object) | WatchEvent::Changed(object) => {
                self.objects.insert(object.id().to_owned(), object);
            }
            WatchEvent::Left(object) | WatchEvent::Deleted(object) => {
                self.objects.remove(object.id());
            }
            WatchEvent::Progress { revision, .. } => self.revision = revision,
        }
    }

    /// The objects, by id.
    pub fn iter(&self) -> impl Iterator<Item = &O> {
        self.objects.values()
    }

    /// One object.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&O> {
        self.objects.get(id)
    }

    /// The last revision that is complete.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str, name: &str) -> Task {
        let meta = Meta {
            id: id.into(),
            ..Meta::default()
        };
        Task {
            meta: Some(meta),
            name: name.into(),
            ..Task::default()
        }
    }

    #[test]
    fn a_view_follows_its_watch() {
        let mut view = View::default();
        view.apply(WatchEvent::Reset(vec![task("a", "1"), task("b", "1")]));
        view.apply(WatchEvent::Progress {
            revision: 4,
            head_revision: 4,
        });
        view.apply(WatchEvent::Added(task("c", "1")));
        view.apply(WatchEvent::Changed(task("a", "2")));
        view.apply(WatchEvent::Left(task("b", "9")));
        view.apply(WatchEvent::Deleted(task("z", "1")));
        let seen: Vec<_> = view.iter().map(|t| (t.id(), t.name.as_str())).collect();
        assert_eq!(seen, [("a", "2"), ("c", "1")]);
        assert_eq!((view.revision(), view.get("b")), (4, None));
        view.apply(WatchEvent::Reset(vec![]));
        assert_eq!(view.iter().count(), 0);
    }
}
