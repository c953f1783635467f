// SPDX-License-Identifier: Apache-2.0
//! The layer under the generated stubs: gives every call a deadline and every change a
//! `request_id`, and repeats what failed with UNAVAILABLE by the policy of all SDKs.
//!
//! It works on encoded requests, so the stubs stay as they were generated: a `request_id` is a
//! field appended to the message, which protobuf reads as if it had been there.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use prost::encoding::{self, DecodeContext, WireType};
use rand::Rng;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tower::{Service, ServiceExt};

use crate::methods::{Kind, kind_of};
use crate::policy::POLICY;

/// How long a call may take if the caller sets no deadline: the most that a server allows.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(60);

/// Bytes before a message in a gRPC body: whether it is compressed, and its length.
const FRAME_HEADER: usize = 5;

/// A connection to a daemon as the stubs use it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Calls {
    channel: Channel,
    /// The address, for messages.
    host: Arc<str>,
}

impl Calls {
    pub(crate) fn new(channel: Channel, host: &str) -> Self {
        Self {
            channel,
            host: host.into(),
        }
    }

    /// The address that is called.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    async fn run(self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let (parts, body) = request.into_parts();
        let kind = kind_of(parts.uri.path());
        let mut message = body.collect().await?.to_bytes();
        if let Kind::Change(field) = kind {
            message = with_request_id(message, field);
        }
        let mut parts = parts;
        if kind == Kind::Stream {
            return self.attempts(parts, message, kind).await;
        }
        let allowed = deadline(&mut parts.headers);
        let until = Instant::now() + allowed;
        match tokio::time::timeout_at(until, self.attempts(parts, message, kind)).await {
            Ok(answer) => answer,
            Err(_) => Err(Status::deadline_exceeded(format!(
                "no answer from {} within {allowed:?}; a change may have been made or not",
                self.host
            ))),
        }
    }

    /// Calls until there is an answer that is worth no further attempt, or there were enough.
    async fn attempts(
        &self,
        parts: http::request::Parts,
        message: Bytes,
        kind: Kind,
    ) -> Result<Response<Body>, Status> {
        let mut failures = 0;
        loop {
            let body = Body::new(Full::new(message.clone()));
            let answer = self
                .attempt(Request::from_parts(parts.clone(), body), kind)
                .await;
            let code = match &answer {
                Ok(response) => status_code(response.headers()),
                Err(status) => Some(status.code()),
            };
            failures += 1;
            let again = kind != Kind::Once && code.is_some_and(|code| POLICY.repeats(code));
            if !again || failures >= POLICY.max_attempts {
                return answer;
            }
            tokio::time::sleep(POLICY.wait(failures)).await;
        }
    }

    /// One attempt. An answer that is not a stream is read to its end, so that one cut short is
    /// noticed here.
    async fn attempt(&self, request: Request<Body>, kind: Kind) -> Result<Response<Body>, Status> {
        let mut channel = self.channel.clone();
        let channel = channel.ready().await.map_err(|error| self.lost(&error))?;
        let response = channel
            .call(request)
            .await
            .map_err(|error| self.lost(&error))?;
        if kind == Kind::Stream {
            return Ok(response);
        }
        let (mut head, body) = response.into_parts();
        let body = body.collect().await.map_err(|status| self.lost(&status))?;
        if let Some(trailers) = body.trailers()
            && let Some(status) = trailers.get(Status::GRPC_STATUS)
        {
            head.headers
                .entry(Status::GRPC_STATUS)
                .or_insert(status.clone());
        }
        Ok(Response::from_parts(head, Body::new(body)))
    }

    /// A failure that no server told us of.
    fn lost(&self, error: &(dyn std::error::Error + 'static)) -> Status {
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        if cause.is::<tonic::TimeoutExpired>() {
            return Status::deadline_exceeded(format!("no answer from {} in time", self.host));
        }
        Status::unavailable(format!("the connection to {} is lost: {cause}", self.host))
    }
}

impl Service<Request<Body>> for Calls {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().run(request))
    }
}

/// The code of an answer that is known from its headers; none: the call succeeded so far.
fn status_code(headers: &HeaderMap) -> Option<Code> {
    let code = headers.get(Status::GRPC_STATUS)?;
    Some(Code::from_bytes(code.as_bytes())).filter(|code| *code != Code::Ok)
}

/// The time a call may take: what its headers say, else the default, which is written there.
fn deadline(headers: &mut HeaderMap) -> Duration {
    const NAME: &str = "grpc-timeout";
    let given = headers
        .get(NAME)
        .and_then(|value| value.to_str().ok())
        .and_then(parse_timeout);
    given.unwrap_or_else(|| {
        headers.insert(NAME, HeaderValue::from_static("60S"));
        DEFAULT_DEADLINE
    })
}

/// A `grpc-timeout`: up to eight digits and a unit.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// A fresh `request_id`: 26 random characters.
#[must_use]
pub fn new_request_id() -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut random = rand::rng();
    (0..26)
        .map(|_| char::from(DIGITS[random.random_range(0..DIGITS.len())]))
        .collect()
}

/// A gRPC body with `request_id` set in its message. A body that has one, or that is not one
/// plain message, is given back as it is.
fn with_request_id(body: Bytes, field: u32) -> Bytes {
    let Some(message) = plain_message(&body) else {
        return body;
    };
    if has_field(message, field) {
        return body;
    }
    let mut longer = BytesMut::with_capacity(body.len() + 32);
    longer.put_slice(&body);
    encoding::string::encode(field, &new_request_id(), &mut longer);
    let Ok(length) = u32::try_from(longer.len() - FRAME_HEADER) else {
        return body;
    };
    longer[1..FRAME_HEADER].copy_from_slice(&length.to_be_bytes());
    longer.freeze()
}

/// The message in a gRPC body that holds exactly one, uncompressed.
fn plain_message(body: &Bytes) -> Option<&[u8]> {
    let (header, message) = body.split_at_checked(FRAME_HEADER)?;
    let length = u32::from_be_bytes(header[1..].try_into().ok()?);
    (header[0] == 0 && usize::try_from(length).ok()? == message.len()).then_some(message)
}

/// Whether an encoded message has a field. One that cannot be read counts as having it: then
/// nothing is added and the server says what is wrong.
fn has_field(mut message: &[u8], field: u32) -> bool {
    while !message.is_empty() {
        let Ok((tag, wire_type)) = encoding::decode_key(&mut message) else {
            return true;
        };
        if tag == field && wire_type == WireType::LengthDelimited {
            return true;
        }
        let context = DecodeContext::default();
        if encoding::skip_field(wire_type, tag, &mut message, context).is_err() {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::v1::StopTaskRequest;

    fn body(message: &impl Message) -> Bytes {
        let encoded = message.encode_to_vec();
        let mut body = BytesMut::new();
        body.put_u8(0);
        body.put_u32(u32::try_from(encoded.len()).unwrap());
        body.put_slice(&encoded);
        body.freeze()
    }

    #[test]
    fn a_change_without_request_id_gets_one() {
        let request = StopTaskRequest {
            task: "tsk_1".into(),
            request_id: String::new(),
        };
        let filled = with_request_id(body(&request), 2);
        let read = StopTaskRequest::decode(plain_message(&filled).unwrap()).unwrap();
        assert_eq!(read.task, "tsk_1");
        assert_eq!(read.request_id.len(), 26);
        let other = with_request_id(body(&request), 2);
        assert_ne!(filled, other, "two calls must not share an id");
    }

    #[test]
    fn a_request_id_of_the_caller_stays() {
        let request = StopTaskRequest {
            task: "tsk_1".into(),
            request_id: "mine".into(),
        };
        assert_eq!(with_request_id(body(&request), 2), body(&request));
        let broken = Bytes::from_static(&[0, 0, 0, 0, 9, 1]);
        assert_eq!(with_request_id(broken.clone(), 2), broken);
    }

    #[test]
    fn the_callers_deadline_counts() {
        let mut headers = HeaderMap::new();
        assert_eq!(deadline(&mut headers), Duration::from_secs(60));
        assert_eq!(headers["grpc-timeout"], "60S");
        for (text, time) in [("250m", 250), ("3S", 3_000), ("2M", 120_000)] {
            headers.insert("grpc-timeout", HeaderValue::from_static(text));
            assert_eq!(deadline(&mut headers), Duration::from_millis(time));
        }
        assert_eq!(parse_timeout(""), None);
        assert_eq!(parse_timeout("5x"), None);
    }
}
