// SPDX-License-Identifier: Apache-2.0
//! What stands in for Raft: one voter and no threads, over the real log, the real snapshots and
//! the real form of what is stored.
//!
//! Propose, sync, commit, apply. A crash loses what was not synced; what is found after it is
//! committed, in a new term.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use skep_core::model::Revision;
use skep_core::state::{Applied, Change, History, HistoryLimits, State, Step};
use skep_store::fs::{Fs, SimFs};
use skep_store::log::{LogId, Record, Vote, Wal, WalOptions};
use skep_store::{BareSnapshots, DataDir, DataDirError, Kept, OpenError};
use skep_wire::stored::{decode_change, encode_change};

use super::manager::Waiter;

/// Small segments, so that a short life changes them often.
const SEGMENTS: WalOptions = WalOptions {
    segment_bytes_first: 16 << 10,
    segment_bytes_max: 64 << 10,
};

/// Why the store does not go on.
pub(crate) enum Stop {
    /// The disk failed, as planned: the daemon ends, or the power is gone.
    Disk(String),
    /// What was on the disk cannot be used, which no planned fault explains.
    Unusable(String),
}

/// An entry that was found at the start.
pub(crate) struct Found {
    pub(crate) revision: Revision,
    /// Nothing: the first entry of a leader.
    pub(crate) change: Option<Change>,
}

/// A change on its way into the log.
pub(crate) struct Proposal {
    pub(crate) revision: Revision,
    pub(crate) change: Change,
    pub(crate) waiter: Waiter,
}

/// The log of a manager that leads, and what it comes to.
pub(crate) struct Consensus {
    fs: SimFs,
    _dir: DataDir,
    wal: Wal,
    snapshots: BareSnapshots,
    term: u64,
    last: LogId,
    /// The entries that the log has.
    ids: BTreeMap<u64, LogId>,
    pub(crate) state: State,
    pub(crate) history: History,
    proposals: VecDeque<Proposal>,
    /// How many of the proposals are being synced.
    syncing: usize,
    entries_since: u32,
}

impl Consensus {
    /// Starts on a disk: reads the snapshot and what the log has beyond it, and begins a term.
    pub(crate) fn open(disk: &SimFs) -> Result<(Consensus, Vec<Found>), Stop> {
        let fs: Arc<dyn Fs> = Arc::new(disk.clone());
        let path = Path::new("/data");
        let dir = DataDir::open(disk, path).map_err(|error| match error {
            DataDirError::Io { .. } => Stop::Disk(error.to_string()),
            _ => Stop::Unusable(error.to_string()),
        })?;
        let (snapshots, kept) =
            BareSnapshots::open(&fs, &path.join("snapshots")).map_err(opening)?;
        let (wal, found) = Wal::open(fs, &path.join("log"), SEGMENTS).map_err(opening)?;
        let (state, history, at) = match kept {
            Some(kept) => (kept.state, kept.history, Some(kept.last)),
            None => (State::default(), History::default(), None),
        };
        let mut consensus = Consensus {
            fs: disk.clone(),
            _dir: dir,
            term: wal.book().vote.map_or(1, |vote| vote.term + 1),
            last: wal.book().last.unwrap_or_default(),
            ids: at.into_iter().map(|id| (id.index, id)).collect(),
            wal,
            snapshots,
            state,
            history,
            proposals: VecDeque::new(),
            syncing: 0,
            entries_since: 0,
        };
        let mut tail = consensus
            .replay_all(found.entries)
            .map_err(Stop::Unusable)?;
        tail.push(consensus.begin_term()?);
        Ok((consensus, tail))
    }

    /// Applies what the log has beyond the snapshot.
    fn replay_all(&mut self, entries: VecDeque<(LogId, Bytes)>) -> Result<Vec<Found>, String> {
        let mut tail = Vec::new();
        for (id, payload) in entries {
            self.ids.insert(id.index, id);
            if id.index > self.state.revision().0 {
                tail.push(self.replay(id, &payload)?);
            }
        }
        let (has, last) = (self.state.revision(), self.last.index);
        if has.0 != last {
            return Err(format!("the state is at {has}, the log ends at {last}"));
        }
        Ok(tail)
    }

    fn replay(&mut self, id: LogId, payload: &Bytes) -> Result<Found, String> {
        let revision = Revision(id.index);
        let expected = self.state.revision().0 + 1;
        if id.index != expected {
            return Err(format!("entry {expected} is missing before {revision}"));
        }
        if payload.is_empty() {
            self.skip(revision);
            return Ok(Found {
                revision,
                change: None,
            });
        }
        let change = decode_change(payload).map_err(|error| error.to_string())?;
        let applied = self.state.apply(revision, &change);
        self.push(applied.step);
        let change = Some(change);
        Ok(Found { revision, change })
    }

    /// Votes for itself and writes the first entry of its term.
    fn begin_term(&mut self) -> Result<Found, Stop> {
        let vote = Record::Vote(Vote {
            term: self.term,
            node: 1,
            committed: true,
        });
        let id = self.next_id();
        let blank = Record::Entry {
            id,
            payload: Bytes::new(),
        };
        let pushed = self.wal.push(&vote).and_then(|()| self.wal.push(&blank));
        pushed.map_err(|error| Stop::Disk(error.to_string()))?;
        self.wal
            .sync()
            .map_err(|error| Stop::Disk(error.to_string()))?;
        self.last = id;
        self.ids.insert(id.index, id);
        let revision = Revision(id.index);
        self.skip(revision);
        Ok(Found {
            revision,
            change: None,
        })
    }

    fn skip(&mut self, revision: Revision) {
        self.state.skip(revision);
        self.push(Step {
            revision,
            time: self.state.time(),
            events: Arc::new([]),
        });
    }

    fn push(&mut self, step: Step) {
        if let Some(swarm) = self.state.swarm() {
            self.history.set_limits(HistoryLimits {
                span: swarm.spec.watch_history(),
                ..HistoryLimits::default()
            });
        }
        self.history.push(step);
        self.entries_since += 1;
    }

    fn next_id(&self) -> LogId {
        LogId {
            term: self.term,
            node: 1,
            index: self.last.index + 1,
        }
    }

    /// Takes a change; it is durable after the next sync.
    pub(crate) fn propose(&mut self, change: Change, waiter: Waiter) -> Result<Revision, Stop> {
        let id = self.next_id();
        let payload = encode_change(&change).into();
        let record = Record::Entry { id, payload };
        let pushed = self.wal.push(&record);
        pushed.map_err(|error| Stop::Disk(error.to_string()))?;
        self.last = id;
        self.ids.insert(id.index, id);
        let revision = Revision(id.index);
        self.proposals.push_back(Proposal {
            revision,
            change,
            waiter,
        });
        Ok(revision)
    }

    /// Whether something waits to be synced, and nothing is.
    pub(crate) fn wants_sync(&self) -> bool {
        self.syncing == 0 && !self.proposals.is_empty()
    }

    /// Syncs what was proposed, and says how long that takes. It counts only after that time.
    pub(crate) fn sync(&mut self) -> Result<Duration, Stop> {
        let applied = self.state.revision().0;
        self.wal.note_committed(self.ids.get(&applied).copied());
        if let Some(request) = self.wal.wants_spare()
            && let Ok(spare) = request.make(&self.fs)
        {
            self.wal.give_spare(spare);
        }
        self.wal
            .sync()
            .map_err(|error| Stop::Disk(error.to_string()))?;
        self.syncing = self.proposals.len();
        Ok(self.fs.take_delay())
    }

    /// The next proposal that is durable and not applied yet.
    pub(crate) fn next_committed(&mut self) -> Option<Proposal> {
        self.syncing = self.syncing.checked_sub(1)?;
        self.proposals.pop_front()
    }

    /// Applies a change that is durable.
    pub(crate) fn apply(&mut self, revision: Revision, change: &Change) -> Applied {
        let applied = self.state.apply(revision, change);
        self.push(applied.step.clone());
        applied
    }

    /// What was proposed and is not known to be durable.
    pub(crate) fn into_proposals(self) -> impl Iterator<Item = Proposal> {
        self.proposals.into_iter()
    }

    /// Writes a snapshot and shortens the log, if it is time; says whether it did.
    pub(crate) fn consider_snapshot(&mut self, kept_entries: u64) -> Result<bool, Stop> {
        let interval = self
            .state
            .swarm()
            .map(|swarm| swarm.spec.snapshot_interval());
        if interval.is_none_or(|interval| self.entries_since < interval) {
            return Ok(false);
        }
        self.entries_since = 0;
        let revision = self.state.revision().0;
        let kept = Kept {
            last: self.ids[&revision],
            state: self.state.clone(),
            history: self.history.clone(),
        };
        // One that fails costs room and nothing more.
        if self.snapshots.write(&kept).is_err() {
            return Ok(false);
        }
        let purge = revision.saturating_sub(kept_entries);
        if let Some(id) = self.ids.get(&purge).copied() {
            let purged = self.wal.push(&Record::Purge(id));
            purged.map_err(|error| Stop::Disk(error.to_string()))?;
            self.ids = self.ids.split_off(&(purge + 1));
        }
        Ok(true)
    }
}

/// A start may fail because the disk does; anything else is damage that nobody planned.
fn opening(error: OpenError) -> Stop {
    match error {
        OpenError::Io { .. } => Stop::Disk(error.to_string()),
        _ => Stop::Unusable(error.to_string()),
    }
}
