// SPDX-License-Identifier: Apache-2.0
//! Opening a store: what is on the disk, whether it fits together, and Raft over it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use openraft::{Config, SnapshotPolicy};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::error::OpenError;
use crate::health::Failure;
use crate::log::Poison;
use crate::raft::log_store::LogStore;
use crate::raft::machine::Machine;
use crate::raft::network::NoNetwork;
use crate::raft::types::Raft;
use crate::snapshot::{Content, Snapshots};
use crate::store::StoreOptions;
use crate::view::View;

/// A leader is heard of this often.
const HEARTBEAT_MS: u64 = 100;
/// One who hears of no leader for at least this long asks for votes.
const ELECTION_MIN_MS: u64 = 250;
/// And at most for this long.
pub(crate) const ELECTION_MAX_MS: u64 = 500;

/// How long sending a snapshot to another manager may take.
const SEND_SNAPSHOT_MS: u64 = 60_000;

/// What runs once everything is opened.
pub(crate) struct Running {
    pub(crate) raft: Raft,
    pub(crate) log: LogStore,
    pub(crate) view: View,
    pub(crate) snapshotting: JoinHandle<()>,
}

/// What opening found on the disk.
struct Opened {
    log: LogStore,
    machine: Machine,
    snapshots: Arc<Snapshots>,
    due: mpsc::Receiver<Content>,
    ready: Arc<AtomicBool>,
}

pub(crate) fn log_dir(dir: &Path) -> PathBuf {
    dir.join("log")
}

pub(crate) fn snapshot_dir(dir: &Path) -> PathBuf {
    dir.join("snapshots")
}

pub(crate) fn inconsistent(dir: &Path, what: &dyn std::fmt::Display) -> OpenError {
    OpenError::Inconsistent {
        dir: dir.to_path_buf(),
        what: what.to_string(),
    }
}

/// Opens what is on the disk and starts Raft over it. Runs in the store's own runtime.
pub(crate) async fn open_raft(
    options: StoreOptions,
    failure: Arc<watch::Sender<Option<Failure>>>,
) -> Result<Running, OpenError> {
    let disk_options = options.clone();
    let opening = tokio::task::spawn_blocking(move || open_disk(&disk_options, failure)).await;
    let opened = opening.map_err(|error| inconsistent(&options.dir, &error))??;
    let view = View::new(opened.machine.published());
    let config = config(&options).map_err(|error| inconsistent(&options.dir, &error))?;
    let raft = Raft::new(
        options.raft_id,
        Arc::new(config),
        NoNetwork,
        opened.log.clone(),
        opened.machine,
    )
    .await
    .map_err(|error| inconsistent(&options.dir, &error))?;
    if raft.voter_ids().eq([options.raft_id]) {
        // Nobody else could lead, so there is nothing to wait for.
        let elected = raft.trigger().elect(false).await;
        elected.map_err(|error| inconsistent(&options.dir, &error))?;
    }
    let snapshotting = tokio::spawn(write_snapshots(
        raft.clone(),
        opened.snapshots,
        opened.due,
        opened.ready,
    ));
    Ok(Running {
        raft,
        log: opened.log,
        view,
        snapshotting,
    })
}

fn open_disk(
    options: &StoreOptions,
    failure: Arc<watch::Sender<Option<Failure>>>,
) -> Result<Opened, OpenError> {
    let (snapshots, content) = Snapshots::open(&options.fs, &snapshot_dir(&options.dir))?;
    let on_poison = Box::new(move |poison: &Poison| {
        failure.send_replace(Some(Failure::Storage(poison.clone())));
    });
    let log = LogStore::open(&options.fs, &log_dir(&options.dir), options.wal, on_poison)?;
    let snapshot_at = content
        .as_ref()
        .and_then(|content| content.meta.last_log_id);
    check_together(options, &log, snapshot_at.map(|id| id.index))?;
    let snapshots = Arc::new(snapshots);
    let ready = Arc::new(AtomicBool::new(false));
    let (job, due) = mpsc::channel(1);
    let machine = Machine::new(content, Arc::clone(&snapshots), job, Arc::clone(&ready));
    Ok(Opened {
        log,
        machine,
        snapshots,
        due,
        ready,
    })
}

/// Checks that neither the log nor the snapshot was lost while the other is there.
fn check_together(
    options: &StoreOptions,
    log: &LogStore,
    snapshot_at: Option<u64>,
) -> Result<(), OpenError> {
    if let Some(index) = snapshot_at
        && log.is_new()
    {
        // To go on without it would be to forget the vote too.
        return Err(OpenError::Missing {
            file: log_dir(&options.dir),
            needed: format!("the snapshot at entry {index}"),
        });
    }
    match log.purged() {
        Some(purged) if snapshot_at < Some(purged) => Err(OpenError::Missing {
            file: snapshot_dir(&options.dir),
            needed: format!("the log, which begins after entry {purged},"),
        }),
        _ => Ok(()),
    }
}

fn config(options: &StoreOptions) -> Result<Config, openraft::ConfigError> {
    Config {
        cluster_name: "skep".to_owned(),
        heartbeat_interval: HEARTBEAT_MS,
        election_timeout_min: ELECTION_MIN_MS,
        election_timeout_max: ELECTION_MAX_MS,
        enable_pre_vote: Some(true),
        install_snapshot_timeout: SEND_SNAPSHOT_MS,
        // The machine says when, by the swarm's spec and by bytes.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: options.kept_entries,
        // A leader that lost the unsynced end of its log must not write other entries under
        // the same ids: after every start there is a new term.
        enable_leader_restore: Some(false),
        ..Config::default()
    }
    .validate()
}

/// Writes snapshots beside everything else. One that fails costs room and nothing more: the log
/// has all of it, and the next one may succeed.
async fn write_snapshots(
    raft: Raft,
    snapshots: Arc<Snapshots>,
    mut due: mpsc::Receiver<Content>,
    ready: Arc<AtomicBool>,
) {
    while let Some(content) = due.recv().await {
        let snapshots = Arc::clone(&snapshots);
        let index = content.state.revision().0;
        let written = tokio::task::spawn_blocking(move || snapshots.write(&content)).await;
        match written {
            Ok(Ok(_)) => {
                ready.store(true, Ordering::Release);
                if raft.trigger().snapshot().await.is_err() {
                    return;
                }
            }
            Ok(Err(error)) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(index, %error, cause, "a snapshot could not be written");
            }
            Err(error) => tracing::error!(index, %error, "writing a snapshot failed"),
        }
    }
}
