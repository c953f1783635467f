// SPDX-License-Identifier: Apache-2.0
//! The log: a write-ahead log in segments, made for Raft.
//!
//! - `record.rs`: what a record is, and how it lies on the disk;
//! - `book.rs`: what records say together, and which may follow which;
//! - `segment.rs`: one file, its name and its header;
//! - `scan.rs`: a segment's bytes to records, and whether its end is torn or damaged;
//! - `recover.rs`: a directory to a log that can be written on;
//! - `wal.rs`: the log without threads, which the simulation drives by itself;
//! - `writer.rs`: the thread that drives it in the daemon;
//! - `noted.rs`: what that thread is told without being woken;
//! - `tail.rs`: the entries in memory.
//!
//! The reasons are in `docs/adr/0002-own-segmented-log.md`.

mod book;
mod error;
mod noted;
mod record;
mod recover;
mod scan;
mod segment;
mod tail;
mod wal;
mod writer;

pub use book::{Book, Contradiction};
pub use error::{LogError, Poison};
pub use record::{LogId, PAYLOAD_BYTES_MAX, Record, Vote};
pub use segment::{Spare, SpareRequest};
pub use tail::Tail;
pub use wal::{Recovered, Repair, Wal, WalOptions};
pub use writer::{Done, LogWriter, OnPoison};
