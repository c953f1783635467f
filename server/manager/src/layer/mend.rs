// SPDX-License-Identifier: Apache-2.0
//! Errors that the gRPC library makes by itself, told in our words.

use http::{HeaderMap, Response};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::error::{DOMAIN, Failure, code_of, reason_name};
use skep_proto::v1::ErrorReason;

use super::Until;
use super::body::Guarded;

/// Most bytes of a request.
pub const REQUEST_BYTES_MAX: usize = 4 << 20;

/// The same response, in which every error has an ErrorInfo, now or at its end.
pub(super) fn response(response: Response<Body>, path: &str, until: Until) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    if headers(&mut parts.headers, path, At::Head) {
        return Response::from_parts(parts, Body::empty());
    }
    let deadline = match until {
        Until::Stream(deadline) => deadline,
        Until::Unary(_) | Until::Wait(_) => None,
    };
    let body = Body::new(Guarded::new(body, path.to_owned(), deadline));
    Response::from_parts(parts, body)
}

/// Where a status stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum At {
    /// In the place of an answer.
    Head,
    /// After an answer, or a part of one.
    End,
}

/// Mends the status in headers or trailers; whether it is an error.
pub(super) fn headers(headers: &mut HeaderMap, path: &str, at: At) -> bool {
    let Some(status) = Status::from_header_map(headers) else {
        return false;
    };
    if status.code() == Code::Ok {
        return false;
    }
    if status.get_details_error_info().is_none() {
        write(&explained(&status, path, at), headers);
    }
    true
}

/// Replaces the status in headers or trailers.
pub(super) fn write(status: &Status, headers: &mut HeaderMap) {
    for name in [
        Status::GRPC_STATUS,
        Status::GRPC_MESSAGE,
        Status::GRPC_STATUS_DETAILS,
    ] {
        headers.remove(name);
    }
    if status.add_header(headers).is_err() {
        headers.insert(Status::GRPC_STATUS, http::HeaderValue::from_static("13"));
    }
}

/// What a status without ErrorInfo means.
fn explained(status: &Status, path: &str, at: At) -> Status {
    let text = status.message();
    match status.code() {
        // So the library calls a message that is too large; our clients would take the code
        // for "begin the watch again".
        Code::OutOfRange | Code::ResourceExhausted => Status::from(Failure::too_large()),
        // And so a request that it cannot read: nothing of ours has seen it.
        Code::Internal if at == At::Head => Status::from(Failure::Unreadable(text.to_owned())),
        Code::InvalidArgument => Status::from(Failure::Unreadable(text.to_owned())),
        Code::Unimplemented => Status::from(Failure::NotEnabled {
            feature: match text {
                "" => format!("method {}", path.trim_start_matches('/')),
                text => text.to_owned(),
            },
        }),
        Code::NotFound => not_found(text, path),
        Code::Cancelled | Code::DeadlineExceeded => Status::from(Failure::DeadlineExceeded),
        Code::Unavailable => Status::from(Failure::NotReady(text.to_owned())),
        code => Status::from(Failure::internal(&format!("{path}: {code:?}: {text}"))),
    }
}

/// What health and reflection say of names that they do not know.
fn not_found(text: &str, path: &str) -> Status {
    let kind = if path.starts_with("/grpc.health.") {
        "health service"
    } else {
        "symbol"
    };
    let name = text.split('\'').nth(1).unwrap_or_default();
    let reason = ErrorReason::ObjectNotFound;
    let metadata = [
        ("kind".to_owned(), kind.to_owned()),
        ("name".to_owned(), name.to_owned()),
    ];
    let mut details = ErrorDetails::with_error_info(reason_name(reason), DOMAIN, metadata);
    details.set_resource_info(kind, name, "", text);
    Status::with_error_details(code_of(reason), text, details)
}
