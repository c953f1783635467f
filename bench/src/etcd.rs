// SPDX-License-Identifier: Apache-2.0
//! As much of etcd's v3 API as the rows call: put and watch. It goes through the same gRPC
//! library as skep's own client, so that the load costs the same on both sides.
//!
//! Messages and their numbers: etcd's documentation, "gRPC API reference".

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;

/// Asks to write a key.
#[derive(Clone, PartialEq, Message)]
struct PutRequest {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

/// A key was written, durably.
#[derive(Clone, PartialEq, Message)]
struct PutResponse {}

/// Asks to watch.
#[derive(Clone, PartialEq, Message)]
struct WatchRequest {
    #[prost(message, optional, tag = "1")]
    create: Option<WatchCreate>,
}

/// The keys to watch.
#[derive(Clone, PartialEq, Message)]
struct WatchCreate {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    range_end: Bytes,
}

/// A part of a watch.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct WatchResponse {
    #[prost(bool, tag = "3")]
    created: bool,
    #[prost(bool, tag = "4")]
    canceled: bool,
    /// What happened.
    #[prost(message, repeated, tag = "11")]
    pub(crate) events: Vec<Event>,
}

/// A key changed.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Event {
    /// The key and its value.
    #[prost(message, optional, tag = "2")]
    pub(crate) kv: Option<KeyValue>,
}

/// A key with its value.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct KeyValue {
    /// The key.
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) key: Bytes,
    /// The value.
    #[prost(bytes = "bytes", tag = "5")]
    pub(crate) value: Bytes,
}

/// A client of etcd. Clones share the connection.
#[derive(Clone, Debug)]
pub(crate) struct Etcd {
    channel: Channel,
}

impl Etcd {
    /// Over this connection.
    pub(crate) fn new(channel: Channel) -> Etcd {
        Etcd { channel }
    }

    /// Writes a key; it is on the disk when this returns.
    ///
    /// # Errors
    /// If etcd refuses.
    pub(crate) async fn put(&self, key: String, value: String) -> Result<()> {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await?;
        let request = PutRequest {
            key: key.into(),
            value: value.into(),
        };
        let path = PathAndQuery::from_static("/etcdserverpb.KV/Put");
        let codec = ProstCodec::<PutRequest, PutResponse>::default();
        grpc.unary(Request::new(request), path, codec).await?;
        Ok(())
    }

    /// Watches all keys that begin with a prefix; once this returns, nothing is missed.
    ///
    /// # Errors
    /// If etcd refuses.
    pub(crate) async fn watch(&self, prefix: &str) -> Result<Changes> {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await?;
        let request = WatchRequest {
            create: Some(WatchCreate {
                key: prefix.to_owned().into(),
                range_end: end_of(prefix).into(),
            }),
        };
        // The watch lives as long as the client's half of the call.
        let (ask, asked) = tokio::sync::mpsc::channel(1);
        ask.send(request).await?;
        let path = PathAndQuery::from_static("/etcdserverpb.Watch/Watch");
        let codec = ProstCodec::<WatchRequest, WatchResponse>::default();
        let requests = Request::new(ReceiverStream::new(asked));
        let mut responses = grpc.streaming(requests, path, codec).await?.into_inner();
        let first = responses.message().await?.context("the watch ended")?;
        ensure!(first.created, "etcd did not begin the watch");
        Ok(Changes {
            responses,
            _ask: ask,
        })
    }
}

/// The first text after all that begin with `prefix`.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

/// A running watch.
#[derive(Debug)]
pub(crate) struct Changes {
    responses: Streaming<WatchResponse>,
    _ask: tokio::sync::mpsc::Sender<WatchRequest>,
}

impl Changes {
    /// The next changes.
    ///
    /// # Errors
    /// If the watch ended.
    pub(crate) async fn next(&mut self) -> Result<Vec<Event>> {
        let response = self.responses.message().await?.context("the watch ended")?;
        ensure!(!response.canceled, "etcd ended the watch");
        Ok(response.events)
    }
}
