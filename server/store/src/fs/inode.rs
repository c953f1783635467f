// SPDX-License-Identifier: Apache-2.0
//! A file of the simulated disk.

use std::collections::BTreeSet;

use super::random::Random;

/// What a disk writes as one: of a sector that was not synced, a crash leaves the old content,
/// the new one, or (when tearing) a beginning of the new before the rest of the old.
const SECTOR_BYTES: usize = 512;

/// What a crash does to that which was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing: only the process died, the system's cache is written in the end.
    Nothing,
    /// All of it is lost.
    Everything,
    /// Each file keeps a beginning of its unsynced sectors, each directory one of its changes.
    Suffix,
    /// Each sector and each name is kept or lost by itself, and sectors may be torn.
    Random,
}

/// One simulated file: what a reader sees, and what a power loss would leave.
#[derive(Debug, Default, Clone)]
pub(super) struct Inode {
    pub(super) cached: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// Sectors written since the last sync.
    pub(super) dirty: BTreeSet<usize>,
    /// The opening that holds the lock.
    pub(super) lock: Option<u64>,
}

impl Inode {
    /// Writes into the cache.
    pub(super) fn write(&mut self, at: usize, data: &[u8]) {
        let end = at + data.len();
        if self.cached.len() < end {
            self.cached.resize(end, 0);
        }
        self.cached[at..end].copy_from_slice(data);
        self.dirty
            .extend(at / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
    }

    /// Brings a part of the unsynced sectors to the disk and forgets that there were others.
    pub(super) fn settle(&mut self, loss: Loss, random: &mut Random) {
        let dirty = std::mem::take(&mut self.dirty);
        let kept = random.below(dirty.len() as u64 + 1) as usize;
        for (place, sector) in dirty.into_iter().enumerate() {
            let bytes = match loss {
                Loss::Nothing => SECTOR_BYTES,
                Loss::Everything => 0,
                Loss::Suffix if place < kept => SECTOR_BYTES,
                Loss::Suffix => 0,
                Loss::Random if random.one_in(8) => random.below(SECTOR_BYTES as u64) as usize,
                Loss::Random if random.one_in(2) => SECTOR_BYTES,
                Loss::Random => 0,
            };
            self.keep(sector, bytes);
        }
    }

    fn keep(&mut self, sector: usize, bytes: usize) {
        let start = sector * SECTOR_BYTES;
        let end = (start + bytes).min(self.cached.len());
        if end <= start {
            return;
        }
        if self.durable.len() < end {
            self.durable.resize(end, 0);
        }
        self.durable[start..end].copy_from_slice(&self.cached[start..end]);
    }
}
