// SPDX-License-Identifier: Apache-2.0
//! The directory of one task: what the daemon and the shim tell each other, also across the
//! death of either.
//!
//! | file | written by | says |
//! |---|---|---|
//! | `spec.json` | daemon | what to run; with it the task is prepared |
//! | `lock` | shim | held while a shim takes care of the task |
//! | `started.json` | shim | which shim has the task; from here on nobody starts it again |
//! | `running.json` | shim | the main process, once it runs |
//! | `stop.json` | daemon | the order to end |
//! | `exit.json` | shim | how it ended; by the daemon, if the shim could not say |
//! | `shim.err` | shim | what it had to complain about |
//! | `log/` | shim | what the task printed |
//! | `work/` | the task | its working directory, if none was given |

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What to run.
pub(crate) const SPEC: &str = "spec.json";
/// The shim that has the task.
pub(crate) const STARTED: &str = "started.json";
/// The main process.
pub(crate) const RUNNING: &str = "running.json";
/// The order to end.
pub(crate) const STOP: &str = "stop.json";
/// How it ended.
pub(crate) const EXIT: &str = "exit.json";
/// The shim's complaints.
pub(crate) const COMPLAINTS: &str = "shim.err";
const LOCK: &str = "lock";
const RESERVE: &str = "exit.reserve";

/// Disk space taken at the start for the record of the end. A message has at most 4,096
/// characters, each at most 6 bytes in JSON.
const RESERVE_BYTES: usize = 32 * 1024;

/// The directory of one task.
#[derive(Clone, Debug)]
pub(crate) struct TaskDir(PathBuf);

impl TaskDir {
    /// The directory at `path`, which need not exist.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        TaskDir(path.into())
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the log is.
    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// The working directory made for the task.
    pub(crate) fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    /// The path of one of its files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes it, with what every task has, and brings that to disk.
    pub(crate) fn create(&self) -> io::Result<()> {
        let directory = |path: &Path, mode| {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(path)
        };
        // Its user may pass through to its working directory, and see nothing on the way.
        directory(&self.0, 0o711)?;
        directory(&self.log(), 0o700)?;
        File::create(self.file(LOCK))?;
        sync_directory(&self.0)?;
        self.0.parent().map_or(Ok(()), sync_directory)
    }

    /// Whether there is such a file.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.file(name).exists()
    }

    /// Reads a record; none if there is no such file.
    ///
    /// # Errors
    /// If it cannot be read or is no such record; the words name the file.
    pub(crate) fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        let path = self.file(name);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(named(&path, error)),
        };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| named(&path, error.into()))
    }

    /// Writes a record so that it is there, whole, after a power cut right behind this call.
    pub(crate) fn write<T: Serialize>(&self, name: &str, record: &T) -> io::Result<()> {
        let path = self.file(name);
        let new = self.file(&format!("{name}.tmp"));
        let write = || {
            let mut options = OpenOptions::new();
            let mut file = options
                .create(true)
                .write(true)
                .truncate(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(&serde_json::to_vec(record)?)?;
            file.sync_all()?;
            std::fs::rename(&new, &path)?;
            sync_directory(&self.0)
        };
        write().map_err(|error| named(&path, error))
    }

    /// Takes the disk space that [`TaskDir::write_exit`] will need.
    pub(crate) fn reserve_exit(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options
            .create(true)
            .write(true)
            .mode(0o600)
            .open(self.file(RESERVE))?;
        file.write_all(&[b' '; RESERVE_BYTES])?;
        file.sync_all()
    }

    /// Writes how the task ended, into the space reserved, so that a full disk cannot hide it.
    pub(crate) fn write_exit<T: Serialize>(&self, record: &T) -> io::Result<()> {
        if !self.has(RESERVE) {
            return self.write(EXIT, record);
        }
        let text = serde_json::to_vec(record)?;
        let mut file = OpenOptions::new().write(true).open(self.file(RESERVE))?;
        // Blanks stay behind the record, which JSON allows: cutting them off would need a
        // write of its own.
        file.write_all(&text)?;
        file.sync_all()?;
        std::fs::rename(self.file(RESERVE), self.file(EXIT))?;
        sync_directory(&self.0)
    }

    /// Takes the lock for as long as the answer lives; none if another process has it.
    ///
    /// # Errors
    /// If there is no lock file, because the task was removed.
    pub(crate) fn lock(&self) -> io::Result<Option<Flock<File>>> {
        let path = self.file(LOCK);
        let file = File::open(&path).map_err(|error| named(&path, error))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(lock)),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(named(&path, errno.into())),
        }
    }

    /// The last words of the shim; empty: it had none.
    pub(crate) fn complaints(&self) -> String {
        let read = || {
            let mut file = File::open(self.file(COMPLAINTS))?;
            let skipped = file.metadata()?.len().saturating_sub(1_024);
            file.seek(SeekFrom::Start(skipped))?;
            let mut text = Vec::new();
            file.read_to_end(&mut text)?;
            Ok::<_, io::Error>(String::from_utf8_lossy(&text).trim().to_owned())
        };
        // Without the file there are no words to pass on.
        read().unwrap_or_default()
    }

    /// Deletes all of it, the record that makes it a task first.
    pub(crate) fn delete(&self) -> io::Result<()> {
        for step in [
            std::fs::remove_file(self.file(SPEC)),
            std::fs::remove_dir_all(&self.0),
        ] {
            match step {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(named(&self.0, error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// An error with the path it is about.
fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Brings the names in a directory to disk.
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> (tempfile::TempDir, TaskDir) {
        let root = tempfile::tempdir().expect("a directory");
        let task = TaskDir::new(root.path().join("task"));
        task.create().expect("a task directory");
        (root, task)
    }

    #[test]
    fn records_come_back_and_errors_name_the_file() {
        let (_root, task) = task();
        assert_eq!(task.read::<u32>(STOP).expect("no record"), None);
        task.write(STOP, &7u32).expect("written");
        assert_eq!(task.read::<u32>(STOP).expect("a record"), Some(7));
        let error = task
            .read::<String>(STOP)
            .expect_err("a number is no text")
            .to_string();
        assert!(error.contains("stop.json"), "{error}");
    }

    #[test]
    fn the_end_is_written_into_its_reserve() {
        let (_root, task) = task();
        task.reserve_exit().expect("space");
        task.write_exit(&"x".repeat(20_000)).expect("written");
        assert!(!task.has(RESERVE));
        let text = task
            .read::<String>(EXIT)
            .expect("a record")
            .expect("there is one");
        assert_eq!(text.len(), 20_000);
    }

    #[test]
    fn the_lock_is_held_once() {
        let (_root, task) = task();
        let held = task.lock().expect("a lock");
        assert!(held.is_some());
        assert!(task.lock().expect("no error").is_none());
        drop(held);
        assert!(task.lock().expect("a lock").is_some());
        task.delete().expect("deleted");
        assert!(task.lock().is_err(), "a removed task has no lock");
        task.delete().expect("deleting twice is no error");
    }
}
