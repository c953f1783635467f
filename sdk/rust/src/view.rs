// SPDX-License-Identifier: Apache-2.0
//! A copy of what a watch shows, kept up to date by its events.

use std::collections::BTreeMap;

use crate::v1::watch_response::event;
use crate::v1::{Meta, Node, Service, Swarm, Task};
use crate::watch::WatchEvent;

/// An object of any kind.
pub type Object = event::Object;

/// An object with an id: a kind of the API, or [`Object`] for any of them.
pub trait Identified: Sized + Send + 'static {
    /// The object, if it is of this kind.
    fn pick(object: Object) -> Option<Self>;

    /// Common facts, if the server sent them.
    fn meta(&self) -> Option<&Meta>;

    /// Its id.
    fn id(&self) -> &str {
        self.meta().map_or("", |meta| meta.id.as_str())
    }
}

macro_rules! identified {
    ($($kind:ident),+) => {
        $(impl Identified for $kind {
            fn pick(object: Object) -> Option<Self> {
                match object {
                    Object::$kind(object) => Some(object),
                    _ => None,
                }
            }

            fn meta(&self) -> Option<&Meta> {
                self.meta.as_ref()
            }
        })+

        impl Identified for Object {
            fn pick(object: Object) -> Option<Self> {
                Some(object)
            }

            fn meta(&self) -> Option<&Meta> {
                match self {
                    $(Self::$kind(object) => object.meta()),+
                }
            }
        }
    };
}

identified!(Task, Service, Node, Swarm);

/// The objects that match. Between two [`WatchEvent::Progress`] it may show half of a change;
/// at one it is what the swarm was at that revision.
#[derive(Debug, Clone, PartialEq)]
pub struct View<O> {
    /// The objects by id.
    pub objects: BTreeMap<String, O>,
    /// The last revision that is complete.
    pub revision: u64,
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
                self.objects.clear();
                all.into_iter().for_each(|object| self.put(object));
            }
            WatchEvent::Added(object) | WatchEvent::Changed(object) => self.put(object),
            WatchEvent::Left(object) | WatchEvent::Deleted(object) => {
                self.objects.remove(object.id());
            }
            WatchEvent::Progress { revision, .. } => self.revision = revision,
        }
    }

    fn put(&mut self, object: O) {
        self.objects.insert(object.id().to_owned(), object);
    }
}

impl View<Object> {
    /// The service with the lowest id: of a view of one service, that one.
    #[must_use]
    pub fn service(&self) -> Option<&Service> {
        self.objects.values().find_map(|object| match object {
            Object::Service(service) => Some(service),
            _ => None,
        })
    }

    /// The tasks, by id.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.objects.values().filter_map(|object| match object {
            Object::Task(task) => Some(task),
            _ => None,
        })
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
        let objects = view.objects.values();
        let seen: Vec<_> = objects.map(|t| (t.id(), t.name.as_str())).collect();
        assert_eq!(seen, [("a", "2"), ("c", "1")]);
        assert_eq!(view.revision, 4);
        view.apply(WatchEvent::Reset(vec![]));
        assert!(view.objects.is_empty());
    }
}
