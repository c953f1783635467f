// SPDX-License-Identifier: Apache-2.0
//! Why a store does not open.

use std::io;
use std::path::{Path, PathBuf};

/// Why a store does not open. Nothing on the disk was changed, so what helps can still be done.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Something acknowledged is lost.
    #[error(
        "the file {} is damaged at byte {offset}{}: {what}. Acknowledged changes are lost there, \
         so skepd does not go on without them. Put the data directory back from a backup; \
         without one, move it away and begin anew with \"skep swarm init\"",
        .file.display(), after_entry(*.after)
    )]
    Damaged {
        /// The damaged file.
        file: PathBuf,
        /// Where in it the first unreadable byte is.
        offset: u64,
        /// The index of the last entry of the log before the damage, if there is one.
        after: Option<u64>,
        /// What is wrong.
        what: String,
    },
    /// A whole file is not there.
    #[error(
        "{} is missing, though {needed} needs it. Put it, or the whole data directory, back from \
         a backup; without one, move the data directory away and begin anew with \
         \"skep swarm init\"", .file.display()
    )]
    Missing {
        /// The missing file, or the directory that misses one.
        file: PathBuf,
        /// What needs it.
        needed: String,
    },
    /// What is stored is whole, but of another version.
    #[error(
        "{} cannot be read: {what}. A newer skepd may have written it: start that one",
        .file.display()
    )]
    Unreadable {
        /// The file, or the directory it is in.
        file: PathBuf,
        /// What is wrong.
        what: String,
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
    /// The Raft library refused what it found.
    #[error("the log and the snapshot in {} do not fit together: {what}", .dir.display())]
    Inconsistent {
        /// The directory of the store.
        dir: PathBuf,
        /// What the library said.
        what: String,
    },
}

fn after_entry(after: Option<u64>) -> String {
    after.map_or_else(String::new, |index| format!(", after entry {index}"))
}

/// Adds to an error of the operating system what was tried, and where.
pub(crate) fn io_error(
    operation: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_path_buf();
    move |source| OpenError::Io {
        operation,
        path,
        source,
    }
}
