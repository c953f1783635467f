// SPDX-License-Identifier: Apache-2.0
//! The stand-in: a server that answers what a scenario tells it, also what only a later release
//! would answer, and remembers what it was asked.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request, Response};
use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::newer;
use crate::raw::{self, from_json, to_json};

#[derive(Default)]
struct Script {
    /// What is answered to each method, in turn; the last one stays.
    answers: BTreeMap<String, Vec<Value>>,
    /// What was asked, in order.
    requests: Vec<Value>,
}

/// A stand-in that serves.
pub(crate) struct StandIn {
    pub(crate) address: SocketAddr,
    script: Arc<Mutex<Script>>,
    serving: tokio::task::JoinHandle<()>,
}

impl StandIn {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let script = Arc::new(Mutex::new(Script::default()));
        let router = axum::Router::new()
            .fallback(handle)
            .with_state(Arc::clone(&script));
        let server = tonic::transport::Server::builder()
            .add_routes(tonic::service::Routes::from(router))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let serving = tokio::spawn(async move {
            if let Err(error) = server.await {
                eprintln!("the stand-in has ended: {error}");
            }
        });
        Ok(Self {
            address,
            script,
            serving,
        })
    }

    /// What it answers from now on; what it was asked before is forgotten.
    pub(crate) fn play(&self, answers: BTreeMap<String, Vec<Value>>) -> Result<()> {
        for name in answers.keys() {
            raw::method(name)?;
        }
        *lock(&self.script) = Script {
            answers,
            requests: Vec::new(),
        };
        Ok(())
    }

    /// What one method was asked, in order.
    pub(crate) fn requests(&self, method: &str) -> Vec<Value> {
        let script = lock(&self.script);
        let of = |request: &&Value| request["method"] == method;
        script.requests.iter().filter(of).cloned().collect()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock(script: &Mutex<Script>) -> MutexGuard<'_, Script> {
    script.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn handle(
    State(script): State<Arc<Mutex<Script>>>,
    request: Request<Body>,
) -> Response<Body> {
    let answer = answer(&script, request).await;
    answer.unwrap_or_else(|error| {
        Status::internal(format!("the stand-in: {error:#}")).into_http::<Body>()
    })
}

async fn answer(script: &Mutex<Script>, request: Request<Body>) -> Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let name = parts.uri.path().trim_start_matches("/skep.v1.").to_owned();
    let method = raw::method(&name)?;
    let message = body.collect().await?.to_bytes();
    let message = message.get(5..).context("a request without a message")?;
    let message = DynamicMessage::decode(method.input(), message)?;
    let timeout = parts
        .headers
        .get("grpc-timeout")
        .and_then(|value| value.to_str().ok());
    let asked = json!({
        "method": name,
        "request": to_json(&message)?,
        "unknown": newer::unknown_fields(&message),
        "timeoutMs": timeout.and_then(parse_timeout),
    });
    let next = {
        let mut script = lock(script);
        script.requests.push(asked);
        let answers = script.answers.get_mut(&name);
        let answers = answers.filter(|answers| !answers.is_empty());
        let answers = answers.with_context(|| format!("no answer to {name} was given"))?;
        if answers.len() > 1 {
            answers.remove(0)
        } else {
            answers[0].clone()
        }
    };
    respond(&method, &next)
}

/// Milliseconds of a `grpc-timeout`.
fn parse_timeout(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "H" => number * 3_600_000,
        "M" => number * 60_000,
        "S" => number * 1_000,
        "m" => number,
        "u" => number / 1_000,
        "n" => number / 1_000_000,
        _ => return None,
    })
}

/// An answer is `{ok: message}`, `{error: {...}}` or `{stream: [messages], then: hold|end}`; with
/// `newer: true` every message in it has a field of a later release.
fn respond(method: &MethodDescriptor, answer: &Value) -> Result<Response<Body>> {
    if let Some(error) = answer.get("error") {
        return Ok(status(error)?.into_http());
    }
    let messages = match answer.get("stream") {
        Some(messages) => messages.as_array().cloned().unwrap_or_default(),
        None => vec![
            answer
                .get("ok")
                .context("neither ok, error nor stream")?
                .clone(),
        ],
    };
    let mut frames = Vec::new();
    for message in messages {
        let mut message = from_json(method.output(), &message)?;
        if answer["newer"] == true {
            newer::add_unknown_fields(&mut message)?;
        }
        frames.push(Ok::<_, Status>(Frame::data(framed(
            &message.encode_to_vec(),
        )?)));
    }
    let held = answer["then"] == "hold";
    if !held {
        let trailers = HeaderMap::from_iter([(Status::GRPC_STATUS, HeaderValue::from_static("0"))]);
        frames.push(Ok(Frame::trailers(trailers)));
    }
    let frames = futures::stream::iter(frames);
    let frames = if held {
        frames.chain(futures::stream::pending()).boxed()
    } else {
        frames.boxed()
    };
    let mut response = Response::new(Body::new(StreamBody::new(frames)));
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", kind);
    Ok(response)
}

fn framed(message: &[u8]) -> Result<Bytes> {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    frame.put_u32(message.len().try_into()?);
    frame.put_slice(message);
    Ok(frame.freeze())
}

fn status(error: &Value) -> Result<Status> {
    let text = |key: &str| error[key].as_str().unwrap_or_default();
    let name = text("code");
    let code = (0..17)
        .map(Code::from_i32)
        .find(|code| raw::code_name(*code) == name);
    let code = code.with_context(|| format!("there is no code {name:?}"))?;
    let mut details = ErrorDetails::new();
    if !text("reason").is_empty() {
        let metadata = serde_json::from_value::<HashMap<String, String>>(error["metadata"].clone());
        let metadata = metadata.unwrap_or_default();
        let domain = error["domain"].as_str().unwrap_or("skep");
        details.set_error_info(text("reason"), domain, metadata);
    }
    let violations = error["violations"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|bad| {
            let text = |key: &str| bad[key].as_str().unwrap_or_default();
            FieldViolation::new(text("field"), text("description"))
        });
    let violations: Vec<_> = violations.collect();
    if !violations.is_empty() {
        details.set_bad_request(violations);
    }
    Ok(Status::with_error_details(code, text("message"), details))
}
