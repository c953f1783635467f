// SPDX-License-Identifier: Apache-2.0
//! A place in one segment of a log.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use skep_core::model::Timestamp;

use super::record::{Parsed, Record, parse};
use super::segment;

/// How much is read from a file at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// What lies at a cursor's place.
pub(super) enum Step {
    /// A record; the cursor is behind it now.
    Record(Record),
    /// Nothing, or half a record: the end for now.
    End,
    /// Bytes that are no record.
    Damaged,
}

/// A place in one segment.
pub(super) struct Cursor {
    /// Number of the segment's first line.
    pub(super) first: u64,
    file: File,
    /// Where in the file `buffer[used]` lies.
    pub(super) offset: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl Cursor {
    /// The beginning of the segment; none if it is gone.
    pub(super) fn open(dir: &Path, first: u64) -> io::Result<Option<Self>> {
        match File::open(dir.join(segment::name(first))) {
            Ok(file) => Ok(Some(Cursor {
                first,
                file,
                offset: 0,
                buffer: Vec::new(),
                used: 0,
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn step(&mut self) -> io::Result<Step> {
        loop {
            match parse(&self.buffer[self.used..]) {
                Parsed::Record(record, bytes) => {
                    self.used += bytes;
                    self.offset += bytes as u64;
                    return Ok(Step::Record(record));
                }
                Parsed::Damaged => return Ok(Step::Damaged),
                Parsed::Incomplete if self.fill()? => {}
                Parsed::Incomplete => return Ok(Step::End),
            }
        }
    }

    /// Reads more; false at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.used);
        self.used = 0;
        let chunk = CHUNK_BYTES as u64;
        let bytes = Read::by_ref(&mut self.file)
            .take(chunk)
            .read_to_end(&mut self.buffer)?;
        Ok(bytes > 0)
    }

    pub(super) fn seek(&mut self, offset: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(offset))?;
        self.buffer.clear();
        self.used = 0;
        self.offset = offset;
        Ok(())
    }

    /// Whether the first record is younger than `moment`; the cursor stays where it is.
    pub(super) fn begins_after(&mut self, moment: Option<Timestamp>) -> io::Result<bool> {
        let time = match self.step()? {
            Step::Record(record) => Some(record.time()),
            Step::End | Step::Damaged => None,
        };
        self.seek(0)?;
        Ok(time > moment)
    }
}
