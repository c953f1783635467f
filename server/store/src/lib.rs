// SPDX-License-Identifier: Apache-2.0
//! The store: what the managers agree on, kept on disk.

pub mod data_dir;
pub mod fs;
pub mod log;

/// The largest entry of the log in bytes, as encoded.
pub const ENTRY_BYTES_MAX: usize = 8 << 20;
