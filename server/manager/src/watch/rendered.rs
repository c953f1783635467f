// SPDX-License-Identifier: Apache-2.0
//! Events as watches send them, encoded once for all who see them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use prost::Message;
use prost::bytes::Bytes;
use skep_core::watch::{Change, Object, WatchEvent};
use skep_proto::v1;
use skep_wire::render;

/// What an event weighs in a frame beside its own bytes: the tag and the length.
const EVENT_OVERHEAD_BYTES: usize = 6;
/// How many events are remembered: of the newest change all, so that every watch that it
/// reaches finds them.
const RECENT_EVENTS_MAX: usize = 4_096;
/// And not more than so many bytes of them.
const RECENT_BYTES_MAX: usize = 4 << 20;

/// Renders events, and remembers those of late: a change that a thousand watches see is
/// rendered and encoded for the first of them.
#[derive(Debug, Default)]
pub(super) struct Renderer {
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    events: HashMap<Key, Remembered>,
    /// Oldest first.
    order: VecDeque<Key>,
    bytes: usize,
}

/// An object of the state never changes, so where it is says what it is, for as long as it is
/// kept there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Key {
    change: v1::EventType,
    address: usize,
}

#[derive(Debug)]
struct Remembered {
    encoded: Bytes,
    /// Keeps the address from being used again.
    _object: Object,
}

impl Renderer {
    /// An event as both calls show it, and what it weighs.
    pub(super) fn weighed(&self, event: WatchEvent) -> (Bytes, usize) {
        let encoded = self.encoded(event);
        let size = encoded.len() + EVENT_OVERHEAD_BYTES;
        (encoded, size)
    }

    fn encoded(&self, event: WatchEvent) -> Bytes {
        let key = Key::of(&event);
        let known = self.with(|recent| recent.events.get(&key).map(|it| it.encoded.clone()));
        known.unwrap_or_else(|| {
            let encoded = Bytes::from(message(&event).encode_to_vec());
            self.with(|recent| recent.add(key, encoded.clone(), event.object));
            encoded
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Recent) -> T) -> T {
        act(&mut self.recent.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Recent {
    fn add(&mut self, key: Key, encoded: Bytes, object: Object) {
        let size = encoded.len();
        let remembered = Remembered {
            encoded,
            _object: object,
        };
        // Another watch may have been as quick.
        if self.events.insert(key, remembered).is_none() {
            self.order.push_back(key);
            self.bytes += size;
        }
        while self.order.len() > RECENT_EVENTS_MAX || self.bytes > RECENT_BYTES_MAX {
            let oldest = self.order.pop_front();
            let Some(forgotten) = oldest.and_then(|key| self.events.remove(&key)) else {
                return;
            };
            self.bytes -= forgotten.encoded.len();
        }
    }
}

impl Key {
    fn of(event: &WatchEvent) -> Key {
        Key {
            change: change(event.change),
            address: match &event.object {
                Object::Task(task) => Arc::as_ptr(task).addr(),
                Object::Service(service) => Arc::as_ptr(service).addr(),
                Object::Node(node) => Arc::as_ptr(node).addr(),
                Object::Swarm(swarm) => Arc::as_ptr(swarm).addr(),
            },
        }
    }
}

/// An event as `Watch` shows it. On the wire the one of `WatchTasks` is the same.
fn message(event: &WatchEvent) -> v1::watch_response::Event {
    use v1::watch_response::event::Object as Message;
    let object = match &event.object {
        Object::Task(task) => Message::Task(render::task(task)),
        Object::Service(service) => Message::Service(render::service(service)),
        Object::Node(node) => Message::Node(render::node(node)),
        Object::Swarm(swarm) => Message::Swarm(render::swarm(swarm)),
    };
    v1::watch_response::Event {
        r#type: change(event.change).into(),
        object: Some(object),
    }
}

fn change(change: Change) -> v1::EventType {
    match change {
        Change::Added => v1::EventType::Added,
        Change::Changed => v1::EventType::Changed,
        Change::Left => v1::EventType::Left,
        Change::Deleted => v1::EventType::Deleted,
    }
}

#[cfg(test)]
mod tests {
    use skep_core::model::NodeId;
    use skep_core::testing::World;

    use super::*;

    fn event(change: Change, world: &World) -> WatchEvent {
        let node = world.state.node(NodeId(1)).expect("it is there");
        WatchEvent {
            change,
            object: Object::Node(node.clone()),
        }
    }

    #[test]
    fn an_event_is_encoded_once() {
        let world = World::with_nodes(1);
        let renderer = Renderer::default();
        let (first, size) = renderer.weighed(event(Change::Added, &world));
        let (second, _) = renderer.weighed(event(Change::Added, &world));
        assert_eq!(first.as_ptr(), second.as_ptr());
        assert_eq!(size, first.len() + EVENT_OVERHEAD_BYTES);
        let (left, _) = renderer.weighed(event(Change::Left, &world));
        let left = v1::watch_response::Event::decode(left).expect("it is whole");
        assert_eq!(left.r#type(), v1::EventType::Left);
    }

    #[test]
    fn only_so_much_is_remembered() {
        let world = World::with_nodes(1);
        let mut recent = Recent::default();
        let mut add = |address: usize, bytes: usize| {
            let event = event(Change::Added, &world);
            let change = v1::EventType::Added;
            recent.add(Key { change, address }, vec![0; bytes].into(), event.object);
            (recent.events.len(), recent.order.len(), recent.bytes)
        };
        for address in 0..RECENT_EVENTS_MAX {
            add(address, 1);
        }
        let full = (RECENT_EVENTS_MAX, RECENT_EVENTS_MAX, RECENT_EVENTS_MAX);
        assert_eq!(add(RECENT_EVENTS_MAX, 1), full);
        assert_eq!(add(RECENT_EVENTS_MAX, 1), full, "the same again");
        assert_eq!(
            add(usize::MAX - 1, RECENT_BYTES_MAX),
            (1, 1, RECENT_BYTES_MAX)
        );
        assert_eq!(add(usize::MAX, RECENT_BYTES_MAX + 1), (0, 0, 0));
    }
}
