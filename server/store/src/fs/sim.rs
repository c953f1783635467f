// SPDX-License-Identifier: Apache-2.0
//! A file system in memory that crashes, tears, fills up and fails on purpose.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::disk::{Disk, Fault};
use super::inode::Loss;
use super::{File, Fs, OpenMode};

/// A disk in memory. Clones are the same disk; with the same seed and the same calls it does
/// the same, crashes included.
///
/// It is kept in the library, not with the tests, because the simulation of whole swarms runs
/// the log over it too. Directories are durable at once: only files and names are modelled.
#[derive(Clone)]
pub struct SimFs {
    disk: Arc<Mutex<Disk>>,
    gate: Arc<Gate>,
    /// The life of the disk that this handle ends with; nothing: it outlives crashes.
    life: Option<u64>,
}

/// Holds syncs back, for tests of what gathers behind a slow one.
#[derive(Debug, Default)]
struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
}

impl SimFs {
    /// An empty disk.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            disk: Arc::new(Mutex::new(Disk::new(seed))),
            gate: Arc::default(),
            life: None,
        }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same disk as a process sees it that dies with the next crash: afterwards every call
    /// of [`Fs`] on this handle fails, so that threads of the dead do not write on.
    #[must_use]
    pub fn for_one_life(&self) -> Self {
        let life = self.disk().life;
        Self {
            life: Some(life),
            ..self.clone()
        }
    }

    /// The disk, if this handle has not died.
    fn living(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let disk = self.disk();
        match self.life {
            Some(life) if life != disk.life => Err(io::Error::other("of before the crash")),
            _ => Ok(disk),
        }
    }

    /// Ends the life of every open file and decides what became of all that was not synced.
    /// Afterwards the disk serves again, without planned faults.
    pub fn crash(&self, loss: Loss) {
        self.disk().crash(loss);
    }

    /// How many operations that change something there were: creating, writing, renaming,
    /// removing, syncing.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.disk().operations()
    }

    /// Lets the operation with this number (see [`SimFs::operations`]) go wrong.
    pub fn plan(&self, operation: u64, fault: Fault) {
        self.disk().plan(operation, fault);
    }

    /// Forgets planned faults.
    pub fn clear_faults(&self) {
        self.disk().clear_faults();
    }

    /// How many bytes all files together may have; writes beyond it end in ENOSPC.
    pub fn set_capacity(&self, bytes: u64) {
        self.disk().set_capacity(bytes);
    }

    /// Lets each operation take a time up to this, in the account of [`SimFs::take_delay`].
    pub fn set_latency(&self, max: Duration) {
        self.disk().set_latency(max);
    }

    /// Adds a stall to the account of [`SimFs::take_delay`].
    pub fn stall(&self, time: Duration) {
        self.disk().stall(time);
    }

    /// How long the operations since the last call would have taken. Nothing sleeps here: one
    /// who simulates time adds this to it before the outcome counts.
    #[must_use]
    pub fn take_delay(&self) -> Duration {
        self.disk().take_delay()
    }

    /// Lets every sync of a file's data wait until [`SimFs::release_syncs`].
    pub fn hold_syncs(&self) {
        *self
            .gate
            .closed
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Lets syncs go on.
    pub fn release_syncs(&self) {
        *self
            .gate
            .closed
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = false;
        self.gate.opened.notify_all();
    }

    /// Waits here while syncs are held.
    fn pass_gate(&self) {
        let mut closed = self
            .gate
            .closed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while *closed {
            closed = self
                .gate
                .opened
                .wait(closed)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The content of a file, as a reader sees it.
    ///
    /// # Errors
    /// If there is no such file.
    pub fn content(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.disk().content(path)
    }

    /// Replaces the content of a file behind everyone's back, durably: damage.
    ///
    /// # Errors
    /// If there is no such file.
    pub fn set_content(&self, path: &Path, content: Vec<u8>) -> io::Result<()> {
        self.disk().set_content(path, content)
    }
}

impl fmt::Debug for SimFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimFs")
            .field("operations", &self.operations())
            .finish()
    }
}

impl Fs for SimFs {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.living()?.create_dir(dir)
    }

    fn close_dir(&self, _dir: &Path) -> io::Result<()> {
        // There are no others.
        self.living().map(drop)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.living()?.list(dir)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut disk = self.living()?;
        let found = disk.find(path);
        let number = match (mode, found) {
            (OpenMode::CreateNew, Ok(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            (_, Ok(number)) => number,
            (OpenMode::CreateNew | OpenMode::CreateOrOpen, Err(error))
                if error.kind() == io::ErrorKind::NotFound =>
            {
                disk.create(path)?
            }
            (_, Err(error)) => return Err(error),
        };
        let handle = disk.fresh_handle();
        let life = disk.life;
        drop(disk);
        Ok(Arc::new(SimFile {
            fs: self.clone(),
            number,
            handle,
            life,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.living()?.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.living()?.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.living()?.sync_dir(dir)
    }
}

/// An open file of a [`SimFs`].
#[derive(Debug)]
struct SimFile {
    fs: SimFs,
    number: u64,
    handle: u64,
    life: u64,
}

impl SimFile {
    /// The disk, if it is still the one on which this file was opened.
    fn disk(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let disk = self.fs.disk();
        if disk.life == self.life {
            Ok(disk)
        } else {
            Err(io::Error::other("opened before the crash"))
        }
    }
}

impl File for SimFile {
    fn len(&self) -> io::Result<u64> {
        self.disk()?.len(self.number)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.disk()?.read(self.number, offset, buffer)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk()?.write(self.number, offset, data)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.fs.pass_gate();
        self.disk()?.sync(self.number)
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.disk()?.lock(self.number, self.handle)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        if let Ok(mut disk) = self.disk() {
            disk.unlock(self.number, self.handle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn disk_with_dir(seed: u64) -> (SimFs, PathBuf) {
        let fs = SimFs::new(seed);
        let dir = PathBuf::from("/d");
        fs.create_dir(&dir).expect("a directory");
        (fs, dir)
    }

    #[test]
    fn a_power_loss_takes_what_was_not_synced_and_nothing_else() {
        let (fs, dir) = disk_with_dir(1);
        let file = fs
            .open(&dir.join("f"), OpenMode::CreateNew)
            .expect("created");
        file.write_at(0, b"kept").expect("written");
        file.sync_data().expect("synced");
        fs.sync_dir(&dir).expect("synced");
        file.write_at(4, b" lost").expect("written");
        fs.open(&dir.join("g"), OpenMode::CreateNew)
            .expect("created");

        fs.crash(Loss::Everything);
        assert_eq!(fs.list(&dir).expect("names"), ["f"]);
        assert_eq!(fs.content(&dir.join("f")).expect("content"), b"kept");
        assert!(
            file.write_at(0, b"x").is_err(),
            "a handle of the life before"
        );
    }

    #[test]
    fn a_dead_process_loses_nothing_but_its_locks() {
        let (fs, dir) = disk_with_dir(1);
        let file = fs
            .open(&dir.join("f"), OpenMode::CreateNew)
            .expect("created");
        file.write_at(0, b"kept").expect("written");
        assert!(file.try_lock().expect("answered"));
        let other = fs.open(&dir.join("f"), OpenMode::Write).expect("opened");
        assert!(!other.try_lock().expect("answered"));

        fs.crash(Loss::Nothing);
        let other = fs.open(&dir.join("f"), OpenMode::Write).expect("opened");
        assert!(other.try_lock().expect("answered"));
        assert_eq!(fs.content(&dir.join("f")).expect("content"), b"kept");
    }

    #[test]
    fn a_random_loss_keeps_synced_bytes_and_tears_others() {
        let mut outcomes = std::collections::BTreeSet::new();
        for seed in 0..40 {
            let (fs, dir) = disk_with_dir(seed);
            let file = fs
                .open(&dir.join("f"), OpenMode::CreateNew)
                .expect("created");
            file.write_at(0, &[1; 2000]).expect("written");
            file.sync_data().expect("synced");
            fs.sync_dir(&dir).expect("synced");
            file.write_at(1000, &[2; 2000]).expect("written");
            fs.crash(Loss::Random);
            let content = fs.content(&dir.join("f")).expect("content");
            assert_eq!(content[..1000], [1; 1000]);
            assert!(
                content.len() >= 2000 && content[1000..2000].iter().all(|b| [1, 2].contains(b))
            );
            outcomes.insert(content);
        }
        assert!(outcomes.len() > 20, "crashes differ: {}", outcomes.len());
    }

    #[test]
    fn after_a_failed_sync_a_second_one_proves_nothing() {
        let lost = (0..20).any(|seed| {
            let (fs, dir) = disk_with_dir(seed);
            let file = fs
                .open(&dir.join("f"), OpenMode::CreateNew)
                .expect("created");
            fs.sync_dir(&dir).expect("synced");
            file.write_at(0, &[7; 4096]).expect("written");
            fs.plan(fs.operations() + 1, Fault::Error);
            file.sync_data().expect_err("planned");
            let shown = fs.content(&dir.join("f")).expect("content");
            assert_eq!(shown, [7; 4096], "the cache shows it all");
            file.sync_data().expect("and yet");
            fs.crash(Loss::Everything);
            fs.content(&dir.join("f")).expect("content") != [7; 4096]
        });
        assert!(lost);
    }

    #[test]
    fn a_full_disk_takes_a_part_and_says_so() {
        let (fs, dir) = disk_with_dir(3);
        fs.set_capacity(100);
        let file = fs
            .open(&dir.join("f"), OpenMode::CreateNew)
            .expect("created");
        file.write_at(0, &[1; 60]).expect("written");
        let error = file.write_at(60, &[1; 60]).expect_err("full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        file.write_at(0, &[2; 60]).expect("in place it fits");
    }
}
