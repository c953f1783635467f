// SPDX-License-Identifier: Apache-2.0
//! As much of a watch of skep as the rows read: of either side what was written and nothing
//! else, so that the load costs the same on both. The rest of a message is skipped, as it is of
//! etcd's.

use anyhow::{Context, Result};
use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message;
use skep_proto::v1;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;

/// A frame, see `skep.v1.WatchResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Frame {
    #[prost(uint64, tag = "1")]
    revision: u64,
    #[prost(message, repeated, tag = "2")]
    events: Vec<Event>,
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(message, optional, tag = "3")]
    service: Option<Service>,
}

#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(message, optional, tag = "2")]
    spec: Option<Spec>,
}

#[derive(Clone, PartialEq, Message)]
struct Spec {
    #[prost(message, repeated, tag = "2")]
    labels: Vec<Label>,
}

/// An entry of a map is a message of this form.
#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

/// Watches all services; the first state is skipped.
///
/// # Errors
/// If skep refuses.
pub(super) async fn watch(channel: Channel) -> Result<Streaming<Frame>> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await?;
    let request = v1::WatchRequest {
        services: Some(v1::ServiceFilter::default()),
        ..v1::WatchRequest::default()
    };
    let path = PathAndQuery::from_static("/skep.v1.WatchService/Watch");
    let codec = ProstCodec::<v1::WatchRequest, Frame>::default();
    let frames = grpc.server_streaming(Request::new(request), path, codec);
    let mut frames = frames.await?.into_inner();
    while frames.message().await?.context("the watch ended")?.revision == 0 {}
    Ok(frames)
}

impl Frame {
    /// What was written to services under a label.
    pub(super) fn values(self, label: &'static str) -> impl Iterator<Item = Bytes> {
        let specs = self.events.into_iter();
        let specs = specs.filter_map(|event| event.service?.spec);
        let labels = specs.flat_map(|spec| spec.labels);
        labels.filter_map(move |it| (it.key == label).then_some(it.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found_in_a_frame() {
        let service = v1::Service {
            spec: Some(super::super::writes::spec("web", "what".to_owned())),
            ..v1::Service::default()
        };
        let object = v1::watch_response::event::Object::Service(service);
        let frame = v1::WatchResponse {
            revision: 7,
            events: vec![v1::watch_response::Event {
                r#type: v1::EventType::Changed.into(),
                object: Some(object),
            }],
            head_revision: 7,
        };
        let read = Frame::decode(frame.encode_to_vec().as_slice()).expect("it is whole");
        assert_eq!(read.revision, 7);
        let values: Vec<Bytes> = read.values("bench").collect();
        assert_eq!(values, [Bytes::from_static(b"what")]);
    }
}
