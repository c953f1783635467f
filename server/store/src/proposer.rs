// SPDX-License-Identifier: Apache-2.0
//! The way into the log: a change is proposed, and answered once it is durable and applied.

use std::sync::Arc;
use std::time::Duration;

use openraft::errors::{
    ClientWriteError, ForwardReason, ForwardToLeader, LinearizableReadError, RaftError,
};
use openraft::raft::ReadPolicy;
use skep_core::model::Revision;
use skep_core::state::{CHANGE_WRITES_MAX, Change, Refusal};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::ENTRY_BYTES_MAX;
use crate::health::Failure;
use crate::raft::convert;
use crate::raft::log_store::LogStore;
use crate::raft::types::{Member, Raft, RaftId, Types};

/// How long a call waits for a leader that is about to be there.
const LEADER_WAIT_MAX: Duration = Duration::from_secs(2);

/// Between two looks for one.
const LEADER_LOOK: Duration = Duration::from_millis(5);

/// So many KiB of changes may be on their way; what is more waits its turn.
const IN_FLIGHT_KIB_MAX: u32 = 64 << 10;

/// Proposes changes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Proposer {
    raft: Raft,
    log: LogStore,
    in_flight: Arc<Semaphore>,
}

/// A change that is in the log for good, and applied here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The revision it has.
    pub revision: Revision,
    /// Whether it was written; if not, why. A refusal is a normal outcome: who proposed it looks
    /// again and decides again.
    pub outcome: Result<(), Refusal>,
}

/// Why a change has no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// It does not fit into an entry; it was not proposed.
    #[error(
        "a change of {writes} writes and {bytes} bytes does not fit into one entry of the log: \
         at most {CHANGE_WRITES_MAX} writes and {ENTRY_BYTES_MAX} bytes"
    )]
    TooLarge {
        /// Its writes.
        writes: usize,
        /// Its bytes, as encoded.
        bytes: usize,
    },
    /// It was proposed, and then the leadership changed: it may be committed or not. Proposing
    /// it again is right if it has a request id.
    #[error("the leader changed meanwhile: the change may be written or not")]
    Unknown,
    /// It was not proposed, or the log stopped while it was on its way.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why the store does not serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Another manager leads: ask that one.
    #[error("manager {raft_id} at {} leads", .member.address)]
    NotLeader {
        /// The leader.
        raft_id: RaftId,
        /// Its node and address.
        member: Member,
    },
    /// Nobody leads at the moment, or the leader has lost the others.
    #[error("no manager leads at the moment")]
    NoLeader,
    /// The store stopped; a change that was on its way may be written or not.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl Proposer {
    pub(crate) fn new(raft: Raft, log: LogStore) -> Self {
        let in_flight = Arc::new(Semaphore::new(IN_FLIGHT_KIB_MAX as usize));
        Self {
            raft,
            log,
            in_flight,
        }
    }

    /// Puts a change into the log, and answers when it is on disk and applied here. Changes
    /// that are proposed at the same time share one write and one sync.
    ///
    /// # Errors
    /// [`ProposeError`]. A change that was refused when it was applied is no error, see
    /// [`Committed`].
    pub async fn propose(&self, change: Change) -> Result<Committed, ProposeError> {
        self.still_writes()?;
        let writes = change.writes.len();
        let command = convert::command(change);
        let bytes = command.payload.len();
        if writes > CHANGE_WRITES_MAX || bytes > ENTRY_BYTES_MAX {
            return Err(ProposeError::TooLarge { writes, bytes });
        }
        let _turn = self.turn(bytes).await?;
        let deadline = Instant::now() + LEADER_WAIT_MAX;
        loop {
            let forward = match self.raft.client_write(command.clone()).await {
                Ok(written) => {
                    return Ok(Committed {
                        revision: Revision(written.log_id.index),
                        outcome: written.data.refusal.map_or(Ok(()), Err),
                    });
                }
                Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => forward,
                Err(RaftError::APIError(ClientWriteError::LogEntryDiscarded(_))) => {
                    return Err(ProposeError::Unknown);
                }
                Err(error) => return Err(self.failed(&error).into()),
            };
            elsewhere(forward, deadline).await?;
        }
    }

    async fn turn(&self, bytes: usize) -> Result<SemaphorePermit<'_>, Unavailable> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(IN_FLIGHT_KIB_MAX);
        let turn = self.in_flight.acquire_many(kib).await;
        turn.map_err(|closed| self.failed(&closed))
    }

    /// Makes sure that this manager leads, and says how far a state must be to show everything
    /// that was acknowledged before this call. The view here is that far already.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn read_index(&self) -> Result<Revision, Unavailable> {
        self.still_writes()?;
        let deadline = Instant::now() + LEADER_WAIT_MAX;
        loop {
            let forward = match self.raft.ensure_linearizable(ReadPolicy::ReadIndex).await {
                Ok(read) => return Ok(Revision(read.log_id().index)),
                Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(f))) => f,
                Err(RaftError::APIError(_)) => return Err(Unavailable::NoLeader),
                Err(error) => return Err(self.failed(&error)),
            };
            elsewhere(forward, deadline).await?;
        }
    }

    /// Refuses at once when the log has stopped: the library would only note each call as an
    /// error of its own.
    fn still_writes(&self) -> Result<(), Unavailable> {
        match self.log.poison() {
            Some(poison) => Err(Unavailable::Failed(Failure::Storage(poison.clone()))),
            None => Ok(()),
        }
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> Unavailable {
        let failure = match self.log.poison() {
            Some(poison) => Failure::Storage(poison.clone()),
            None => Failure::Raft(error.to_string()),
        };
        Unavailable::Failed(failure)
    }
}

/// Waits a little if this manager is about to lead; otherwise says where the leader is.
///
/// A leader that has just begun, or that hands over, refuses calls for a moment without being
/// the wrong one to ask.
async fn elsewhere(forward: ForwardToLeader<Types>, deadline: Instant) -> Result<(), Unavailable> {
    if let (ForwardReason::NotLeader, Some(raft_id), Some(member)) =
        (forward.reason, forward.leader_id, forward.leader_node)
    {
        return Err(Unavailable::NotLeader { raft_id, member });
    }
    if Instant::now() >= deadline {
        return Err(Unavailable::NoLeader);
    }
    tokio::time::sleep(LEADER_LOOK).await;
    Ok(())
}
