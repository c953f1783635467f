// SPDX-License-Identifier: Apache-2.0
//! Opening a log: which segments there are, what they say, and whether that is all of it.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::book::Book;
use super::record::{LogId, Record};
use super::scan::{Scan, Tail, scan};
use super::segment::{
    HEADER_BYTES, Header, SpareRequest, file_name, fill_with_zeros, is_unfinished, number_of,
};
use super::wal::{Active, Recovered, Repair, Sealed, WalOptions, capacity_of, start_segment};
use crate::error::{OpenError, io_error};
use crate::fs::{File, Fs, OpenMode, read_all};

/// A log as it was found, and ready to be written on.
pub(super) struct Found {
    pub(super) book: Book,
    pub(super) sealed: VecDeque<Sealed>,
    pub(super) active: Active,
    pub(super) recovered: Recovered,
}

/// The sum of the segments read so far.
struct Reading {
    book: Book,
    entries: VecDeque<(LogId, Bytes)>,
    sealed: VecDeque<Sealed>,
    /// Entries up to this index were before the first segment that was read, and are still
    /// needed.
    unread: Option<u64>,
    /// Where the segment read last ended.
    end: u64,
}

/// The last segment, not repaired yet.
struct Last {
    number: u64,
    file: Arc<dyn File>,
    content: Vec<u8>,
    capacity: u64,
    scan: Scan,
    highest: Option<u64>,
}

/// Reads the log in a directory and repairs its tail; begins one if there is none.
pub(super) fn recover(fs: &dyn Fs, dir: &Path, options: WalOptions) -> Result<Found, OpenError> {
    fs.create_dir(dir).map_err(io_error("make", dir))?;
    let names = fs.list(dir).map_err(io_error("read", dir))?;
    let numbers: Vec<u64> = names.iter().filter_map(|name| number_of(name)).collect();
    let first = first_of_last_row(&numbers);
    let found = match numbers.last() {
        None => begin(fs, dir, options, &names)?,
        Some(last) => read(fs, dir, first, *last)?,
    };
    // The names may be in the system's cache alone, if the daemon died before it synced them.
    fs.sync_dir(dir).map_err(io_error("sync", dir))?;
    // Only now, when the log is sound, is anything removed.
    let leftovers = numbers
        .iter()
        .filter(|number| **number < first)
        .map(|n| file_name(*n));
    let unfinished = names.iter().filter(|name| is_unfinished(name)).cloned();
    for name in leftovers.chain(unfinished) {
        let path = dir.join(name);
        if let Err(error) = fs.remove(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "cannot remove a useless log file");
        }
    }
    Ok(found)
}

/// The first of the numbers that lead to the last one without a gap.
fn first_of_last_row(numbers: &[u64]) -> u64 {
    let mut first = numbers.last().copied().unwrap_or_default();
    for number in numbers.iter().rev().skip(1) {
        if number + 1 != first {
            break;
        }
        first = *number;
    }
    first
}

fn begin(
    fs: &dyn Fs,
    dir: &Path,
    options: WalOptions,
    names: &[String],
) -> Result<Found, OpenError> {
    for name in names.iter().filter(|name| is_unfinished(name)) {
        let path = dir.join(name);
        fs.remove(&path).map_err(io_error("remove", &path))?;
    }
    let capacity = capacity_of(options, 1, 0);
    let request = SpareRequest {
        path: dir.join("spare-1.tmp"),
        capacity,
    };
    let spare = request
        .make(fs)
        .map_err(|(path, source)| io_error("make", &path)(source))?;
    let active = start_segment(fs, dir, 1, spare, Book::default())?;
    Ok(Found {
        book: Book::default(),
        sealed: VecDeque::new(),
        active,
        recovered: Recovered::default(),
    })
}

fn read(fs: &dyn Fs, dir: &Path, first: u64, last: u64) -> Result<Found, OpenError> {
    let mut reading = Reading {
        book: Book::default(),
        entries: VecDeque::new(),
        sealed: VecDeque::new(),
        unread: None,
        end: HEADER_BYTES,
    };
    let mut end = None;
    for number in first..=last {
        end = Some(reading.segment(fs, dir, number, number == first, number == last)?);
    }
    let end = end.expect("the row has at least its last segment");
    reading.check_complete(dir, first)?;
    let (active, repair) = repair(dir, end)?;
    Ok(Found {
        book: reading.book,
        sealed: reading.sealed,
        active,
        recovered: Recovered {
            entries: reading.entries,
            repair,
        },
    })
}

impl Reading {
    fn segment(
        &mut self,
        fs: &dyn Fs,
        dir: &Path,
        number: u64,
        is_first: bool,
        is_last: bool,
    ) -> Result<Last, OpenError> {
        let path = dir.join(file_name(number));
        let file = fs
            .open(&path, OpenMode::Write)
            .map_err(io_error("open", &path))?;
        let content = read_all(file.as_ref()).map_err(io_error("read", &path))?;
        let header = Header::decode(number, &content)
            .map_err(|what| self.damaged(&path, 0, what.to_owned()))?;
        if is_first {
            self.book = header.book;
            self.unread = header.book.last.map(|last| last.index);
            self.purge_unread();
        } else if header.book != self.book {
            let before = dir.join(file_name(number - 1));
            let what = format!("its end is lost, as {} says", file_name(number));
            return Err(self.damaged(&before, self.end, what));
        }
        let mut scan = scan(number, &content);
        let highest = self.take(&path, std::mem::take(&mut scan.records))?;
        check_tail(&scan, is_last).map_err(|what| self.damaged(&path, scan.end, what))?;
        if !is_last {
            self.sealed.push_back(Sealed { number, highest });
        }
        self.end = scan.end;
        let capacity = header.capacity;
        Ok(Last {
            number,
            file,
            content,
            capacity,
            scan,
            highest,
        })
    }

    /// Adds up the records of a segment and gives the highest index in it.
    fn take(&mut self, path: &Path, records: Vec<Record>) -> Result<Option<u64>, OpenError> {
        let mut highest = None;
        let mut offset = HEADER_BYTES;
        for record in records {
            self.book = self
                .book
                .with(&record)
                .map_err(|contradiction| self.damaged(path, offset, contradiction.to_string()))?;
            offset += record.framed_bytes() as u64;
            match record {
                Record::Entry { id, payload } => {
                    highest = highest.max(Some(id.index));
                    self.entries.push_back((id, payload));
                }
                Record::Truncate(keep) => {
                    let after = keep.map(|keep| keep.index);
                    self.unread = self.unread.min(after);
                    while self
                        .entries
                        .back()
                        .is_some_and(|(id, _)| Some(id.index) > after)
                    {
                        self.entries.pop_back();
                    }
                }
                Record::Purge(upto) => {
                    self.purge_unread();
                    while self
                        .entries
                        .front()
                        .is_some_and(|(id, _)| id.index <= upto.index)
                    {
                        self.entries.pop_front();
                    }
                }
                Record::Vote(_) | Record::Committed(_) => {}
            }
        }
        Ok(highest)
    }

    fn purge_unread(&mut self) {
        self.unread = self
            .unread
            .filter(|unread| self.book.purged.is_none_or(|purged| purged.index < *unread));
    }

    /// Checks that nothing is needed from before the first segment.
    fn check_complete(&self, dir: &Path, first: u64) -> Result<(), OpenError> {
        match self.unread {
            None => Ok(()),
            Some(unread) => Err(OpenError::Missing {
                file: dir.join(file_name(first - 1)),
                needed: format!("entry {unread}"),
            }),
        }
    }

    fn damaged(&self, file: &Path, offset: u64, what: String) -> OpenError {
        let after = self.book.last.map(|last| last.index);
        OpenError::Damaged {
            file: file.to_path_buf(),
            offset,
            after,
            what,
        }
    }
}

fn check_tail(scan: &Scan, is_last: bool) -> Result<(), String> {
    match scan.tail {
        Tail::Clean => Ok(()),
        Tail::Damaged { flaw, later } => Err(format!(
            "a record is broken ({flaw}), and a later one at byte {later} is whole"
        )),
        Tail::Torn { .. } if is_last => Ok(()),
        Tail::Torn { flaw, .. } => Err(format!(
            "a record is broken ({flaw}), and there is a later file"
        )),
    }
}

/// Makes the last segment ready to be written on.
fn repair(dir: &Path, last: Last) -> Result<(Active, Option<Repair>), OpenError> {
    let path = dir.join(file_name(last.number));
    let Scan {
        end,
        last_batch,
        tail,
        ..
    } = last.scan;
    let file = last.file.as_ref();
    let repair = match tail {
        Tail::Torn { until, flaw } => {
            fill_with_zeros(file, end, until).map_err(io_error("repair", &path))?;
            Some(Repair {
                file: path.clone(),
                offset: end,
                bytes: until - end,
                flaw,
            })
        }
        _ => None,
    };
    let length = last.content.len() as u64;
    if length < last.capacity {
        fill_with_zeros(file, length, last.capacity).map_err(io_error("repair", &path))?;
    }
    // A sync that failed before the restart may have left the last batch in the system's cache
    // and nowhere else, marked as written. Only writing it again brings it to the disk.
    let batch = last
        .content
        .get(last_batch as usize..end as usize)
        .unwrap_or_default();
    file.write_at(last_batch, batch)
        .map_err(io_error("write", &path))?;
    file.sync_data().map_err(io_error("sync", &path))?;
    report(repair.as_ref());
    let Last {
        number,
        file,
        capacity,
        highest,
        ..
    } = last;
    Ok((
        Active {
            file,
            number,
            capacity: capacity.max(length),
            end,
            highest,
        },
        repair,
    ))
}

fn report(repair: Option<&Repair>) {
    if let Some(repair) = repair {
        tracing::warn!(
            file = %repair.file.display(),
            offset = repair.offset,
            bytes = repair.bytes,
            flaw = repair.flaw,
            "cut off the torn end of the log: it was being written when the machine stopped, \
             and none of it was acknowledged"
        );
    }
}
