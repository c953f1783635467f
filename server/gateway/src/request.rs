// SPDX-License-Identifier: Apache-2.0
//! A request in JSON, as the gRPC request that it stands for.

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING,
};
use http::{HeaderName, HeaderValue, Request, Version};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use skep_manager::error::Failure;
use skep_manager::layer::{REQUEST_BYTES_MAX, UNARY_TIME_MAX};
use tonic::body::Body;

use crate::frames;

/// What speaks of the body as it was, or asks for an answer that could not be read here.
const DROPPED: [HeaderName; 6] = [
    HeaderName::from_static("grpc-encoding"),
    ACCEPT_ENCODING,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    HeaderName::from_static("grpc-accept-encoding"),
];

/// Reads the body and puts the message that it says in its place; all that tells who calls, and
/// how long they are ready to wait, stays.
///
/// # Errors
/// A body that is too long, cut off, no JSON, or that does not say such a message.
pub(crate) async fn translate(
    request: Request<Body>,
    input: &MessageDescriptor,
) -> Result<Request<Body>, Failure> {
    let (mut parts, body) = request.into_parts();
    // Whoever is ready to wait less is told so once the call is made.
    let read = tokio::time::timeout(UNARY_TIME_MAX, read(body)).await;
    let message = parse(&read.map_err(|_| Failure::DeadlineExceeded)??, input)?;
    let framed = frames::frame(&message.encode_to_vec());
    for name in DROPPED {
        parts.headers.remove(name);
    }
    let grpc = HeaderValue::from_static("application/grpc");
    parts.headers.insert(CONTENT_TYPE, grpc);
    parts.version = Version::HTTP_2;
    Ok(Request::from_parts(parts, Body::new(Full::new(framed))))
}

async fn read(body: Body) -> Result<Bytes, Failure> {
    match Limited::new(body, REQUEST_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Failure::too_large()),
        Err(error) => Err(Failure::Unreadable(error.to_string())),
    }
}

/// The message that proto JSON says; an empty body says one with nothing in it.
fn parse(json: &[u8], input: &MessageDescriptor) -> Result<DynamicMessage, Failure> {
    if json.trim_ascii().is_empty() {
        return Ok(DynamicMessage::new(input.clone()));
    }
    let mut reader = serde_json::Deserializer::from_slice(json);
    let read = DynamicMessage::deserialize(input.clone(), &mut reader);
    let whole = read.and_then(|message| reader.end().map(|()| message));
    whole.map_err(|error| Failure::Unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use prost_reflect::Value;
    use tonic_types::StatusExt;

    use super::*;

    fn input() -> MessageDescriptor {
        let method = crate::methods::find("/skep.v1.ServiceService/CreateService");
        method.expect("it is there").input()
    }

    fn refusal(json: &str) -> String {
        let failure = parse(json.as_bytes(), &input()).expect_err(json);
        let status = tonic::Status::from(failure);
        let bad = status.get_details_bad_request().expect("a bad request");
        bad.field_violations[0].description.clone()
    }

    #[test]
    fn both_ways_to_write_a_field_are_read() {
        for json in [r#"{"requestId": "a"}"#, r#"{"request_id": "a"}"#] {
            let message = parse(json.as_bytes(), &input()).expect(json);
            let id = message.get_field_by_name("request_id").expect("a field");
            assert_eq!(*id, Value::String("a".into()));
        }
        assert!(parse(b" \n", &input()).is_ok());
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_the_place() {
        for (json, wanted) in [
            (r#"{"spec": {"nmae": "web"}}"#, "'nmae'"),
            (r#"{"requestId": 7}"#, "line 1 column"),
            (r#"{"spec": "#, "EOF"),
            ("{} {}", "trailing characters"),
            ("[]", "line 1 column"),
        ] {
            let text = refusal(json);
            assert!(text.contains(wanted), "{json}: {text}");
        }
    }
}
