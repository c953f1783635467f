// SPDX-License-Identifier: Apache-2.0
//! Frames of watches, whose events are encoded already.

use prost::Message;
use prost::bytes::Bytes;

use crate::v1;

/// A frame as a server of watches sends it: a [`v1::WatchResponse`] or [`v1::WatchTasksResponse`]
/// on the wire, in which the events are bytes. An event that a thousand watches see is encoded
/// once, and its bytes are shared.
///
/// Servers only: clients read the messages of the contract. That the fields are those of both
/// messages is held by a test.
#[derive(Clone, PartialEq, Message)]
pub struct EncodedFrame {
    /// The revision that the frame closes; 0: none.
    #[prost(uint64, tag = "1")]
    pub revision: u64,
    /// The events, each encoded.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub events: Vec<Bytes>,
    /// The newest revision of the manager.
    #[prost(uint64, tag = "3")]
    pub head_revision: u64,
}

impl From<v1::WatchResponse> for EncodedFrame {
    fn from(frame: v1::WatchResponse) -> Self {
        EncodedFrame {
            revision: frame.revision,
            events: encoded(&frame.events),
            head_revision: frame.head_revision,
        }
    }
}

impl From<v1::WatchTasksResponse> for EncodedFrame {
    fn from(frame: v1::WatchTasksResponse) -> Self {
        EncodedFrame {
            revision: frame.revision,
            events: encoded(&frame.events),
            head_revision: frame.head_revision,
        }
    }
}

fn encoded(events: &[impl Message]) -> Vec<Bytes> {
    events
        .iter()
        .map(|event| event.encode_to_vec().into())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_frame_is_a_frame_of_either_call() {
        let task = v1::Task {
            name: "web.1".to_owned(),
            ..v1::Task::default()
        };
        let r#type = v1::EventType::Changed.into();
        let of_tasks = v1::WatchTasksResponse {
            revision: 7,
            events: vec![v1::watch_tasks_response::Event {
                r#type,
                task: Some(task.clone()),
            }],
            head_revision: 9,
        };
        let of_all = v1::WatchResponse {
            revision: 7,
            events: vec![v1::watch_response::Event {
                r#type,
                object: Some(v1::watch_response::event::Object::Task(task)),
            }],
            head_revision: 9,
        };
        let bytes = of_tasks.encode_to_vec();
        assert_eq!(bytes, of_all.encode_to_vec());
        assert_eq!(bytes, EncodedFrame::from(of_tasks).encode_to_vec());
        assert_eq!(bytes, EncodedFrame::from(of_all).encode_to_vec());
    }
}
