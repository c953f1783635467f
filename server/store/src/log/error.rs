// SPDX-License-Identifier: Apache-2.0
//! Why a log does not open, and why an open one stopped.

use std::io;
use std::path::{Path, PathBuf};

use super::book::Contradiction;

/// Why a log does not open. Nothing on the disk was changed, so what helps can still be done.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Something acknowledged is lost.
    #[error(
        "the log file {} is damaged at byte {offset}{}: {what}. Acknowledged changes are lost \
         there, so skepd does not go on without them. Put the directory {} back from a backup; \
         without one, move it away and begin anew with \"skep swarm init\"",
        .file.display(), after_entry(*.after), dir_of(.file).display()
    )]
    Damaged {
        /// The damaged file.
        file: PathBuf,
        /// Where in it the first unreadable byte is.
        offset: u64,
        /// The index of the last entry before the damage, if there is one.
        after: Option<u64>,
        /// What is wrong.
        what: String,
    },
    /// A whole file of the log is not there.
    #[error(
        "the log file {} is missing, though {needed} needs it. Put it back, or the directory {} \
         from a backup; without one, move the directory away and begin anew with \
         \"skep swarm init\"", .file.display(), dir_of(.file).display()
    )]
    Missing {
        /// The missing file.
        file: PathBuf,
        /// What needs it.
        needed: String,
    },
    /// The operating system refused.
    #[error("cannot {operation} {}", .path.display())]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

fn after_entry(after: Option<u64>) -> String {
    after.map_or_else(String::new, |index| format!(", after entry {index}"))
}

fn dir_of(file: &Path) -> &Path {
    file.parent().unwrap_or(file)
}

/// Why the log stopped. It acknowledges nothing any more until the daemon is started again:
/// after a failed write or sync nobody knows what is on the disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the log stopped, because skepd could not {operation} {}: {cause}. Nothing is acknowledged \
     any more; {} and start skepd again", .path.display(), self.cure()
)]
pub struct Poison {
    /// The file or directory that failed.
    pub path: PathBuf,
    /// What was tried, as a verb.
    pub operation: &'static str,
    /// What the operating system said.
    pub cause: String,
    /// Whether the disk is full.
    pub disk_full: bool,
}

impl Poison {
    pub(crate) fn new(operation: &'static str, path: &Path, cause: &io::Error) -> Self {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        Self {
            path: path.to_path_buf(),
            operation,
            cause: cause.to_string(),
            disk_full: full.contains(&cause.kind()),
        }
    }

    fn cure(&self) -> &'static str {
        if self.disk_full {
            "make room on the disk"
        } else {
            "repair or replace the disk"
        }
    }
}

/// Why a record was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The log stopped before.
    #[error(transparent)]
    Poisoned(#[from] Poison),
    /// It cannot follow the records before it; the log goes on without it.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
}

impl From<LogError> for io::Error {
    fn from(error: LogError) -> Self {
        Self::other(error)
    }
}
