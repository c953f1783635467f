// SPDX-License-Identifier: Apache-2.0
//! Why an open log stopped, or refused a record.

use std::io;
use std::path::{Path, PathBuf};

use super::book::Contradiction;

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
