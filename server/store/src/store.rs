// SPDX-License-Identifier: Apache-2.0
//! The store of one manager, put together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openraft::async_runtime::WatchReceiver as _;
use openraft::errors::{InitializeError, RaftError};
use skep_core::model::Revision;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::OpenError;
use crate::fs::{Fs, RealFs};
use crate::health::{self, Failure, Health, Leadership};
use crate::log::WalOptions;
use crate::open::{inconsistent, log_dir, open_raft, snapshot_dir};
use crate::proposer::{Proposer, Unavailable};
use crate::raft::log_store::LogStore;
use crate::raft::types::{Member, Raft, RaftId};
use crate::view::View;

/// Where and how a store is kept.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The file system.
    pub fs: Arc<dyn Fs>,
    /// The directory of the store, for it alone; it is made if it is not there. Keep the
    /// [`crate::DataDir`] around it open as long as the store is.
    pub dir: PathBuf,
    /// The number of this manager: 1 for the first of a swarm.
    pub raft_id: RaftId,
    /// How the log is cut into files.
    pub wal: WalOptions,
    /// How many entries are kept in the log though a snapshot has them, for managers that are a
    /// little behind.
    pub kept_entries: u64,
}

impl StoreOptions {
    /// The usual options, on the file system of the operating system.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            fs: Arc::new(RealFs),
            dir: dir.into(),
            raft_id: 1,
            wal: WalOptions::default(),
            kept_entries: 1_000,
        }
    }
}

/// The store of one manager. Clones are the same store.
///
/// It runs on threads of its own, so a busy runtime around it delays no heartbeat.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    raft: Raft,
    log: LogStore,
    view: View,
    proposer: Proposer,
    raft_id: RaftId,
    leadership: watch::Receiver<Leadership>,
    failure: Arc<watch::Sender<Option<Failure>>>,
    snapshotting: Mutex<Option<JoinHandle<()>>>,
    runtime: Mutex<Option<Runtime>>,
}

impl Store {
    /// Whether there is a store in this directory that [`Store::open`] would open rather than
    /// begin.
    #[must_use]
    pub fn is_in(fs: &dyn Fs, dir: &Path) -> bool {
        let files = |dir: PathBuf| fs.list(&dir).is_ok_and(|names| !names.is_empty());
        files(log_dir(dir)) || files(snapshot_dir(dir))
    }

    /// Opens the store in a directory, or begins one. A new one serves nothing until it is
    /// founded.
    ///
    /// # Errors
    /// [`OpenError`], with its cure.
    ///
    /// # Panics
    /// If the system gives no threads.
    pub async fn open(options: StoreOptions) -> Result<Self, OpenError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("skep-raft")
            .enable_time()
            .build()
            .expect("the system gives threads for the store");
        let failure = Arc::new(watch::Sender::new(None));
        let opening = runtime.spawn(open_raft(options.clone(), Arc::clone(&failure)));
        let opened = opening
            .await
            .map_err(|error| inconsistent(&options.dir, &error));
        let running = match opened.and_then(|opened| opened) {
            Ok(running) => running,
            Err(error) => {
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let leadership = follow(&running.raft, &runtime, &failure);
        let inner = Inner {
            proposer: Proposer::new(running.raft.clone(), running.log.clone()),
            raft: running.raft,
            log: running.log,
            view: running.view,
            raft_id: options.raft_id,
            leadership,
            failure,
            snapshotting: Mutex::new(Some(running.snapshotting)),
            runtime: Mutex::new(Some(runtime)),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Founds the swarm with this manager as its only one, and waits until it leads. Does
    /// nothing if it is founded already.
    ///
    /// # Errors
    /// If the log cannot be written.
    pub async fn found(&self, member: Member) -> Result<(), Unavailable> {
        let members = BTreeMap::from([(self.inner.raft_id, member)]);
        match self.inner.raft.initialize(members).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
            Err(error) => return Err(self.stopped(&error)),
        }
        self.inner.proposer.read_index().await.map(|_| ())
    }

    /// Whether the swarm is founded.
    ///
    /// # Errors
    /// If the store stopped.
    pub async fn is_founded(&self) -> Result<bool, Unavailable> {
        let known = self.inner.raft.is_initialized().await;
        known.map_err(|error| self.stopped(&error))
    }

    /// Waits until the view shows everything that it showed before the last restart.
    ///
    /// # Errors
    /// If no leader is found in time, or the store stopped.
    pub async fn recovered(&self, wait_max: Duration) -> Result<(), Unavailable> {
        let recovered = self.inner.raft.wait_for_recovery(Some(wait_max)).await;
        match (recovered, self.failure()) {
            (Ok(_), _) => Ok(()),
            (Err(_), Some(failure)) => Err(failure.into()),
            (Err(_), None) => Err(Unavailable::NoLeader),
        }
    }

    /// Proposes changes.
    #[must_use]
    pub fn proposer(&self) -> Proposer {
        self.inner.proposer.clone()
    }

    /// Reads what is applied here.
    #[must_use]
    pub fn view(&self) -> View {
        self.inner.view.clone()
    }

    /// See [`Proposer::read_index`].
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn read_index(&self) -> Result<Revision, Unavailable> {
        self.inner.proposer.read_index().await
    }

    /// Tells who leads, now and whenever that changes. A new leader calls
    /// [`Store::read_index`] before it decides anything: its view may still lack the last
    /// entries of the leader before.
    #[must_use]
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.inner.leadership.clone()
    }

    /// Tells why the store stopped; nothing, as long as it goes on.
    #[must_use]
    pub fn failures(&self) -> watch::Receiver<Option<Failure>> {
        self.inner.failure.subscribe()
    }

    fn failure(&self) -> Option<Failure> {
        self.inner.failure.borrow().clone()
    }

    fn stopped(&self, error: &dyn std::fmt::Display) -> Unavailable {
        let failure = self.failure();
        Unavailable::Failed(failure.unwrap_or_else(|| Failure::Raft(error.to_string())))
    }

    /// How the store is.
    #[must_use]
    pub fn health(&self) -> Health {
        let metrics = self.inner.raft.metrics().borrow_watched().clone();
        health::health(&metrics, self.inner.view.revision(), self.failure())
    }

    /// Stops: what was proposed is answered or refused, the log is written and closed. The
    /// state can still be read.
    pub async fn shutdown(&self) {
        if let Err(error) = self.inner.raft.shutdown().await {
            tracing::error!(%error, "the raft task did not end well");
        }
        // With the machine its end of the channel went, so this ends after the present one.
        if let Some(task) = take(&self.inner.snapshotting)
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the last snapshot did not end well");
        }
        let log = self.inner.log.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || log.stop()).await {
            tracing::error!(%error, "the log was not closed well");
        }
        self.inner.end_runtime();
    }
}

impl Inner {
    fn end_runtime(&self) {
        if let Some(runtime) = take(&self.runtime) {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A runtime may not be dropped within another one's task, where it would block.
        self.end_runtime();
    }
}

/// Takes what only one can have.
fn take<T>(place: &Mutex<Option<T>>) -> Option<T> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Follows the library's own account of itself.
fn follow(
    raft: &Raft,
    runtime: &Runtime,
    failure: &Arc<watch::Sender<Option<Failure>>>,
) -> watch::Receiver<Leadership> {
    let mut metrics = raft.metrics();
    let first = health::leadership(&metrics.borrow_watched());
    let (tell, told) = watch::channel(first);
    let failure = Arc::clone(failure);
    runtime.spawn(async move {
        loop {
            let (now, stopped) = {
                let metrics = metrics.borrow_watched();
                let stopped = metrics
                    .running_state
                    .as_ref()
                    .err()
                    .map(ToString::to_string);
                (health::leadership(&metrics), stopped)
            };
            tell.send_if_modified(|known| std::mem::replace(known, now) != now);
            if let Some(stopped) = stopped {
                failure.send_if_modified(|known| {
                    let first = known.is_none();
                    known.get_or_insert(Failure::Raft(stopped));
                    first
                });
                return;
            }
            if metrics.changed().await.is_err() {
                return;
            }
        }
    });
    told
}
