// SPDX-License-Identifier: Apache-2.0
//! Frames as messages, of the two calls that watch.

use prost::Message;
use skep_core::watch::{Change, Frame, Object, WatchEvent};
use skep_proto::v1;
use skep_wire::render;

/// What an event weighs in a frame beside its own bytes: the tag and the length.
const EVENT_OVERHEAD_BYTES: usize = 6;

/// A frame of one of the calls.
pub(super) trait FrameMessage: Send + 'static {
    /// An event in it.
    type Event: Message + Send + 'static;

    /// An event as this call shows it.
    fn event(event: WatchEvent) -> Self::Event;

    /// A whole frame.
    fn of(frame: Frame<Self::Event>) -> Self;

    /// An event and what it weighs.
    fn weighed(event: WatchEvent) -> (Self::Event, usize) {
        let event = Self::event(event);
        let size = event.encoded_len() + EVENT_OVERHEAD_BYTES;
        (event, size)
    }
}

impl FrameMessage for v1::WatchTasksResponse {
    type Event = v1::watch_tasks_response::Event;

    fn event(event: WatchEvent) -> Self::Event {
        let task = match event.object {
            Object::Task(task) => Some(render::task(&task)),
            Object::Service(_) | Object::Node(_) | Object::Swarm(_) => None,
        };
        Self::Event {
            r#type: change(event.change).into(),
            task,
        }
    }

    fn of(frame: Frame<Self::Event>) -> Self {
        Self {
            revision: frame.revision.0,
            events: frame.events,
            head_revision: frame.head.0,
        }
    }
}

impl FrameMessage for v1::WatchResponse {
    type Event = v1::watch_response::Event;

    fn event(event: WatchEvent) -> Self::Event {
        use v1::watch_response::event::Object as Message;
        let object = match event.object {
            Object::Task(task) => Message::Task(render::task(&task)),
            Object::Service(service) => Message::Service(render::service(&service)),
            Object::Node(node) => Message::Node(render::node(&node)),
            Object::Swarm(swarm) => Message::Swarm(render::swarm(&swarm)),
        };
        Self::Event {
            r#type: change(event.change).into(),
            object: Some(object),
        }
    }

    fn of(frame: Frame<Self::Event>) -> Self {
        Self {
            revision: frame.revision.0,
            events: frame.events,
            head_revision: frame.head.0,
        }
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
