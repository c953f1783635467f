// SPDX-License-Identifier: Apache-2.0
//! What a node was given, as it remembers it on disk: one step that says it whole.

use prost::Message;
use skep_core::assign::{Assignment, Assignments, Held};
use skep_core::model::Revision;

use super::{BadMessage, assignments_message, read_assignments};

/// The format that [`encode_held`] writes, and the newest that [`decode_held`] reads. The file
/// around it says which one it holds.
pub const REMEMBERED_FORMAT: u32 = 1;

/// Everything a node was given, as bytes.
#[must_use]
pub fn encode_held(held: &Held) -> Vec<u8> {
    let templates = held.templates.values().cloned().map(Assignment::Template);
    let tasks = held.tasks.values().cloned().map(Assignment::Task);
    let endpoints = held.endpoints.values().cloned().map(Assignment::Endpoints);
    let whole = Assignments {
        revision: held.revision,
        reset: true,
        put: templates.chain(tasks).chain(endpoints).collect(),
        remove: Vec::new(),
    };
    assignments_message(&whole).encode_to_vec()
}

/// Reads back what [`encode_held`] wrote.
///
/// # Errors
/// If the bytes are something else.
pub fn decode_held(bytes: &[u8]) -> Result<Held, BadMessage> {
    let message = skep_proto::internal::v1::Assignments::decode(bytes)
        .map_err(|error| BadMessage::new(error.to_string()))?;
    let mut held = Held::default();
    let whole = read_assignments(message)?;
    if whole.revision == Revision(0) && !whole.put.is_empty() {
        return Err(BadMessage::new("a part of what was remembered is missing"));
    }
    held.apply(whole)
        .expect("nothing is older than what holds nothing");
    Ok(held)
}
