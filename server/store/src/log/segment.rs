// SPDX-License-Identifier: Apache-2.0
//! A segment: one file of the log, its name and its header.
//!
//! The header has a block of its own, so that nothing written later shares a sector with it. It
//! says which segment this is, how long its file is, and the [`Book`] of everything before it:
//! older segments may go once their entries are purged, and one that lost records at its end is
//! found out by the header of the next.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::book::Book;
use super::record::{Frame, Kind, LogId, NoFrame, Place, Vote, decode_frame, framed_bytes};
use crate::fs::{File, Fs, OpenMode};

/// The header's block; records begin behind it.
pub(super) const HEADER_BYTES: u64 = 4096;

/// What the header's payload begins with.
const MAGIC: &[u8; 8] = b"skeplog1";

/// How much of a new segment is written in one go.
const FILL_BYTES: usize = 1 << 20;

/// After how much of it a new segment is synced, so that this never hinders other syncs long.
const FILL_SYNC_BYTES: u64 = 8 << 20;

/// What the header of a segment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// The number of the segment.
    pub(super) segment: u64,
    /// The length of its file in bytes.
    pub(super) capacity: u64,
    /// The sum of all records before it.
    pub(super) book: Book,
}

/// The name of a segment's file.
pub(super) fn file_name(segment: u64) -> String {
    format!("log-{segment:020}.wal")
}

/// The number in the name of a segment's file.
pub(super) fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("log-")?.strip_suffix(".wal")?;
    if digits.len() == 20 {
        digits.parse().ok()
    } else {
        None
    }
}

/// Whether a file was being prepared when its daemon ended.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.starts_with("spare-") && name.ends_with(".tmp")
}

impl Header {
    /// The header's block.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut payload = MAGIC.to_vec();
        payload.extend_from_slice(&self.segment.to_le_bytes());
        payload.extend_from_slice(&self.capacity.to_le_bytes());
        let vote = self.book.vote;
        payload.push(match vote {
            None => 0,
            Some(vote) if !vote.committed => 1,
            Some(_) => 2,
        });
        let vote = vote.unwrap_or_default();
        put_id(
            &mut payload,
            Some(LogId {
                term: vote.term,
                node: vote.node,
                index: 0,
            }),
        );
        for id in [self.book.committed, self.book.purged, self.book.last] {
            put_id(&mut payload, id);
        }
        let frame = Frame {
            kind: Kind::Header,
            flag: false,
            into_batch: 0,
            id: LogId::default(),
            payload: &payload,
        };
        let mut block = Vec::with_capacity(HEADER_BYTES as usize);
        frame.encode(
            Place {
                segment: self.segment,
                offset: 0,
            },
            &mut block,
        );
        block.resize(HEADER_BYTES as usize, 0);
        block
    }

    /// Reads the header from the beginning of a segment's file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn decode(segment: u64, file: &[u8]) -> Result<Self, &'static str> {
        let block = file
            .get(..HEADER_BYTES as usize)
            .ok_or("the file is shorter than its header")?;
        let frame = decode_frame(block, Place { segment, offset: 0 }).map_err(|no| match no {
            NoFrame::Unwritten => "its header is missing",
            NoFrame::Broken(_) => "its header is damaged",
        })?;
        let rest = &block[framed_bytes(frame.payload.len())..];
        if frame.kind != Kind::Header || rest.iter().any(|byte| *byte != 0) {
            return Err("its header is damaged");
        }
        Self::of_payload(frame.payload).ok_or("its header is of another version")
    }

    fn of_payload(payload: &[u8]) -> Option<Self> {
        let mut rest = payload.strip_prefix(MAGIC)?;
        let segment = take_number(&mut rest)?;
        let capacity = take_number(&mut rest)?;
        let (vote_kind, after) = rest.split_first()?;
        rest = after;
        let vote = take_id(&mut rest)??;
        let vote = Vote {
            term: vote.term,
            node: vote.node,
            committed: *vote_kind == 2,
        };
        let book = Book {
            vote: (*vote_kind != 0).then_some(vote),
            committed: take_id(&mut rest)?,
            purged: take_id(&mut rest)?,
            last: take_id(&mut rest)?,
        };
        rest.is_empty().then_some(Self {
            segment,
            capacity,
            book,
        })
    }
}

fn put_id(out: &mut Vec<u8>, id: Option<LogId>) {
    out.push(u8::from(id.is_some()));
    let id = id.unwrap_or_default();
    for number in [id.term, id.node, id.index] {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let (number, after) = rest.split_first_chunk::<8>()?;
    *rest = after;
    Some(u64::from_le_bytes(*number))
}

#[expect(
    clippy::option_option,
    reason = "the outer one is for a payload that is too short"
)]
fn take_id(rest: &mut &[u8]) -> Option<Option<LogId>> {
    let (present, after) = rest.split_first()?;
    *rest = after;
    let term = take_number(rest)?;
    let node = take_number(rest)?;
    let index = take_number(rest)?;
    Some((*present == 1).then_some(LogId { term, node, index }))
}

/// A file of zeros, ready to become the next segment: writing into a file that has its length
/// spares each sync the change of it.
#[derive(Debug)]
pub struct Spare {
    pub(super) file: Arc<dyn File>,
    pub(super) path: PathBuf,
    pub(super) capacity: u64,
}

/// Which spare to make, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpareRequest {
    pub(super) path: PathBuf,
    pub(super) capacity: u64,
}

impl SpareRequest {
    /// Makes the file. Takes a while: do it beside the writer, not in it.
    ///
    /// # Errors
    /// The path and what the operating system said.
    pub fn make(&self, fs: &dyn Fs) -> Result<Spare, (PathBuf, io::Error)> {
        match fill(fs, &self.path, self.capacity) {
            Ok(file) => Ok(Spare {
                file,
                path: self.path.clone(),
                capacity: self.capacity,
            }),
            Err(error) => {
                // Half a spare is of no use to anyone, least of all on a full disk.
                let _ = fs.remove(&self.path);
                Err((self.path.clone(), error))
            }
        }
    }
}

fn fill(fs: &dyn Fs, path: &Path, capacity: u64) -> io::Result<Arc<dyn File>> {
    let file = fs.open(path, OpenMode::CreateNew)?;
    fill_with_zeros(file.as_ref(), 0, capacity)?;
    Ok(file)
}

/// Writes zeros from one place to another, and syncs them.
pub(super) fn fill_with_zeros(file: &dyn File, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; FILL_BYTES.min(usize::try_from(to - from).unwrap_or(FILL_BYTES))];
    let mut at = from;
    let mut unsynced = 0;
    while at < to {
        let size = (to - at).min(zeros.len() as u64);
        file.write_at(at, &zeros[..size as usize])?;
        at += size;
        unsynced += size;
        if unsynced >= FILL_SYNC_BYTES {
            file.sync_data()?;
            unsynced = 0;
        }
    }
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let id = |index| {
            Some(LogId {
                term: 3,
                node: 2,
                index,
            })
        };
        let vote = Some(Vote {
            term: 4,
            node: 9,
            committed: true,
        });
        let book = Book {
            vote,
            committed: id(7),
            purged: None,
            last: id(8),
        };
        Header {
            segment: 12,
            capacity: 1 << 20,
            book,
        }
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let block = header().encode();
        assert_eq!(block.len() as u64, HEADER_BYTES);
        assert_eq!(Header::decode(12, &block), Ok(header()));
        assert!(Header::decode(13, &block).is_err(), "under another name");
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        let block = header().encode();
        for bit in 0..block.len() * 8 {
            let mut damaged = block.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(12, &damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn names_carry_numbers() {
        assert_eq!(number_of(&file_name(12)), Some(12));
        for name in [
            "log-12.wal",
            "spare-1.tmp",
            "log-0000000000000000001x.wal",
            "notes",
        ] {
            assert_eq!(number_of(name), None, "{name}");
        }
    }
}
