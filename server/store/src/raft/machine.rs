// SPDX-License-Identifier: Apache-2.0
//! The state machine: entries in, states out, and a snapshot now and then.

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
}

/// What applying entries left to be published, and who waits for that.
#[derive(Default)]
struct Batch {
    steps: Vec<Step>,
    waiting: Vec<(ApplyResponder<Types>, Answer)>,
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
        }
    }

    /// Where it publishes.
    pub(crate) fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published)
    }

    fn take(&mut self, entry: RaftEntry, steps: &mut Vec<Step>) -> Answer {
        let revision = Revision(entry.log_id.index);
        self.applied = Some(entry.log_id);
        self.entries_since += 1;
        let refusal = match entry.payload {
            EntryPayload::Normal(command) => {
                self.bytes_since += command.payload.len();
                let applied = self.state.apply(revision, &command.change);
                steps.push(applied.step);
                applied.refusal
            }
            EntryPayload::Blank => {
                steps.push(self.skip(revision));
                None
            }
            EntryPayload::Membership(members) => {
                self.members = StoredMembership::new(self.applied, members);
                steps.push(self.skip(revision));
                None
            }
        };
        Answer { refusal }
    }

    fn skip(&mut self, revision: Revision) -> Step {
        self.state.skip(revision);
        Step {
            revision,
            time: self.state.time(),
            events: Arc::new([]),
        }
    }

    /// Publishes what was applied, and only then answers: who was told sees what was told.
    fn publish(&self, batch: &mut Batch) {
        if batch.steps.is_empty() {
            return;
        }
        self.published
            .publish(&self.state, std::mem::take(&mut batch.steps));
        for (responder, answer) in batch.waiting.drain(..) {
            responder.send(answer);
        }
    }

    /// Hands what it has to the one who writes snapshots, if it is time.
    fn consider_snapshot(&mut self) {
        let swarm = self.state.swarm();
        let interval = swarm.map_or(SNAPSHOT_ENTRIES, |swarm| swarm.spec.snapshot_interval());
        if self.entries_since < interval && self.bytes_since < SNAPSHOT_BYTES {
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
        let mut batch = Batch::default();
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            let answer = self.take(entry, &mut batch.steps);
            if let Some(responder) = responder {
                batch.waiting.push((responder, answer));
            }
            if batch.steps.len() >= BATCH_ENTRIES_MAX {
                self.publish(&mut batch);
            }
        }
        self.publish(&mut batch);
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
