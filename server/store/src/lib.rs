// SPDX-License-Identifier: Apache-2.0
//! The store: what the managers agree on, kept on disk.
//!
//! - [`Store`] puts it together; [`Proposer`] takes changes, [`View`] shows what is applied.
//! - [`log`] is the segmented write-ahead log, [`fs`] the door to the disk under it, both usable
//!   without threads: the simulation drives them by itself.
//! - `raft` holds the Raft library behind its traits, `snapshot` the files that shorten the log.
//! - [`DataDir`] guards the data directory: one daemon, one known format.

mod data_dir;
mod error;
pub mod fs;
mod health;
pub mod log;
mod open;
mod proposer;
mod raft;
mod snapshot;
mod store;
mod view;

pub use data_dir::{DataDir, DataDirError, FORMAT_FILE, FORMAT_VERSION};
pub use error::OpenError;
pub use health::{Failure, Health, Leadership, MemberHealth, Role};
pub use proposer::{Committed, ProposeError, Proposer, Unavailable};
pub use raft::types::{Member, RaftId};
pub use snapshot::{BareSnapshots, Kept};
pub use store::{Store, StoreOptions};
pub use view::{Compacted, Moment, View};

/// The largest entry of the log in bytes, as encoded.
pub const ENTRY_BYTES_MAX: usize = 8 << 20;
