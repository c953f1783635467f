// SPDX-License-Identifier: Apache-2.0
//! The log itself: records in, one write and one sync a batch.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::book::Book;
use super::error::{LogError, Poison};
use super::record::{LogId, Place, Record};
use super::segment::{HEADER_BYTES, Header, Spare, SpareRequest, file_name};
use crate::error::{OpenError, io_error};
use crate::fs::{File, Fs};

/// How the log is cut into files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalOptions {
    /// The length of the first segment in bytes. Each further one is twice as long, so that a
    /// quiet swarm takes little room and a busy one changes files seldom.
    pub segment_bytes_first: u64,
    /// The length that segments grow to. One that must hold a longer record is longer.
    pub segment_bytes_max: u64,
}

impl Default for WalOptions {
    fn default() -> Self {
        Self {
            segment_bytes_first: 4 << 20,
            segment_bytes_max: 64 << 20,
        }
    }
}

/// What was found when the log was opened.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The entries that are neither purged nor truncated, in order.
    pub entries: VecDeque<(LogId, Bytes)>,
    /// A torn tail that was cut off.
    pub repair: Option<Repair>,
}

/// A torn tail that was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// The file.
    pub file: PathBuf,
    /// Where it was cut.
    pub offset: u64,
    /// How many bytes were cut off.
    pub bytes: u64,
    /// What was wrong with the first record that was cut off.
    pub flaw: &'static str,
}

/// A segment that is full; only reading at the next start and removing are left to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sealed {
    pub(super) number: u64,
    /// The highest index of an entry in it.
    pub(super) highest: Option<u64>,
}

/// The segment that is written.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) file: Arc<dyn File>,
    pub(super) number: u64,
    pub(super) capacity: u64,
    /// Where the next batch goes. Everything before it is synced.
    pub(super) end: u64,
    pub(super) highest: Option<u64>,
}

/// The segmented log over an [`Fs`], without threads: [`Wal::push`] gathers records,
/// [`Wal::sync`] makes them durable. [`super::LogWriter`] drives it from a thread, the
/// simulation by itself.
///
/// After the first failure it is poisoned: it takes nothing and acknowledges nothing any more.
#[derive(Debug)]
pub struct Wal {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    options: WalOptions,
    book: Book,
    sealed: VecDeque<Sealed>,
    active: Active,
    /// Records that were pushed and not synced, framed for their place.
    batch: Vec<u8>,
    /// Written with the next batch: it is worth no sync of its own.
    committed: Option<Option<LogId>>,
    spare: Option<Spare>,
    spares_made: u64,
    /// A purge was pushed: segments may have become useless.
    purged: bool,
    poison: Option<Poison>,
}

impl Wal {
    /// Opens the log in a directory, or begins one there, and repairs a torn tail.
    ///
    /// # Errors
    /// [`OpenError`], with file, offset and cure.
    pub fn open(
        fs: Arc<dyn Fs>,
        dir: &Path,
        options: WalOptions,
    ) -> Result<(Self, Recovered), OpenError> {
        let found = super::recover::recover(fs.as_ref(), dir, options)?;
        let wal = Self {
            fs,
            dir: dir.to_path_buf(),
            options,
            book: found.book,
            sealed: found.sealed,
            active: found.active,
            batch: Vec::new(),
            committed: None,
            spare: None,
            spares_made: 0,
            purged: true,
            poison: None,
        };
        Ok((wal, found.recovered))
    }

    /// What all records say together, those not yet synced included.
    #[must_use]
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Why the log stopped; nothing: it goes on.
    #[must_use]
    pub fn poison(&self) -> Option<&Poison> {
        self.poison.as_ref()
    }

    /// Takes a record. It is durable after the next [`Wal::sync`]; if the segment is full,
    /// those before it are already now.
    ///
    /// # Errors
    /// If the record cannot follow, or if the log stopped.
    pub fn push(&mut self, record: &Record) -> Result<(), LogError> {
        self.check_poison()?;
        let book = self.book.with(record)?;
        let needed = record.framed_bytes() as u64;
        if needed > self.free_bytes() {
            self.write_batch()?;
            self.next_segment(needed)?;
        }
        let into_batch = self.batch.len();
        let offset = self.active.end + into_batch as u64;
        let place = Place {
            segment: self.active.number,
            offset,
        };
        let into_batch = u32::try_from(into_batch).expect("batches are limited");
        record.frame(into_batch).encode(place, &mut self.batch);
        self.book = book;
        match record {
            Record::Entry { id, .. } => {
                self.active.highest = self.active.highest.max(Some(id.index));
            }
            Record::Purge(_) => self.purged = true,
            _ => {}
        }
        Ok(())
    }

    /// Notes how far entries are committed. It goes to the disk with the next batch: losing it
    /// costs the next start some waiting and nothing else.
    pub fn note_committed(&mut self, id: Option<LogId>) {
        self.committed = Some(id);
    }

    /// Makes everything that was pushed durable, with one write and one sync.
    ///
    /// # Errors
    /// If the disk fails, now or before.
    pub fn sync(&mut self) -> Result<(), Poison> {
        self.check_poison()?;
        if self.batch.is_empty() {
            return Ok(());
        }
        self.push_committed()?;
        self.write_batch()?;
        if std::mem::take(&mut self.purged) {
            self.remove_useless();
        }
        Ok(())
    }

    /// Writes what was only noted, for a start without waiting. The log can be used on.
    ///
    /// # Errors
    /// If the disk fails, now or before.
    pub fn flush(&mut self) -> Result<(), Poison> {
        self.check_poison()?;
        self.push_committed()?;
        self.write_batch()
    }

    fn push_committed(&mut self) -> Result<(), Poison> {
        // One that is noted early waits for its entry.
        let last = self.book.last;
        let Some(id) = self
            .committed
            .take_if(|id| *id <= last)
            .filter(|id| *id != self.book.committed)
        else {
            return Ok(());
        };
        match self.push(&Record::Committed(id)) {
            Ok(()) => Ok(()),
            Err(LogError::Poisoned(poison)) => Err(poison),
            Err(LogError::Contradiction(_)) => unreachable!("a commit contradicts nothing"),
        }
    }

    /// How many bytes of records were pushed and not synced.
    #[must_use]
    pub fn unsynced_bytes(&self) -> usize {
        self.batch.len()
    }

    /// How many bytes of records still fit into the present segment.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        self.active
            .capacity
            .saturating_sub(self.active.end + self.batch.len() as u64)
    }

    /// The file to prepare for the next segment, once half of the present one is used. Asked
    /// for once; without it, the change of segments takes as long as making the file does.
    pub fn wants_spare(&mut self) -> Option<SpareRequest> {
        let used = self.active.capacity - self.free_bytes();
        let wanted = self.spare.is_none()
            && self.spares_made < self.active.number
            && used * 2 > self.active.capacity;
        wanted.then(|| self.spare_request("ahead", 0))
    }

    /// One that is made ahead and one that is needed at once must not meet.
    fn spare_request(&mut self, why: &str, record_bytes: u64) -> SpareRequest {
        self.spares_made = self.active.number;
        let number = self.active.number + 1;
        SpareRequest {
            path: self.dir.join(format!("spare-{number}-{why}.tmp")),
            capacity: capacity_of(self.options, number, record_bytes),
        }
    }

    /// Takes the file that [`Wal::wants_spare`] asked for.
    pub fn give_spare(&mut self, spare: Spare) {
        self.spare = Some(spare);
    }

    fn check_poison(&self) -> Result<(), Poison> {
        self.poison.clone().map_or(Ok(()), Err)
    }

    fn stop(&mut self, operation: &'static str, path: &Path, cause: &std::io::Error) -> Poison {
        let poison = Poison::new(operation, path, cause);
        self.poison = Some(poison.clone());
        poison
    }

    fn active_path(&self) -> PathBuf {
        self.dir.join(file_name(self.active.number))
    }

    fn write_batch(&mut self) -> Result<(), Poison> {
        if self.batch.is_empty() {
            return Ok(());
        }
        if let Err(cause) = self.active.file.write_at(self.active.end, &self.batch) {
            return Err(self.stop("write", &self.active_path(), &cause));
        }
        if !cfg!(skep_bug = "forget_sync")
            && let Err(cause) = self.active.file.sync_data()
        {
            return Err(self.stop("sync", &self.active_path(), &cause));
        }
        self.active.end += self.batch.len() as u64;
        self.batch.clear();
        Ok(())
    }

    /// Goes on in a new segment that has room for `needed` bytes.
    fn next_segment(&mut self, needed: u64) -> Result<(), Poison> {
        let spare = match self.spare.take() {
            Some(spare) if spare.capacity >= HEADER_BYTES + needed => spare,
            unfit => {
                if let Some(small) = unfit {
                    let _ = self.fs.remove(&small.path);
                }
                let request = self.spare_request("now", needed);
                match request.make(self.fs.as_ref()) {
                    Ok(spare) => spare,
                    Err((path, cause)) => return Err(self.stop("make", &path, &cause)),
                }
            }
        };
        let number = self.active.number + 1;
        let active = match start_segment(self.fs.as_ref(), &self.dir, number, spare, self.book) {
            Ok(active) => active,
            Err(OpenError::Io {
                operation,
                path,
                source,
            }) => {
                return Err(self.stop(operation, &path, &source));
            }
            Err(_) => unreachable!("a new segment can only fail to be written"),
        };
        self.sealed.push_back(Sealed {
            number: self.active.number,
            highest: self.active.highest,
        });
        self.active = active;
        Ok(())
    }

    /// Removes the segments at the beginning whose entries are all purged. The purge itself is
    /// durable by now, and what else they said is in the header of the segment after them.
    fn remove_useless(&mut self) {
        let purged = self.book.purged.map(|id| id.index);
        let mut removed = false;
        while let Some(first) = self.sealed.front().copied() {
            if first.highest > purged {
                break;
            }
            let path = self.dir.join(file_name(first.number));
            if let Err(error) = self.fs.remove(&path) {
                // It takes room, that is all; the next purge tries again.
                tracing::warn!(path = %path.display(), %error, "cannot remove an old log file");
                break;
            }
            self.sealed.pop_front();
            removed = true;
        }
        if removed && let Err(error) = self.fs.sync_dir(&self.dir) {
            tracing::warn!(path = %self.dir.display(), %error, "cannot sync the log directory");
        }
    }
}

/// The length of a segment's file.
pub(super) fn capacity_of(options: WalOptions, number: u64, record_bytes: u64) -> u64 {
    let doublings = u32::try_from(number.saturating_sub(1))
        .unwrap_or(u32::MAX)
        .min(32);
    let planned = options.segment_bytes_first.saturating_mul(1 << doublings);
    planned
        .min(options.segment_bytes_max)
        .max(HEADER_BYTES + record_bytes)
}

/// Makes a prepared file the segment with this number.
pub(super) fn start_segment(
    fs: &dyn Fs,
    dir: &Path,
    number: u64,
    spare: Spare,
    book: Book,
) -> Result<Active, OpenError> {
    let header = Header {
        segment: number,
        capacity: spare.capacity,
        book,
    };
    spare
        .file
        .write_at(0, &header.encode())
        .map_err(io_error("write", &spare.path))?;
    spare
        .file
        .sync_data()
        .map_err(io_error("sync", &spare.path))?;
    let path = dir.join(file_name(number));
    fs.rename(&spare.path, &path)
        .map_err(io_error("rename", &spare.path))?;
    fs.sync_dir(dir).map_err(io_error("sync", dir))?;
    Ok(Active {
        file: spare.file,
        number,
        capacity: spare.capacity,
        end: HEADER_BYTES,
        highest: None,
    })
}
