// SPDX-License-Identifier: Apache-2.0
//! The state machine: entries in, states out, and a snapshot now and then.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{Stream, StreamExt};
use openraft::storage::{
    ApplyResponder, EntryResponder, RaftSnapshotBuilder, RaftStateMachine, Snapshot,
};
use openraft::{EntryPayload, OptionalSend};
use skep_core::model::Revision;
use skep_core::state::{State, Step};
use tokio::sync::mpsc;

use super::types::{Answer, RaftEntry, RaftLogId, SnapshotMeta, StoredMembership, Types};
use crate::error::OpenError;
use crate::snapshot::{Content, SnapshotFile, Snapshots};
use crate::view::Published;

type RaftSnapshot = openraft::alias::SnapshotOf<Types, SnapshotFile>;

/// So many entries are applied before those who wait for the first of them are told.
const BATCH_ENTRIES_MAX: usize = 1_000;

/// After so many bytes of entries a snapshot is due, however few entries they are.
const SNAPSHOT_BYTES: usize = 64 << 20;

/// A snapshot of up to this length costs nothing worth sparing.
const SNAPSHOT_BYTES_SMALL: u64 = 1 << 20;

/// After so many entries a snapshot is due in a swarm that has no spec yet.
const SNAPSHOT_ENTRIES: u32 = 10_000;

/// What Raft applies entries to.
#[derive(Debug)]
pub(crate) struct Machine {
    state: State,
    applied: Option<RaftLogId>,
    members: StoredMembership,
    published: Arc<Published>,
    snapshots: Arc<Snapshots>,
    /// Takes what a snapshot is to be written of.
    due: mpsc::Sender<Content>,
    /// Set once such a snapshot is written, for the library to take it as it is.
    ready: Arc<AtomicBool>,
    entries_since: u32,
    bytes_since: usize,
    /// Empty between two calls; kept for the room it has.
    batch: Batch,
}

/// What applying entries left to be published, and who waits for that.
#[derive(Default)]
struct Batch {
    steps: Vec<Step>,
    waiting: Vec<(ApplyResponder<Types>, Answer)>,
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (steps, waiting) = (self.steps.len(), self.waiting.len());
        write!(f, "{steps} steps for {waiting} who wait")
    }
}

impl Machine {
    /// A machine that continues from a snapshot, or begins with nothing.
    pub(crate) fn new(
        content: Option<Content>,
        snapshots: Arc<Snapshots>,
        due: mpsc::Sender<Content>,
        ready: Arc<AtomicBool>,
    ) -> Self {
        let (meta, state, history) = match content {
            Some(content) => (content.meta, content.state, content.history),
            None => Default::default(),
        };
        Self {
            state: state.clone(),
            applied: meta.last_log_id,
            members: meta.last_membership,
            published: Arc::new(Published::new(state, history)),
            snapshots,
            due,
            ready,
            entries_since: 0,
            bytes_since: 0,
            batch: Batch::default(),
        }
    }

    /// Where it publishes.
    pub(crate) fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published)
    }

    fn take(&mut self, entry: RaftEntry) -> Answer {
        let revision = Revision(entry.log_id.index);
        self.applied = Some(entry.log_id);
        self.entries_since += 1;
        let refusal = match entry.payload {
            EntryPayload::Normal(command) => {
                self.bytes_since += command.payload.len();
                let applied = self.state.apply(revision, &command.change);
                self.batch.steps.push(applied.step);
                applied.refusal
            }
            EntryPayload::Blank => {
                self.skip(revision);
                None
            }
            EntryPayload::Membership(members) => {
                self.members = StoredMembership::new(self.applied, members);
                self.skip(revision);
                None
            }
        };
        Answer { refusal }
    }

    fn skip(&mut self, revision: Revision) {
        self.state.skip(revision);
        self.batch.steps.push(Step {
            revision,
            time: self.state.time(),
            events: Arc::new([]),
        });
    }

    /// Publishes what was applied, and only then answers: who was told sees what was told. The
    /// news for everybody else comes after the answers, which somebody waits for.
    fn publish(&mut self) {
        if self.batch.steps.is_empty() {
            return;
        }
        self.published.show(&self.state, self.batch.steps.drain(..));
        for (responder, answer) in self.batch.waiting.drain(..) {
            responder.send(answer);
        }
        self.published.announce();
    }

    /// Hands what it has to the one who writes snapshots, if it is time.
    fn consider_snapshot(&mut self) {
        let swarm = self.state.swarm();
        let interval = swarm.map_or(SNAPSHOT_ENTRIES, |swarm| swarm.spec.snapshot_interval());
        let written = self.snapshots.bytes();
        if !is_due(interval, self.entries_since, self.bytes_since, written) {
            return;
        }
        // While one is being written, the next is not due.
        if let Ok(permit) = self.due.try_reserve() {
            permit.send(self.content());
            self.entries_since = 0;
            self.bytes_since = 0;
        }
    }

    fn meta(&self) -> SnapshotMeta {
        SnapshotMeta {
            last_log_id: self.applied,
            last_membership: self.members.clone(),
        }
    }

    fn content(&self) -> Content {
        Content {
            meta: self.meta(),
            state: self.state.clone(),
            history: self.published.moment().history.clone(),
        }
    }
}

/// Whether a snapshot is due, so many entries and bytes of them after one of `written` bytes.
///
/// A large one is written again only once the log has grown by as much: however large the state
/// becomes, snapshots write no more than the log does.
fn is_due(interval: u32, entries: u32, bytes: usize, written: u64) -> bool {
    let grown = written <= SNAPSHOT_BYTES_SMALL || bytes as u64 >= written;
    grown && (entries >= interval || bytes >= SNAPSHOT_BYTES)
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.published.end();
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<RaftLogId>, StoredMembership), io::Error> {
        Ok((self.applied, self.members.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            let answer = self.take(entry);
            if let Some(responder) = responder {
                self.batch.waiting.push((responder, answer));
            }
            if self.batch.steps.len() >= BATCH_ENTRIES_MAX {
                self.publish();
            }
        }
        self.publish();
        self.consider_snapshot();
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<Builder> {
        Some(self.get_snapshot_builder().await)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        let snapshots = Arc::clone(&self.snapshots);
        let ready = self.ready.swap(false, Ordering::AcqRel);
        let content = if ready { None } else { Some(self.content()) };
        Builder { snapshots, content }
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMeta,
        file: SnapshotFile,
    ) -> Result<(), io::Error> {
        let snapshots = Arc::clone(&self.snapshots);
        let content = blocking(move || snapshots.adopt(&file)).await?;
        self.state = content.state;
        self.applied = content.meta.last_log_id;
        self.members = content.meta.last_membership;
        self.entries_since = 0;
        self.bytes_since = 0;
        self.published.replace(&self.state, content.history);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<RaftSnapshot>, io::Error> {
        let current = self.snapshots.current();
        Ok(current.map(|(meta, snapshot)| Snapshot { meta, snapshot }))
    }
}

/// Gives the library a snapshot: the one just written, or a new one.
#[derive(Debug)]
pub(crate) struct Builder {
    snapshots: Arc<Snapshots>,
    /// What to write; nothing: the current one will do.
    content: Option<Content>,
}

impl RaftSnapshotBuilder<Types> for Builder {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> Result<RaftSnapshot, io::Error> {
        if let Some(content) = self.content.take() {
            let snapshots = Arc::clone(&self.snapshots);
            blocking(move || snapshots.write(&content)).await?;
        }
        let (meta, snapshot) = self
            .snapshots
            .current()
            .ok_or_else(|| io::Error::other("there is no snapshot"))?;
        Ok(Snapshot { meta, snapshot })
    }
}

/// Runs what waits for the disk on a thread that may wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, io::Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other)?.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_due_by_entries_or_bytes_and_a_large_one_when_it_has_paid() {
        let small = SNAPSHOT_BYTES_SMALL;
        for (entries, bytes, written, due) in [
            (99, 50_000, 0, false),
            (100, 50_000, 0, true),
            (1, SNAPSHOT_BYTES, 0, true),
            (100, 50_000, small, true),
            (100, 50_000, small + 1, false),
            (100, 1 << 20, small + 1, false),
            (100, (1 << 20) + 1, small + 1, true),
            (99, 2 << 20, small + 1, false),
            (1, SNAPSHOT_BYTES, 65 << 20, false),
            (1, 65 << 20, 65 << 20, true),
        ] {
            assert_eq!(
                is_due(100, entries, bytes, written),
                due,
                "{entries} entries of {bytes} bytes after one of {written}"
            );
        }
    }
}
