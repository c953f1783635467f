// SPDX-License-Identifier: Apache-2.0
//! The log as the Raft library wants it: entries in memory, and behind them the writing thread.

use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{OptionalSend, entry::RaftEntry as _};
use tokio::sync::oneshot;

use super::convert;
use super::types::{RaftEntry, RaftLogId, RaftVote, Types};
use crate::error::OpenError;
use crate::fs::Fs;
use crate::log::{LogId, LogWriter, OnPoison, Poison, Record, Tail, Wal, WalOptions};

/// What the library may ask for, without the disk.
#[derive(Debug, Default)]
struct Memory {
    entries: Tail<RaftEntry>,
    vote: Option<RaftVote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    last: Option<LogId>,
}

/// The log of one manager. Clones are the same log.
#[derive(Debug, Clone)]
pub(crate) struct LogStore {
    memory: Arc<Mutex<Memory>>,
    writer: Arc<LogWriter>,
}

impl LogStore {
    /// Opens the log in a directory and starts its thread.
    ///
    /// # Errors
    /// [`OpenError`].
    pub(crate) fn open(
        fs: &Arc<dyn Fs>,
        dir: &Path,
        options: WalOptions,
        on_poison: OnPoison,
    ) -> Result<Self, OpenError> {
        let (wal, found) = Wal::open(Arc::clone(fs), dir, options)?;
        let book = *wal.book();
        let mut entries = Tail::default();
        for (id, payload) in found.entries {
            let entry = convert::entry(id, payload).map_err(|what| OpenError::Unreadable {
                file: dir.to_path_buf(),
                what: format!("entry {}: {what}", id.index),
            })?;
            entries.push(id.index, entry);
        }
        let memory = Memory {
            entries,
            vote: book.vote.map(convert::raft_vote),
            committed: book.committed,
            purged: book.purged,
            last: book.last,
        };
        Ok(Self {
            memory: Arc::new(Mutex::new(memory)),
            writer: Arc::new(LogWriter::start(wal, Arc::clone(fs), on_poison)),
        })
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing was ever written to it.
    pub(crate) fn is_new(&self) -> bool {
        let memory = self.memory();
        memory.vote.is_none() && memory.last.is_none()
    }

    /// Up to which index entries are gone.
    pub(crate) fn purged(&self) -> Option<u64> {
        self.memory().purged.map(|id| id.index)
    }

    /// Why the log stopped; nothing: it goes on.
    pub(crate) fn poison(&self) -> Option<&Poison> {
        self.writer.poison()
    }

    /// Writes what is queued and ends the thread. Blocks.
    pub(crate) fn stop(&self) {
        self.writer.stop();
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<RaftEntry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        Ok(self.memory().entries.range(range).cloned().collect())
    }

    async fn read_vote(&mut self) -> Result<Option<RaftVote>, io::Error> {
        Ok(self.memory().vote)
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let memory = self.memory();
        Ok(LogState {
            last_purged_log_id: memory.purged.map(convert::raft_log_id),
            last_log_id: memory.last.map(convert::raft_log_id),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &RaftVote) -> Result<(), io::Error> {
        let (tell, told) = oneshot::channel();
        let done = Box::new(move |outcome| {
            // One who does not wait any more was stopped meanwhile.
            let _ = tell.send(outcome);
        });
        let record = Record::Vote(convert::vote(vote));
        self.writer.write(vec![record], Some(done));
        told.await.map_err(io::Error::other)??;
        self.memory().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<RaftLogId>) -> Result<(), io::Error> {
        let committed = committed.as_ref().map(convert::log_id);
        self.memory().committed = committed;
        self.writer.note_committed(committed);
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<RaftLogId>, io::Error> {
        Ok(self.memory().committed.map(convert::raft_log_id))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut records = Vec::new();
        {
            let mut memory = self.memory();
            for entry in entries {
                let id = convert::log_id(&entry.log_id);
                let gap = memory.last.filter(|last| id.index != last.index + 1);
                if let Some(last) = gap {
                    let words = format!("entry {} after entry {}", id.index, last.index);
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
                }
                records.push(convert::record(&entry));
                memory.entries.push(entry.index(), entry);
                memory.last = Some(id);
            }
        }
        let done = Box::new(move |outcome: Result<(), _>| {
            callback.io_completed(outcome.map_err(io::Error::from));
        });
        self.writer.write(records, Some(done));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<RaftLogId>) -> Result<(), io::Error> {
        let keep = last.as_ref().map(convert::log_id);
        {
            let mut memory = self.memory();
            let next = keep.map_or(0, |keep| keep.index + 1);
            if memory.last.is_some_and(|last| last.index >= next) {
                memory.entries.truncate_from(next);
                memory.last = keep;
            }
        }
        self.writer.write(vec![Record::Truncate(keep)], None);
        Ok(())
    }

    async fn purge(&mut self, upto: RaftLogId) -> Result<(), io::Error> {
        let upto = convert::log_id(&upto);
        {
            let mut memory = self.memory();
            memory.entries.purge(upto.index);
            memory.purged = memory.purged.max(Some(upto));
            if memory.last.is_none_or(|last| last.index < upto.index) {
                memory.last = Some(upto);
            }
        }
        self.writer.write(vec![Record::Purge(upto)], None);
        Ok(())
    }
}
