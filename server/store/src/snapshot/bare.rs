// SPDX-License-Identifier: Apache-2.0
//! Snapshots without Raft around them, for who drives the log by hand.

use std::path::Path;
use std::sync::Arc;

use skep_core::state::{History, State};

use super::{Content, Snapshots};
use crate::error::OpenError;
use crate::fs::Fs;
use crate::log::LogId;
use crate::raft::convert;
use crate::raft::types::{SnapshotMeta, StoredMembership};

/// What a snapshot says, and which entry of the log is the last in it.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The last entry.
    pub last: LogId,
    /// The state after it.
    pub state: State,
    /// The steps that watches may still ask for.
    pub history: History,
}

/// The snapshots of one directory: the files of a [`crate::Store`], written and read by the same
/// code, without members. The simulation of whole swarms keeps its snapshots here.
#[derive(Debug)]
pub struct BareSnapshots(Snapshots);

impl BareSnapshots {
    /// Finds the newest snapshot in a directory and reads it. What a crash left unfinished is
    /// removed.
    ///
    /// # Errors
    /// [`OpenError`], with file, offset and cure.
    pub fn open(fs: &Arc<dyn Fs>, dir: &Path) -> Result<(Self, Option<Kept>), OpenError> {
        let (snapshots, content) = Snapshots::open(fs, dir)?;
        let kept = content.map(|content| Kept {
            last: content
                .meta
                .last_log_id
                .as_ref()
                .map(convert::log_id)
                .unwrap_or_default(),
            state: content.state,
            history: content.history,
        });
        Ok((Self(snapshots), kept))
    }

    /// Writes a snapshot and makes it the current one.
    ///
    /// # Errors
    /// [`OpenError::Io`]; the one before it is still there then.
    pub fn write(&self, kept: &Kept) -> Result<(), OpenError> {
        let content = Content {
            meta: SnapshotMeta {
                last_log_id: Some(convert::raft_log_id(kept.last)),
                last_membership: StoredMembership::default(),
            },
            state: kept.state.clone(),
            history: kept.history.clone(),
        };
        self.0.write(&content).map(|_| ())
    }
}
