// SPDX-License-Identifier: Apache-2.0
//! What agents and managers say to each other, and what an agent remembers of it.
//!
//! Reading checks that a message can be understood, not that its values keep the limits that
//! users are held to: those were checked when a user sent them.

mod assignments;
mod message;
mod remembered;
mod report;
#[cfg(test)]
mod tests;

use std::fmt;

use skep_core::model::NodeDescription;
use skep_proto::internal::v1 as internal;

use crate::stored::{Corrupt, description_message, read_description};

pub use assignments::{assignments_message, read_assignments};
pub use message::{agent_message, manager_message, read_agent_message, read_manager_message};
pub use remembered::{
    AgentMemory, REMEMBERED_FORMAT, decode_held, decode_memory, encode_held, encode_memory,
};
pub use report::{read_report, report_message};

/// A message that cannot be understood: a fault of the other end, or one from the future.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadMessage(String);

impl BadMessage {
    fn new(what: impl Into<String>) -> BadMessage {
        BadMessage(what.into())
    }
}

impl fmt::Display for BadMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a message cannot be understood: {}", self.0)
    }
}

impl std::error::Error for BadMessage {}

impl From<Corrupt> for BadMessage {
    fn from(what: Corrupt) -> BadMessage {
        BadMessage(what.what().to_owned())
    }
}

impl From<prost::DecodeError> for BadMessage {
    fn from(error: prost::DecodeError) -> BadMessage {
        BadMessage(error.to_string())
    }
}

/// What an agent says of its node.
#[must_use]
pub fn node_message(description: &NodeDescription) -> internal::NodeReport {
    internal::NodeReport {
        status: Some(description_message(description)),
    }
}

/// Reads what an agent says of its node.
///
/// # Errors
/// If it says nothing, or its address is none.
pub fn read_node(message: Option<internal::NodeReport>) -> Result<NodeDescription, BadMessage> {
    let status = message.and_then(|message| message.status);
    let status = status.ok_or_else(|| BadMessage::new("what the node is, is missing"))?;
    Ok(read_description(&status)?)
}
