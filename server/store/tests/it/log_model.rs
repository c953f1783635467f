// SPDX-License-Identifier: Apache-2.0
//! The oracle: a log as a plain list of records, and what a crash may leave of it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use skep_store::OpenError;
use skep_store::fs::{Fs, SimFs};
use skep_store::log::{Book, LogId, Record, Wal, WalOptions};

/// Where the log under test lies.
pub(crate) const DIR: &str = "/log";

/// Small segments, so that a short test changes them often.
pub(crate) const SMALL: WalOptions = WalOptions {
    segment_bytes_first: 6 << 10,
    segment_bytes_max: 12 << 10,
};

/// What can be seen of a log: entries with their contents, and the sum of its records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    pub(crate) entries: Vec<(LogId, Bytes)>,
    pub(crate) book: Book,
}

impl Seen {
    /// What these records come to, as anyone would add them up.
    pub(crate) fn of(records: &[Record]) -> Self {
        let mut seen = Self::default();
        for record in records {
            seen.book = seen.book.with(record).expect("the test makes sound logs");
            match record {
                Record::Entry { id, payload } => seen.entries.push((*id, payload.clone())),
                Record::Truncate(keep) => {
                    seen.entries
                        .retain(|(id, _)| Some(id.index) <= keep.map(|keep| keep.index));
                }
                Record::Purge(upto) => seen.entries.retain(|(id, _)| id.index > upto.index),
                Record::Vote(_) | Record::Committed(_) => {}
            }
        }
        seen
    }

    /// Without what may be lost: how far entries are committed.
    fn lasting(mut self) -> Self {
        self.book.committed = None;
        self
    }
}

/// Opens the log and looks at it.
pub(crate) fn open(fs: &SimFs) -> Result<(Wal, Seen), OpenError> {
    let fs: Arc<dyn Fs> = Arc::new(fs.clone());
    let (wal, found) = Wal::open(fs, Path::new(DIR), SMALL)?;
    let seen = Seen {
        entries: found.entries.into(),
        book: *wal.book(),
    };
    Ok((wal, seen))
}

/// A log under test beside the list of what was put into it.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) fs: SimFs,
    wal: Option<Wal>,
    records: Vec<Record>,
    /// So many of the records are acknowledged.
    acknowledged: usize,
}

impl Pair {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            fs: SimFs::new(seed),
            wal: None,
            records: Vec::new(),
            acknowledged: 0,
        }
    }

    /// Opens the log and checks what is in it: all that was acknowledged, perhaps some of what
    /// came after it, in order and whole. From then on that is the log.
    ///
    /// # Errors
    /// If it does not open, which is for the caller to judge.
    pub(crate) fn open(&mut self) -> Result<(), OpenError> {
        self.wal = None;
        let (wal, seen) = open(&self.fs)?;
        let seen = seen.lasting();
        let fits = (self.acknowledged..=self.records.len())
            .find(|kept| Seen::of(&self.records[..*kept]).lasting() == seen);
        let Some(kept) = fits else {
            let least = Seen::of(&self.records[..self.acknowledged]);
            panic!(
                "found {seen:#?}\nwhich is none of {} to {} records, the least being {least:#?}",
                self.acknowledged,
                self.records.len()
            );
        };
        self.records.truncate(kept);
        self.acknowledged = kept;
        self.wal = Some(wal);
        Ok(())
    }

    fn seen(&self) -> Seen {
        Seen::of(&self.records)
    }

    fn next_id(&self, term: u64) -> LogId {
        let last = self.seen().book.last;
        let term = term.max(last.map_or(0, |last| last.term));
        LogId {
            term,
            node: 1,
            index: last.map_or(0, |last| last.index + 1),
        }
    }

    fn push(&mut self, record: Record) {
        let Some(wal) = &mut self.wal else { return };
        // A log that stopped may have taken it or not: like one that was never synced.
        let _ = wal.push(&record);
        self.records.push(record);
    }

    pub(crate) fn entry(&mut self, term: u64, bytes: usize) {
        let id = self.next_id(term);
        let payload = vec![id.index as u8 ^ 0x5a; bytes].into();
        self.push(Record::Entry { id, payload });
    }

    pub(crate) fn vote(&mut self, term: u64) {
        let vote = skep_store::log::Vote {
            term,
            node: term % 3,
            committed: term.is_multiple_of(2),
        };
        self.push(Record::Vote(vote));
    }

    /// Truncates to an entry that is there.
    pub(crate) fn truncate(&mut self, which: usize) {
        let entries = self.seen().entries;
        if let Some((id, _)) = entries.get(which % entries.len().max(1)) {
            self.push(Record::Truncate(Some(*id)));
        }
    }

    /// Purges up to an entry that is there.
    pub(crate) fn purge(&mut self, which: usize) {
        let entries = self.seen().entries;
        if let Some((id, _)) = entries.get(which % entries.len().max(1)) {
            self.push(Record::Purge(*id));
        }
    }

    pub(crate) fn committed(&mut self, which: usize) {
        let entries = self.seen().entries;
        if let (Some((id, _)), Some(wal)) = (entries.get(which), &mut self.wal) {
            wal.note_committed(Some(*id));
        }
    }

    /// Syncs, and counts all records as acknowledged if that worked.
    pub(crate) fn sync(&mut self) -> bool {
        let Some(wal) = &mut self.wal else {
            return false;
        };
        if let Some(request) = wal.wants_spare()
            && let Ok(spare) = request.make(&self.fs)
        {
            wal.give_spare(spare);
        }
        let synced = wal.sync().is_ok();
        if synced {
            self.acknowledged = self.records.len();
        }
        synced
    }

    pub(crate) fn stopped(&self) -> bool {
        self.wal.as_ref().is_none_or(|wal| wal.poison().is_some())
    }
}
