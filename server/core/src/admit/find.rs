// SPDX-License-Identifier: Apache-2.0
//! The one object that a request is about.

use std::sync::Arc;

use crate::model::{Node, NodeId, ObjectId, Revision, Service, ServiceId, Task, TaskId};
use crate::state::{Found, State};

use super::{Kind, Rejection};

/// The node that a request calls so.
///
/// # Errors
/// If there is none, or the text fits several.
pub fn find_node(state: &State, text: &str) -> Result<Arc<Node>, Rejection> {
    one(state.find_node(text), Kind::Node, text, |id: NodeId| {
        ObjectId::Node(id)
    })
}

/// The service that a request calls so.
///
/// # Errors
/// If there is none, or the text fits several.
pub fn find_service(state: &State, text: &str) -> Result<Arc<Service>, Rejection> {
    one(
        state.find_service(text),
        Kind::Service,
        text,
        |id: ServiceId| ObjectId::Service(id),
    )
}

/// The task that a request calls so.
///
/// # Errors
/// If there is none, or the text fits several.
pub fn find_task(state: &State, text: &str) -> Result<Arc<Task>, Rejection> {
    one(state.find_task(text), Kind::Task, text, |id: TaskId| {
        ObjectId::Task(id)
    })
}

/// What was found; nothing if there is no such object and that is `allowed`.
///
/// # Errors
/// If there is none and that is not allowed, or the text fits several.
pub fn allow_missing<T>(
    found: Result<Arc<T>, Rejection>,
    allowed: bool,
) -> Result<Option<Arc<T>>, Rejection> {
    match found {
        Ok(object) => Ok(Some(object)),
        Err(Rejection::NotFound { .. }) if allowed => Ok(None),
        Err(rejection) => Err(rejection),
    }
}

fn one<T, I: Copy>(
    found: Found<T, I>,
    kind: Kind,
    text: &str,
    object: impl Fn(I) -> ObjectId,
) -> Result<Arc<T>, Rejection> {
    match found {
        Found::One(object) => Ok(object),
        Found::None => Err(Rejection::NotFound {
            kind,
            name: text.to_owned(),
        }),
        Found::Several(ids, count) => Err(Rejection::Ambiguous {
            kind,
            name: text.to_owned(),
            candidates: ids.into_iter().map(object).collect(),
            count,
        }),
    }
}

/// Whether the spec is still the one that the caller has seen; nothing: it does not matter.
pub(super) fn check_spec_revision(
    expected: Option<Revision>,
    present: Revision,
) -> Result<(), Rejection> {
    match expected {
        Some(expected) if expected != present => Err(Rejection::SpecRevisionMismatch { present }),
        _ => Ok(()),
    }
}
