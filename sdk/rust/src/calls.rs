// SPDX-License-Identifier: Apache-2.0
//! The layer under the generated stubs: gives every call a deadline and every change a
//! `request_id`, and repeats what failed with UNAVAILABLE by the policy of all SDKs.
//!
//! It works on encoded requests, so the stubs stay as they were generated.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use prost::encoding;
use rand::distr::{Alphanumeric, SampleString};
use skep_proto::methods::{self, Method};
use tokio::time::{sleep, timeout};
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt, service_fn};

use crate::error::root_cause;
use crate::policy::POLICY;

/// How long a call may take if the caller sets no deadline: the most that a server allows.
const DEFAULT_DEADLINE: (Duration, &str) = (Duration::from_secs(60), "60S");

/// Bytes before a message in a gRPC body: whether it is compressed, and its length.
const FRAME_HEADER: usize = 5;

/// A connection to a daemon as the stubs use it. Cheap to clone.
pub type Calls = BoxCloneSyncService<Request<Body>, Response<Body>, Status>;

/// A connection to a daemon.
#[derive(Debug, Clone)]
struct Connection {
    channel: Channel,
    /// The address, for messages.
    host: Arc<str>,
}

/// The layer over a channel.
pub(crate) fn over(channel: Channel, host: Arc<str>) -> Calls {
    let connection = Connection { channel, host };
    BoxCloneSyncService::new(service_fn(move |request| connection.clone().run(request)))
}

impl Connection {
    async fn run(self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let (mut parts, body) = request.into_parts();
        let method = methods::find(parts.uri.path());
        let mut message = body.collect().await?.to_bytes();
        if let Some(field) = method.request_id {
            message = with_request_id(message, field);
        }
        let has_own_time = method.waits && !parts.headers.contains_key("grpc-timeout");
        if method.streams || has_own_time {
            return self.attempts(parts, message, method).await;
        }
        let allowed = deadline(&mut parts.headers);
        let answer = timeout(allowed, self.attempts(parts, message, method)).await;
        answer.unwrap_or_else(|_| {
            Err(Status::deadline_exceeded(format!(
                "no answer from {} within {allowed:?}; a change may have been made or not",
                self.host
            )))
        })
    }

    /// Calls until there is an answer that is worth no further attempt, or there were enough.
    async fn attempts(
        &self,
        parts: Parts,
        message: Bytes,
        method: Method,
    ) -> Result<Response<Body>, Status> {
        for failures in 1.. {
            let body = Body::new(Full::new(message.clone()));
            let request = Request::from_parts(parts.clone(), body);
            let answer = self.attempt(request, method.streams).await;
            let code = match &answer {
                Ok(response) => response.headers().get(Status::GRPC_STATUS).map(code_of),
                Err(status) => Some(status.code()),
            };
            // Of a wait that broke off less time is left than its request says.
            let may_repeat = method.repeatable && !method.waits;
            let again = may_repeat && code.is_some_and(|code| POLICY.repeats(code));
            if !again || failures >= POLICY.max_attempts {
                return answer;
            }
            sleep(POLICY.wait(failures)).await;
        }
        unreachable!("the loop has no other end")
    }

    /// One attempt. An answer that is not a stream is read to its end, so that one cut short is
    /// noticed here.
    async fn attempt(
        &self,
        request: Request<Body>,
        streams: bool,
    ) -> Result<Response<Body>, Status> {
        let mut channel = self.channel.clone();
        let ready = channel.ready().await.map_err(|error| self.lost(&error))?;
        let response = ready
            .call(request)
            .await
            .map_err(|error| self.lost(&error))?;
        if streams {
            return Ok(response);
        }
        let (mut head, body) = response.into_parts();
        let body = body.collect().await.map_err(|status| self.lost(&status))?;
        head.headers
            .extend(body.trailers().cloned().unwrap_or_default());
        Ok(Response::from_parts(head, Body::new(body)))
    }

    /// A failure that no server told us of.
    fn lost(&self, error: &(dyn std::error::Error + 'static)) -> Status {
        let (host, cause) = (&self.host, root_cause(error));
        if cause.is::<tonic::TimeoutExpired>() {
            return Status::deadline_exceeded(format!("no answer from {host} in time"));
        }
        Status::unavailable(format!("the connection to {host} is lost: {cause}"))
    }
}

fn code_of(status: &HeaderValue) -> Code {
    Code::from_bytes(status.as_bytes())
}

/// The time a call may take: what its headers say, else the default, which is written there.
fn deadline(headers: &mut HeaderMap) -> Duration {
    let (default, text) = DEFAULT_DEADLINE;
    let given = headers
        .entry("grpc-timeout")
        .or_insert(HeaderValue::from_static(text));
    given
        .to_str()
        .ok()
        .and_then(parse_timeout)
        .unwrap_or(default)
}

/// A `grpc-timeout`: up to eight digits and a unit.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "H" => Duration::from_secs(3_600),
        "M" => Duration::from_secs(60),
        "S" => Duration::from_secs(1),
        "m" => Duration::from_millis(1),
        "u" => Duration::from_micros(1),
        "n" => Duration::from_nanos(1),
        _ => return None,
    };
    unit.checked_mul(number.parse().ok()?)
}

/// A fresh `request_id`: 26 random letters and digits.
#[must_use]
pub fn new_request_id() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 26)
}

/// A gRPC body with a fresh `request_id` before all other fields of its message. One that the
/// caller has set comes after it, and of a field that is there twice the last one counts.
fn with_request_id(body: Bytes, field: u32) -> Bytes {
    let Some(([0, length @ ..], message)) = body.split_first_chunk::<FRAME_HEADER>() else {
        return body;
    };
    let mut id = Vec::new();
    encoding::string::encode(field, &new_request_id(), &mut id);
    let added = u32::try_from(id.len()).unwrap_or_default();
    let length = u32::from_be_bytes(*length).saturating_add(added);
    [&[0], &length.to_be_bytes()[..], &id, message]
        .concat()
        .into()
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
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

    fn read(body: &Bytes) -> StopTaskRequest {
        let length = u32::try_from(body.len() - FRAME_HEADER).unwrap();
        assert_eq!(
            body[..FRAME_HEADER],
            [&[0], &length.to_be_bytes()[..]].concat()
        );
        StopTaskRequest::decode(&body[FRAME_HEADER..]).unwrap()
    }

    #[test]
    fn a_change_without_request_id_gets_one() {
        let request = StopTaskRequest {
            task: "tsk_1".into(),
            request_id: String::new(),
        };
        let filled = with_request_id(body(&request), 2);
        let read = read(&filled);
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
        assert_eq!(read(&with_request_id(body(&request), 2)), request);
        let broken = Bytes::from_static(&[0, 0, 0, 0]);
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
