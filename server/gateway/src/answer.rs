// SPDX-License-Identifier: Apache-2.0
//! An answer in gRPC, as JSON: one message, or a line for each message of a stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use skep_manager::error::Failure;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::error;
use crate::frames::Frames;

/// Lines of JSON.
const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");
/// One JSON text.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The answer of a method that has one.
pub(crate) async fn unary(response: Response<Body>, output: &MessageDescriptor) -> Response<Body> {
    match message(response).await.and_then(|it| line(&it, output)) {
        Ok(line) => with_type(Body::new(Full::new(line)), JSON),
        Err(status) => error::response(&status),
    }
}

async fn message(response: Response<Body>) -> Result<Bytes, Status> {
    let (head, body) = response.into_parts();
    check(&head.headers)?;
    let body = body.collect().await?;
    body.trailers().map_or(Ok(()), check)?;
    let mut frames = Frames::default();
    frames.push(&body.to_bytes());
    let missing = || Failure::internal("an answer without a message").into();
    frames.next().ok_or_else(missing)
}

/// The answer of a method that streams: it begins at once, and what goes wrong later is told in
/// a last line of its own.
pub(crate) fn streamed(response: Response<Body>, output: MessageDescriptor) -> Response<Body> {
    let (head, body) = response.into_parts();
    if let Err(status) = check(&head.headers) {
        return error::response(&status);
    }
    let lines = Lines {
        inner: Some(body),
        frames: Frames::default(),
        output,
    };
    with_type(Body::new(lines), NDJSON)
}

fn with_type(body: Body, content_type: HeaderValue) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// What headers or trailers say of the end, if they do.
fn check(headers: &HeaderMap) -> Result<(), Status> {
    match Status::from_header_map(headers) {
        Some(status) if status.code() != Code::Ok => Err(status),
        _ => Ok(()),
    }
}

/// A message as a line of proto JSON.
fn line(message: &Bytes, output: &MessageDescriptor) -> Result<Bytes, Status> {
    let fault = |what: String| Status::from(Failure::internal(&what));
    let message = DynamicMessage::decode(output.clone(), message.clone())
        .map_err(|error| fault(format!("an answer that cannot be read: {error}")))?;
    let mut line = BytesMut::new().writer();
    serde_json::to_writer(&mut line, &message)
        .map_err(|error| fault(format!("an answer that is no JSON: {error}")))?;
    let mut line = line.into_inner();
    line.put_u8(b'\n');
    Ok(line.freeze())
}

/// The messages of a stream, a line each.
struct Lines {
    /// Nothing: the last line is written.
    inner: Option<Body>,
    frames: Frames,
    output: MessageDescriptor,
}

impl Lines {
    fn end(&mut self, status: &Status) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.inner = None;
        Poll::Ready(Some(Ok(Frame::data(error::last_line(status)))))
    }
}

impl http_body::Body for Lines {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        loop {
            let Some(inner) = &mut this.inner else {
                return Poll::Ready(None);
            };
            if let Some(message) = this.frames.next() {
                return match line(&message, &this.output) {
                    Ok(line) => Poll::Ready(Some(Ok(Frame::data(line)))),
                    Err(status) => this.end(&status),
                };
            }
            match ready!(Pin::new(inner).poll_frame(cx)) {
                None => this.inner = None,
                Some(Err(status)) => return this.end(&status),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.frames.push(&data),
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        if let Err(status) = check(&trailers) {
                            return this.end(&status);
                        }
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;
    use prost::Message;
    use skep_proto::v1::{GetServiceResponse, Service};

    use super::*;
    use crate::frames::frame;

    fn output() -> MessageDescriptor {
        skep_proto::reflect::describe::<GetServiceResponse>()
    }

    fn framed(id: &str) -> Bytes {
        let meta = skep_proto::v1::Meta {
            id: id.into(),
            ..Default::default()
        };
        let service = Service {
            meta: Some(meta),
            ..Service::default()
        };
        let answer = GetServiceResponse {
            service: Some(service),
            revision: 7,
        };
        frame(&answer.encode_to_vec())
    }

    /// An answer of these pieces, which ends with this status.
    fn answer(pieces: Vec<Bytes>, end: &Status) -> Response<Body> {
        let mut trailers = HeaderMap::new();
        end.add_header(&mut trailers).expect("it fits");
        let frames = pieces.into_iter().map(Frame::data);
        let frames: Vec<Result<Frame<Bytes>, Status>> =
            frames.chain([Frame::trailers(trailers)]).map(Ok).collect();
        Response::new(Body::new(StreamBody::new(futures::stream::iter(frames))))
    }

    async fn text(response: Response<Body>) -> String {
        let body = response.into_body().collect().await.expect("a body");
        String::from_utf8(body.to_bytes().to_vec()).expect("text")
    }

    #[tokio::test]
    async fn one_message_is_one_text() {
        let response = unary(answer(vec![framed("svc_1")], &Status::ok("")), &output()).await;
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        let text = text(response).await;
        assert_eq!(
            text,
            "{\"service\":{\"meta\":{\"id\":\"svc_1\"}},\"revision\":\"7\"}\n"
        );
    }

    #[tokio::test]
    async fn an_error_after_nothing_is_an_error() {
        let gone = Status::from(Failure::NoQuorum);
        let response = unary(answer(vec![], &gone), &output()).await;
        assert_eq!(response.status(), 503);
        let text = text(response).await;
        assert!(text.contains(r#""reason":"NO_QUORUM""#), "{text}");
    }

    #[tokio::test]
    async fn a_stream_is_lines_and_its_error_is_the_last() {
        let all: Bytes = [framed("svc_1"), framed("svc_2")].concat().into();
        let pieces = vec![all.slice(..9), all.slice(9..)];
        let response = streamed(answer(pieces.clone(), &Status::ok("")), output());
        assert_eq!(response.headers()[CONTENT_TYPE], "application/x-ndjson");
        let whole = text(response).await;
        assert_eq!(whole.lines().count(), 2, "{whole}");

        let broken = streamed(answer(pieces, &Status::from(Failure::NoQuorum)), output());
        assert_eq!(broken.status(), 200);
        let broken = text(broken).await;
        let (lines, last) = broken.trim_end().rsplit_once('\n').expect("lines");
        assert_eq!(lines, whole.trim_end());
        assert!(
            last.starts_with(r#"{"error":{"code":"UNAVAILABLE","#),
            "{last}"
        );
    }

    #[tokio::test]
    async fn a_stream_that_never_began_is_an_error() {
        let status = Status::from(Failure::NoQuorum);
        let response = streamed(status.into_http(), output());
        assert_eq!(response.status(), 503);
    }
}
