// SPDX-License-Identifier: Apache-2.0
//! Errors in JSON: what every SDK's error holds, under the same names.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use skep_manager::error::Failure;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::answer::JSON;
use crate::kind::Strange;

/// How to call, for those who did it otherwise.
const HOW: &str = "POST JSON to /skep.v1.ServiceService/ListServices and the like, with \
     \"content-type: application/json\"";

/// An error as it is told.
#[derive(Debug, Serialize)]
struct Told<'a> {
    /// The canonical code of gRPC.
    code: &'static str,
    /// The reason, out of the contract's `ErrorReason`, less its prefix.
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    message: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<Violation>,
}

/// One field that breaks its rules.
#[derive(Debug, Serialize)]
struct Violation {
    field: String,
    description: String,
}

/// The line that ends a stream.
#[derive(Debug, Serialize)]
struct Last<'a> {
    error: Told<'a>,
}

impl<'a> Told<'a> {
    fn of(status: &'a Status) -> Told<'a> {
        let info = status.get_details_error_info();
        let (reason, metadata) = info.map(|it| (it.reason, it.metadata)).unwrap_or_default();
        let bad = status.get_details_bad_request();
        let violations = bad.map(|it| it.field_violations).unwrap_or_default();
        let violations = violations.into_iter().map(|it| Violation {
            field: it.field,
            description: it.description,
        });
        Told {
            code: meaning(status.code()).0,
            reason,
            message: status.message(),
            metadata: metadata.into_iter().collect(),
            violations: violations.collect(),
        }
    }
}

/// An error in the place of an answer.
pub(crate) fn response(status: &Status) -> Response<Body> {
    respond(meaning(status.code()).1, &Told::of(status))
}

/// An error after a part of an answer.
pub(crate) fn last_line(status: &Status) -> Bytes {
    let error = Told::of(status);
    json(&Last { error })
}

/// There is no such method.
pub(crate) fn unknown_method(path: &str) -> Response<Body> {
    let feature = format!("method {}", path.trim_start_matches('/'));
    let status = Status::from(Failure::NotEnabled { feature });
    respond(StatusCode::NOT_FOUND, &Told::of(&status))
}

/// A request that is in no language of ours.
pub(crate) fn strange(why: Strange) -> Response<Body> {
    let (status, what) = match why {
        Strange::Version => (
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            "gRPC needs HTTP/2 all the way",
        ),
        Strange::Method => (StatusCode::METHOD_NOT_ALLOWED, "the method has to be POST"),
        Strange::ContentType => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body has to be JSON, gRPC or gRPC-Web, and to say so",
        ),
        Strange::ContentEncoding => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "JSON is not taken compressed",
        ),
    };
    let failure = Status::from(Failure::Unreadable(format!("{what}: {HOW}")));
    let mut response = respond(status, &Told::of(&failure));
    if why == Strange::Method {
        let post = HeaderValue::from_static("POST");
        response.headers_mut().insert(ALLOW, post);
    }
    response
}

fn respond(status: StatusCode, told: &Told<'_>) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(json(told))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

fn json(value: &impl Serialize) -> Bytes {
    let mut text = serde_json::to_vec(value).expect("texts in a struct are always JSON");
    text.push(b'\n');
    text.into()
}

/// What a code is called, and its status in HTTP: the pairs that `google/rpc/code.proto` names.
fn meaning(code: Code) -> (&'static str, StatusCode) {
    let (name, status) = match code {
        Code::Ok => ("OK", 200),
        Code::Cancelled => ("CANCELLED", 499),
        Code::Unknown => ("UNKNOWN", 500),
        Code::InvalidArgument => ("INVALID_ARGUMENT", 400),
        Code::DeadlineExceeded => ("DEADLINE_EXCEEDED", 504),
        Code::NotFound => ("NOT_FOUND", 404),
        Code::AlreadyExists => ("ALREADY_EXISTS", 409),
        Code::PermissionDenied => ("PERMISSION_DENIED", 403),
        Code::ResourceExhausted => ("RESOURCE_EXHAUSTED", 429),
        Code::FailedPrecondition => ("FAILED_PRECONDITION", 400),
        Code::Aborted => ("ABORTED", 409),
        Code::OutOfRange => ("OUT_OF_RANGE", 400),
        Code::Unimplemented => ("UNIMPLEMENTED", 501),
        Code::Internal => ("INTERNAL", 500),
        Code::Unavailable => ("UNAVAILABLE", 503),
        Code::DataLoss => ("DATA_LOSS", 500),
        Code::Unauthenticated => ("UNAUTHENTICATED", 401),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (name, status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_name_and_status() {
        for number in 0..=16 {
            let (name, status) = meaning(Code::from(number));
            let known = if number == 0 { 200 } else { 400 };
            assert!(status.as_u16() >= known, "{name}");
            assert_eq!(status.is_success(), number == 0, "{name}");
        }
        assert_eq!(meaning(Code::Cancelled).1.as_u16(), 499);
    }

    #[test]
    fn an_error_holds_what_the_sdks_hold() {
        let status = Status::from(Failure::field("spec.name", "must not be empty"));
        let line = last_line(&status);
        let told: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
        assert_eq!(told["error"]["code"], "INVALID_ARGUMENT");
        assert_eq!(told["error"]["reason"], "INVALID_FIELD");
        assert_eq!(told["error"]["violations"][0]["field"], "spec.name");
        assert!(
            told["error"].get("metadata").is_none(),
            "nothing is left out"
        );
        assert!(line.ends_with(b"}\n"));
    }
}
