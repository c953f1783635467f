// SPDX-License-Identifier: Apache-2.0
//! The runner's own calls: straight to the daemon, by the descriptors, with nothing of an SDK.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::{Buf, BufMut, Bytes};
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor, MethodDescriptor, SerializeOptions};
use rand::distr::{Alphanumeric, SampleString};
use serde_json::{Value, json};
use skep_proto::reflect::pool;
use tokio::time::{Instant, interval};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use tonic_types::StatusExt;

use crate::driver::{DEADLINE, Outcome};

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// The method that a scenario means by "ServiceService/GetService".
pub(crate) fn method(name: &str) -> Result<MethodDescriptor> {
    let found = name.split_once('/').and_then(|(service, method)| {
        let service = pool().get_service_by_name(&format!("skep.v1.{service}"))?;
        service.methods().find(|found| found.name() == method)
    });
    found.with_context(|| format!("the contract has no method {name:?}"))
}

/// A message from proto JSON.
pub(crate) fn from_json(kind: MessageDescriptor, value: &Value) -> Result<DynamicMessage> {
    let name = kind.full_name().to_owned();
    DynamicMessage::deserialize(kind, value).with_context(|| format!("{value} is no {name}"))
}

/// A message as proto JSON.
pub(crate) fn to_json(message: &DynamicMessage) -> Result<Value> {
    let options = SerializeOptions::new();
    Ok(message.serialize_with_options(serde_json::value::Serializer, &options)?)
}

/// The name of a code as the contract writes it.
pub(crate) fn code_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_uppercase());
    }
    name
}

/// An error in the form in which drivers tell it.
fn failure(status: &Status) -> Value {
    let details = status.get_error_details();
    let info = details.error_info();
    let violations = details.bad_request().map(|bad| {
        let each = bad.field_violations.iter();
        each.map(|bad| json!({"field": bad.field, "description": bad.description}))
            .collect::<Vec<_>>()
    });
    json!({
        "code": code_name(status.code()),
        "reason": info.map(|info| info.reason.clone()).unwrap_or_default(),
        "message": status.message(),
        "metadata": info.map(|info| info.metadata.clone()).unwrap_or_default(),
        "violations": violations.unwrap_or_default(),
    })
}

/// A channel to a daemon.
#[derive(Clone)]
pub(crate) struct Raw(Channel);

impl Raw {
    /// To the daemon at an address, which need not be there yet.
    pub(crate) fn to(address: SocketAddr) -> Result<Self> {
        Ok(Self(
            Endpoint::from_shared(format!("http://{address}"))?.connect_lazy(),
        ))
    }

    /// Calls, and as long as the daemon is away or has no leader calls again: the same request,
    /// with the same `request_id`.
    pub(crate) async fn call(&self, name: &str, request: &Value) -> Result<Outcome> {
        let method = method(name)?;
        let mut request = request.clone();
        if method.input().get_field_by_name("request_id").is_some()
            && request.get("requestId").is_none()
        {
            request["requestId"] = Alphanumeric.sample_string(&mut rand::rng(), 26).into();
        }
        let message = from_json(method.input(), &request)?.encode_to_vec();
        let started = Instant::now();
        let mut ticks = interval(PAUSE);
        loop {
            ticks.tick().await;
            let answer = self.attempt(&method, message.clone().into()).await;
            match answer {
                Ok(bytes) => {
                    let response = DynamicMessage::decode(method.output(), bytes)?;
                    return Ok(Ok(json!({"response": to_json(&response)?})));
                }
                Err(status)
                    if status.code() == Code::Unavailable && started.elapsed() < DEADLINE => {}
                Err(status) => return Ok(Err(failure(&status))),
            }
        }
    }

    /// The same, of a call that has to succeed.
    pub(crate) async fn read(&self, name: &str, request: &Value) -> Result<Value> {
        match self.call(name, request).await? {
            Ok(mut answer) => Ok(answer["response"].take()),
            Err(error) => bail!("{name}: {error}"),
        }
    }

    async fn attempt(&self, method: &MethodDescriptor, message: Bytes) -> Result<Bytes, Status> {
        let mut client = Grpc::new(self.0.clone()).max_decoding_message_size(16 << 20);
        let lost = |error: tonic::transport::Error| Status::unavailable(error.to_string());
        client.ready().await.map_err(lost)?;
        let mut request = Request::new(message);
        request.set_timeout(DEADLINE / 4);
        let answer = client.unary(request, path(method), BytesCodec).await?;
        Ok(answer.into_inner())
    }

    /// Opens a stream.
    pub(crate) async fn stream(&self, name: &str, request: &Value) -> Result<Frames> {
        let method = method(name)?;
        let message = from_json(method.input(), request)?.encode_to_vec();
        let mut client = Grpc::new(self.0.clone());
        client.ready().await?;
        let request = Request::new(Bytes::from(message));
        let answer = client
            .server_streaming(request, path(&method), BytesCodec)
            .await;
        let stream = answer
            .with_context(|| format!("the runner's own {name}"))?
            .into_inner();
        Ok(Frames { stream, method })
    }
}

fn path(method: &MethodDescriptor) -> http::uri::PathAndQuery {
    let service = method.parent_service().full_name();
    let path = format!("/{service}/{}", method.name()).parse();
    path.expect("names of the contract make a path")
}

/// The messages of a stream.
pub(crate) struct Frames {
    stream: Streaming<Bytes>,
    method: MethodDescriptor,
}

impl Frames {
    /// The next one.
    pub(crate) async fn next(&mut self) -> Result<Value> {
        let bytes = self
            .stream
            .message()
            .await?
            .context("the stream has ended")?;
        to_json(&DynamicMessage::decode(self.method.output(), bytes)?)
    }
}

/// Leaves messages as the bytes that they are.
#[derive(Default)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = BytesCodec;
    type Decoder = BytesCodec;

    fn encoder(&mut self) -> BytesCodec {
        BytesCodec
    }

    fn decoder(&mut self) -> BytesCodec {
        BytesCodec
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
