// SPDX-License-Identifier: Apache-2.0
//! A cluster in memory, for tests: one writer, no disk, and faults on order.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use skep_core::model::Revision;
use skep_core::state::{Change, History, HistoryLimits, Write};
use skep_core::testing::World;
use skep_core::watch::Source;
use tokio::sync::watch;

use crate::cluster::{Cluster, ClusterError, Proposed};

/// A cluster in memory.
pub struct MemoryCluster {
    inner: Mutex<Inner>,
    applied: watch::Sender<Revision>,
    stopped: watch::Sender<bool>,
}

struct Inner {
    world: World,
    history: History,
    /// The leader knows of this revision, which has not arrived here.
    ahead: Revision,
    faults: Faults,
    last_change: Option<Change>,
}

#[derive(Default)]
struct Faults {
    leaderless: bool,
    stuck: bool,
    propose: VecDeque<ClusterError>,
    /// Applied just before the next proposals.
    overtaking: VecDeque<Change>,
}

impl MemoryCluster {
    /// With the state of this world, and a history that begins here.
    #[must_use]
    pub fn new(world: World) -> MemoryCluster {
        let revision = world.state.revision();
        let history = History::starting_after(revision, HistoryLimits::default());
        MemoryCluster {
            inner: Mutex::new(Inner {
                world,
                history,
                ahead: Revision(0),
                faults: Faults::default(),
                last_change: None,
            }),
            applied: watch::Sender::new(revision),
            stopped: watch::Sender::new(false),
        }
    }

    /// Writes as a loop of the leader would.
    pub fn write(&self, writes: impl IntoIterator<Item = Write>) -> Revision {
        let mut inner = self.lock();
        let change = Change {
            writes: writes.into_iter().collect(),
            time: inner.world.now,
            ..Change::default()
        };
        let proposed = inner.apply(change);
        assert_eq!(proposed.refusal, None, "a test writes what may be written");
        drop(inner);
        self.applied.send_replace(proposed.revision);
        proposed.revision
    }

    /// Forgets the history up to now.
    pub fn compact(&self) {
        let mut inner = self.lock();
        let revision = inner.world.state.revision();
        inner.history = History::starting_after(revision, HistoryLimits::default());
    }

    /// Without a leader there is no read index.
    pub fn set_leaderless(&self, leaderless: bool) {
        self.lock().faults.leaderless = leaderless;
    }

    /// Proposals are never answered.
    pub fn set_stuck(&self, stuck: bool) {
        self.lock().faults.stuck = stuck;
    }

    /// The next proposal fails so.
    pub fn fail_next(&self, error: ClusterError) {
        self.lock().faults.propose.push_back(error);
    }

    /// A change that somebody else makes just before the next proposal.
    pub fn overtake(&self, change: Change) {
        self.lock().faults.overtaking.push_back(change);
    }

    /// The store stops: nothing newer is ever applied.
    pub fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// The leader is this many revisions ahead of what this manager has.
    pub fn lag(&self, revisions: u64) {
        let mut inner = self.lock();
        inner.ahead = Revision(inner.world.state.revision().0 + revisions);
    }

    /// The last change that was proposed and written.
    #[must_use]
    pub fn last_change(&self) -> Option<Change> {
        self.lock().last_change.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn propose_now(&self, change: Change) -> Option<Result<Proposed, ClusterError>> {
        let mut inner = self.lock();
        if inner.faults.stuck {
            return None;
        }
        if let Some(error) = inner.faults.propose.pop_front() {
            return Some(Err(error));
        }
        if let Some(other) = inner.faults.overtaking.pop_front() {
            inner.apply(other);
        }
        let proposed = inner.apply(change.clone());
        if proposed.refusal.is_none() {
            inner.last_change = Some(change);
        }
        drop(inner);
        self.applied.send_replace(proposed.revision);
        Some(Ok(proposed))
    }
}

impl Inner {
    fn apply(&mut self, change: Change) -> Proposed {
        let applied = self.world.apply_change(change);
        let proposed = Proposed {
            revision: applied.step.revision,
            refusal: applied.refusal,
        };
        self.history.push(applied.step);
        proposed
    }
}

#[async_trait]
impl Cluster for MemoryCluster {
    fn consult(&self, read: &mut dyn FnMut(Source<'_>)) {
        let inner = self.lock();
        read(Source {
            state: &inner.world.state,
            history: &inner.history,
            fresh: !inner.faults.leaderless,
        });
    }

    fn heads(&self) -> watch::Receiver<Revision> {
        self.applied.subscribe()
    }

    async fn propose(&self, change: Change) -> Result<Proposed, ClusterError> {
        match self.propose_now(change) {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    async fn read_index(&self) -> Result<Revision, ClusterError> {
        let inner = self.lock();
        if inner.faults.leaderless {
            return Err(ClusterError::NoQuorum);
        }
        Ok(inner.world.state.revision().max(inner.ahead))
    }

    async fn wait_for(&self, revision: Revision) -> Result<(), ClusterError> {
        let mut applied = self.applied.subscribe();
        let mut stopped = self.stopped.subscribe();
        let arrived = tokio::select! {
            biased;
            arrived = applied.wait_for(|applied| *applied >= revision) => arrived.is_ok(),
            _ = stopped.wait_for(|stopped| *stopped) => false,
        };
        let stopped = || ClusterError::NotReady("the store has stopped".to_owned());
        arrived.then_some(()).ok_or_else(stopped)
    }
}
