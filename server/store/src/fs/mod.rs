// SPDX-License-Identifier: Apache-2.0
//! The door to the disk: everything that the log, the snapshots and the data directory do with
//! files goes through [`Fs`].
//!
//! There are two implementations. [`RealFs`] is the operating system. [`SimFs`] is a disk in
//! memory with a seed, which loses and tears what was not synced when its power goes, and which
//! fails where a test wants it to. What holds on the second holds on the first, as long as this
//! trait promises no more than POSIX does:
//!
//! - what was written is on disk only after [`File::sync_data`] of that file;
//! - a name that was made, renamed or removed is on disk only after [`Fs::sync_dir`];
//! - after a failed sync nobody knows what is on disk, and a second try proves nothing.

mod disk;
mod inode;
mod random;
mod real;
mod sim;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use disk::Fault;
pub use inode::Loss;
pub use real::RealFs;
pub use sim::SimFs;

/// How a file is opened. All but `Read` may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, to be read.
    Read,
    /// An existing file, to be read and written.
    Write,
    /// A file that must not exist yet.
    CreateNew,
    /// A file that may exist; its content is kept.
    CreateOrOpen,
}

/// A file system, as far as the store needs one.
///
/// Errors carry no path: callers say which file they were at.
pub trait Fs: Debug + Send + Sync + 'static {
    /// Makes a directory and those above it that are missing, for the user alone (0700).
    ///
    /// # Errors
    /// Those of the operating system; an existing directory is none.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes a directory one for the user alone (0700), if others may read or write it. One that
    /// they may only pass through stays so: tasks of other users may need it.
    ///
    /// # Errors
    /// Those of the operating system.
    fn close_dir(&self, dir: &Path) -> io::Result<()>;

    /// The names in a directory, sorted.
    ///
    /// # Errors
    /// Those of the operating system.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Opens a file. A new one is for the user alone (0600).
    ///
    /// # Errors
    /// Those of the operating system.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;

    /// Gives a file another name, in place of a file that had it: at any moment the new name
    /// stands for the one or for the other, never for neither.
    ///
    /// # Errors
    /// Those of the operating system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// Those of the operating system.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// Those of the operating system.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// An open file.
pub trait File: Debug + Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    /// Those of the operating system.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has no bytes.
    ///
    /// # Errors
    /// Those of the operating system.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads at a place; fewer bytes than asked for only at the end of the file.
    ///
    /// # Errors
    /// Those of the operating system.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `data` at a place, growing the file if it ends before. After an error any
    /// part of it may have been written.
    ///
    /// # Errors
    /// Those of the operating system.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Makes what was written durable, and as much of the metadata as reading it back needs.
    ///
    /// # Errors
    /// Those of the operating system. Never try again: the system may have dropped the data
    /// while it reported the error, and would report success the second time.
    fn sync_data(&self) -> io::Result<()>;

    /// Locks the file against other openings of it until it is closed; `false` if another one
    /// holds the lock.
    ///
    /// # Errors
    /// Those of the operating system.
    fn try_lock(&self) -> io::Result<bool>;
}

/// The whole content of a file.
///
/// # Errors
/// Those of [`File::read_at`], and `UnexpectedEof` if the file shrinks meanwhile.
pub fn read_all(file: &dyn File) -> io::Result<Vec<u8>> {
    let len = usize::try_from(file.len()?).map_err(io::Error::other)?;
    let mut content = vec![0; len];
    let mut done = 0;
    while done < len {
        match file.read_at(done as u64, &mut content[done..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => done += read,
        }
    }
    Ok(content)
}
