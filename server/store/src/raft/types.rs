// SPDX-License-Identifier: Apache-2.0
//! The types that the Raft library is instantiated with.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use openraft::alias;
use skep_core::model::NodeId;
use skep_core::state::{Change, Refusal};

use super::machine::Machine;

openraft::declare_raft_types!(
    /// The types of our Raft.
    pub(crate) Types:
        D = Command,
        R = Answer,
        NodeId = RaftId,
        Node = Member,
);

/// The number of a manager in Raft: from 1, and never used again.
pub type RaftId = u64;

pub(crate) type Raft = openraft::Raft<Types, Machine>;
pub(crate) type RaftLogId = alias::LogIdOf<Types>;
pub(crate) type RaftVote = alias::VoteOf<Types>;
pub(crate) type RaftEntry = alias::EntryOf<Types>;
pub(crate) type RaftLeaderId = alias::LeaderIdOf<Types>;
pub(crate) type Membership = openraft::Membership<RaftId, Member>;
pub(crate) type StoredMembership = alias::StoredMembershipOf<Types>;
pub(crate) type SnapshotMeta = alias::SnapshotMetaOf<Types>;

/// A manager, as the others know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    /// Its node.
    pub node: NodeId,
    /// Where the other managers reach it, "host:port".
    pub address: String,
}

/// A change on its way: as it is, for applying it, and as it is stored.
#[derive(Clone)]
pub(crate) struct Command {
    pub(crate) change: Arc<Change>,
    /// The payload of its log entry.
    pub(crate) payload: Bytes,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (writes, bytes) = (self.change.writes.len(), self.payload.len());
        write!(f, "change of {writes} writes, {bytes} bytes")
    }
}

/// What became of a log entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Why nothing was written; nothing: all was.
    pub(crate) refusal: Option<Refusal>,
}
