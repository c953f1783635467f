// SPDX-License-Identifier: Apache-2.0
//! Snapshots: the state and the history of watches at one entry of the log, in a file.
//!
//! A file is written under another name, synced, renamed and its directory synced, and only
//! then do the older ones go. So at any moment the newest file is whole, or it was damaged.

mod bare;
mod format;
mod read;
mod write;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skep_core::state::{History, State};

use crate::error::{OpenError, io_error};
use crate::fs::{Fs, OpenMode};
use crate::raft::types::{RaftLogId, SnapshotMeta};

pub use bare::{BareSnapshots, Kept};

/// What a snapshot holds.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) meta: SnapshotMeta,
    pub(crate) state: State,
    pub(crate) history: History,
}

/// A snapshot's file, whole and durable.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotFile {
    fs: Arc<dyn Fs>,
    path: PathBuf,
}

impl SnapshotFile {
    /// Its length; nothing if it cannot be asked for, which reading it will tell of.
    fn bytes(&self) -> u64 {
        let file = self.fs.open(&self.path, OpenMode::Read);
        file.and_then(|file| file.len()).unwrap_or_default()
    }
}

/// The snapshots of one store. There is one current one, or none yet.
#[derive(Debug)]
pub(crate) struct Snapshots {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    current: Mutex<Option<(SnapshotMeta, SnapshotFile)>>,
    /// The length of the current one.
    bytes: AtomicU64,
    /// Held while one is written, as two would use the same names.
    writing: Mutex<()>,
}

impl Snapshots {
    /// Finds the newest snapshot in a directory and reads it. What a crash left unfinished is
    /// removed.
    ///
    /// # Errors
    /// [`OpenError`], with file, offset and cure.
    pub(crate) fn open(fs: &Arc<dyn Fs>, dir: &Path) -> Result<(Self, Option<Content>), OpenError> {
        fs.create_dir(dir).map_err(io_error("make", dir))?;
        let names = fs.list(dir).map_err(io_error("read", dir))?;
        let newest = names.iter().filter_map(|name| format::index_of(name)).max();
        let mut current = None;
        let mut content = None;
        if let Some(index) = newest {
            let path = dir.join(format::file_name(index));
            let read = read::read(fs.as_ref(), &path)?;
            let file = SnapshotFile {
                fs: Arc::clone(fs),
                path,
            };
            current = Some((read.meta.clone(), file));
            content = Some(read);
        }
        // The name may be in the system's cache alone, if the daemon died before it synced it.
        fs.sync_dir(dir).map_err(io_error("sync", dir))?;
        let snapshots = Self {
            fs: Arc::clone(fs),
            dir: dir.to_path_buf(),
            bytes: AtomicU64::new(current.as_ref().map_or(0, |(_, file)| file.bytes())),
            current: Mutex::new(current),
            writing: Mutex::new(()),
        };
        snapshots.remove_others(newest);
        Ok((snapshots, content))
    }

    /// The current one.
    pub(crate) fn current(&self) -> Option<(SnapshotMeta, SnapshotFile)> {
        self.lock_current().clone()
    }

    fn lock_current(&self) -> MutexGuard<'_, Option<(SnapshotMeta, SnapshotFile)>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The length of the current one in bytes; nothing of none.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Writes a snapshot and makes it the current one. Takes a while, and blocks.
    ///
    /// # Errors
    /// [`OpenError::Io`]; the current one is still there then.
    pub(crate) fn write(&self, content: &Content) -> Result<SnapshotFile, OpenError> {
        let index = index_of(content.meta.last_log_id.as_ref());
        self.put(index, content.meta.clone(), |path| {
            write::write(self.fs.as_ref(), path, content)
        })
    }

    /// Takes over a snapshot that lies elsewhere, reads it, and makes it the current one.
    ///
    /// # Errors
    /// [`OpenError`]; the current one is still there then.
    pub(crate) fn adopt(&self, file: &SnapshotFile) -> Result<Content, OpenError> {
        let content = read::read(file.fs.as_ref(), &file.path)?;
        let index = index_of(content.meta.last_log_id.as_ref());
        let own = Arc::ptr_eq(&file.fs, &self.fs);
        if !own || file.path != self.dir.join(format::file_name(index)) {
            self.put(index, content.meta.clone(), |path| {
                write::copy(file.fs.as_ref(), &file.path, self.fs.as_ref(), path)
            })?;
        }
        Ok(content)
    }

    fn put(
        &self,
        index: u64,
        meta: SnapshotMeta,
        write: impl FnOnce(&Path) -> Result<(), OpenError>,
    ) -> Result<SnapshotFile, OpenError> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let unfinished = self.dir.join(format::unfinished_name(index));
        let path = self.dir.join(format::file_name(index));
        // Left by an attempt that failed.
        let _ = self.fs.remove(&unfinished);
        if let Err(error) = write(&unfinished) {
            // Half a snapshot is of no use, least of all on a full disk.
            let _ = self.fs.remove(&unfinished);
            return Err(error);
        }
        self.fs
            .rename(&unfinished, &path)
            .map_err(io_error("rename", &unfinished))?;
        self.fs
            .sync_dir(&self.dir)
            .map_err(io_error("sync", &self.dir))?;
        let file = SnapshotFile {
            fs: Arc::clone(&self.fs),
            path,
        };
        self.bytes.store(file.bytes(), Ordering::Relaxed);
        *self.lock_current() = Some((meta, file.clone()));
        self.remove_others(Some(index));
        Ok(file)
    }

    /// Removes all snapshots but one. If that fails they take room, that is all.
    fn remove_others(&self, keep: Option<u64>) {
        let names = self.fs.list(&self.dir).unwrap_or_default();
        for name in names {
            let useless = match format::index_of(&name) {
                Some(index) => Some(index) != keep,
                None => format::is_unfinished(&name),
            };
            let path = self.dir.join(name);
            if useless && let Err(error) = self.fs.remove(&path) {
                tracing::warn!(path = %path.display(), %error, "cannot remove an old snapshot");
            }
        }
    }
}

fn index_of(id: Option<&RaftLogId>) -> u64 {
    id.map_or(0, |id| id.index)
}
