// SPDX-License-Identifier: Apache-2.0
//! The form in the log and in snapshots.
//!
//! What was written once must be read for ever, also under limits that have become tighter, so
//! reading here checks that a message can be represented, not that a user could send it today.

mod change;
pub(crate) mod load;
mod object;
mod rollout;
mod snapshot;
#[cfg(test)]
mod tests;
pub(crate) mod write;

use std::fmt;

pub use change::{decode_change, encode_change};
pub(crate) use load::description as read_description;
pub(crate) use object::description as description_message;
pub use snapshot::{SNAPSHOT_FORMAT, SnapshotReader, snapshot_records};

/// Bytes that are not what was stored here: damage, or a format of the future.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Corrupt(String);

impl Corrupt {
    fn new(what: impl Into<String>) -> Corrupt {
        Corrupt(what.into())
    }

    /// What is wrong.
    pub(crate) fn what(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stored data cannot be read: {}", self.0)
    }
}

impl std::error::Error for Corrupt {}

impl From<prost::DecodeError> for Corrupt {
    fn from(error: prost::DecodeError) -> Corrupt {
        Corrupt::new(error.to_string())
    }
}
