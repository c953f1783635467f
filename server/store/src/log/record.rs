// SPDX-License-Identifier: Apache-2.0
//! What the log is made of, and how one record lies on the disk.
//!
//! A record is framed so, all numbers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | CRC-32C of the place of the record and of all that follows, padding included |
//! | 4 | length of the payload |
//! | 1 | kind |
//! | 1 | flags |
//! | 2 | zero |
//! | 4 | bytes from the start of its batch to this record |
//! | 8 | index |
//! | 8 | term |
//! | 8 | node |
//! | n | payload |
//! | 0-7 | zero, up to a multiple of 8 |
//!
//! The checksum covers the place (segment and offset), so a record that turns up elsewhere, or
//! inside the payload of another one, is none. A batch is what one write and one sync brought
//! to the disk: knowing where it began is what tells a torn end from damage (`scan.rs`).

use bytes::Bytes;

/// Records begin at multiples of this.
pub(super) const ALIGN_BYTES: usize = 8;

/// The frame before the payload.
pub(super) const FRAME_BYTES: usize = 40;

/// The largest payload. The limit of an entry is lower, see
/// [`crate::ENTRY_BYTES_MAX`].
pub const PAYLOAD_BYTES_MAX: usize = 32 << 20;

/// A place in the log: the index, and the leader that wrote the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LogId {
    /// The leader's term.
    pub term: u64,
    /// The leader's Raft id.
    pub node: u64,
    /// The index, from 0.
    pub index: u64,
}

/// Whom this member votes for, in which term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vote {
    /// The term.
    pub term: u64,
    /// The Raft id of the candidate.
    pub node: u64,
    /// Whether a majority granted it, so that the candidate leads.
    pub committed: bool,
}

/// One record of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// An entry.
    Entry {
        /// Where it is.
        id: LogId,
        /// What it says; the log does not look into it. At most [`PAYLOAD_BYTES_MAX`].
        payload: Bytes,
    },
    /// The vote, from now on.
    Vote(Vote),
    /// The last entry known to be committed; nothing: none.
    Committed(Option<LogId>),
    /// The entries after this one are gone; nothing: all are.
    Truncate(Option<LogId>),
    /// The entries up to this one, itself included, are gone: a snapshot has them.
    Purge(LogId),
}

/// Where a record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The number of the segment.
    pub(super) segment: u64,
    /// Bytes from the start of its file.
    pub(super) offset: u64,
}

/// The kinds of frames. The header of a segment is framed like a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Header = 1,
    Entry = 2,
    Vote = 3,
    Committed = 4,
    Truncate = 5,
    Purge = 6,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        let kinds = [
            Self::Header,
            Self::Entry,
            Self::Vote,
            Self::Committed,
            Self::Truncate,
            Self::Purge,
        ];
        kinds.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// The frame says something of this kind: it has a log id, or the vote is committed.
const FLAG_SET: u8 = 1;

/// A frame and its payload, not interpreted yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) kind: Kind,
    pub(super) flag: bool,
    /// Bytes from the start of its batch to this record.
    pub(super) into_batch: u32,
    pub(super) id: LogId,
    pub(super) payload: &'a [u8],
}

/// What there is instead of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoFrame {
    /// Zeros, or less space than a frame takes: nothing was written here.
    Unwritten,
    /// Something, but no frame of this place.
    Broken(&'static str),
}

/// How many bytes a payload takes with its frame.
pub(super) const fn framed_bytes(payload: usize) -> usize {
    (FRAME_BYTES + payload).next_multiple_of(ALIGN_BYTES)
}

impl Frame<'_> {
    /// Appends the frame to `out`, for this place.
    pub(super) fn encode(&self, place: Place, out: &mut Vec<u8>) {
        let start = out.len();
        let length = u32::try_from(self.payload.len()).expect("payloads are limited");
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&[self.kind as u8, u8::from(self.flag), 0, 0]);
        out.extend_from_slice(&self.into_batch.to_le_bytes());
        for number in [self.id.index, self.id.term, self.id.node] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(self.payload);
        out.resize(start + framed_bytes(self.payload.len()), 0);
        let checksum = checksum(place, &out[start + 4..]);
        out[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
    }
}

fn checksum(place: Place, bytes: &[u8]) -> u32 {
    let seed = crc32c::crc32c(&place.segment.to_le_bytes());
    let seed = crc32c::crc32c_append(seed, &place.offset.to_le_bytes());
    crc32c::crc32c_append(seed, bytes)
}

/// Reads the frame that begins `bytes`, which lie at `place`.
pub(super) fn decode_frame(bytes: &[u8], place: Place) -> Result<Frame<'_>, NoFrame> {
    let Some(head) = bytes.get(..FRAME_BYTES) else {
        let unwritten = bytes.iter().all(|byte| *byte == 0);
        return Err(if unwritten {
            NoFrame::Unwritten
        } else {
            NoFrame::Broken("it is cut off")
        });
    };
    let length = number_at(head, 4, 4) as usize;
    let Some(kind) = Kind::of(head[8]).filter(|_| head[9] <= FLAG_SET && head[10..12] == [0, 0])
    else {
        let unwritten = head.iter().all(|byte| *byte == 0);
        return Err(if unwritten {
            NoFrame::Unwritten
        } else {
            NoFrame::Broken("it is no record")
        });
    };
    if length > PAYLOAD_BYTES_MAX {
        return Err(NoFrame::Broken("its length is impossible"));
    }
    let Some(framed) = bytes.get(..framed_bytes(length)) else {
        return Err(NoFrame::Broken("it is cut off"));
    };
    if number_at(head, 0, 4) != u64::from(checksum(place, &framed[4..])) {
        return Err(NoFrame::Broken("its checksum is wrong"));
    }
    Ok(Frame {
        kind,
        flag: head[9] == FLAG_SET,
        into_batch: u32::from_le_bytes([head[12], head[13], head[14], head[15]]),
        id: LogId {
            index: number_at(head, 16, 8),
            term: number_at(head, 24, 8),
            node: number_at(head, 32, 8),
        },
        payload: &framed[FRAME_BYTES..FRAME_BYTES + length],
    })
}

fn number_at(bytes: &[u8], at: usize, size: usize) -> u64 {
    let mut number = [0; 8];
    number[..size].copy_from_slice(&bytes[at..at + size]);
    u64::from_le_bytes(number)
}

impl Record {
    /// The frame of this record, in a batch that began so many bytes before it.
    pub(super) fn frame(&self, into_batch: u32) -> Frame<'_> {
        let frame = |kind, id: Option<LogId>| Frame {
            kind,
            flag: id.is_some(),
            into_batch,
            id: id.unwrap_or_default(),
            payload: &[],
        };
        match self {
            Self::Entry { id, payload } => Frame {
                payload,
                ..frame(Kind::Entry, Some(*id))
            },
            Self::Vote(vote) => Frame {
                flag: vote.committed,
                id: LogId {
                    term: vote.term,
                    node: vote.node,
                    index: 0,
                },
                ..frame(Kind::Vote, None)
            },
            Self::Committed(id) => frame(Kind::Committed, *id),
            Self::Truncate(id) => frame(Kind::Truncate, *id),
            Self::Purge(id) => frame(Kind::Purge, Some(*id)),
        }
    }

    /// The record of a frame; nothing for the header of a segment.
    pub(super) fn of_frame(frame: &Frame<'_>) -> Option<Self> {
        let id = frame.flag.then_some(frame.id);
        match frame.kind {
            Kind::Header => None,
            Kind::Entry => Some(Self::Entry {
                id: frame.id,
                payload: Bytes::copy_from_slice(frame.payload),
            }),
            Kind::Vote => Some(Self::Vote(Vote {
                term: frame.id.term,
                node: frame.id.node,
                committed: frame.flag,
            })),
            Kind::Committed => Some(Self::Committed(id)),
            Kind::Truncate => Some(Self::Truncate(id)),
            Kind::Purge => Some(Self::Purge(frame.id)),
        }
    }

    /// How many bytes it takes on the disk.
    #[must_use]
    pub fn framed_bytes(&self) -> usize {
        match self {
            Self::Entry { payload, .. } => framed_bytes(payload.len()),
            _ => framed_bytes(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_id() -> impl Strategy<Value = LogId> {
        any::<(u64, u64, u64)>().prop_map(|(term, node, index)| LogId { term, node, index })
    }

    fn any_record() -> impl Strategy<Value = Record> {
        prop_oneof![
            (any_id(), proptest::collection::vec(any::<u8>(), 0..200)).prop_map(|(id, payload)| {
                Record::Entry {
                    id,
                    payload: payload.into(),
                }
            }),
            any::<(u64, u64, bool)>().prop_map(|(term, node, committed)| Record::Vote(Vote {
                term,
                node,
                committed
            })),
            proptest::option::of(any_id()).prop_map(Record::Committed),
            proptest::option::of(any_id()).prop_map(Record::Truncate),
            any_id().prop_map(Record::Purge),
        ]
    }

    fn encoded(record: &Record, place: Place) -> Vec<u8> {
        let mut bytes = Vec::new();
        record.frame(16).encode(place, &mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(record in any_record(), segment: u64, offset: u64) {
            let place = Place { segment, offset };
            let bytes = encoded(&record, place);
            prop_assert_eq!(bytes.len(), record.framed_bytes());
            prop_assert_eq!(bytes.len() % ALIGN_BYTES, 0);
            let frame = decode_frame(&bytes, place).expect("a frame");
            prop_assert_eq!(frame.into_batch, 16);
            prop_assert_eq!(Record::of_frame(&frame), Some(record));
        }

        #[test]
        fn elsewhere_it_is_no_record(record in any_record(), offset: u64) {
            let bytes = encoded(&record, Place { segment: 1, offset });
            let moved = Place { segment: 1, offset: offset.wrapping_add(8) };
            prop_assert!(decode_frame(&bytes, moved).is_err());
            let elsewhere = Place { segment: 2, offset };
            prop_assert!(decode_frame(&bytes, elsewhere).is_err());
        }

        #[test]
        fn every_flipped_bit_is_noticed(record in any_record(), bit: prop::sample::Index) {
            let place = Place { segment: 1, offset: 4096 };
            let mut bytes = encoded(&record, place);
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(decode_frame(&bytes, place).is_err());
        }
    }

    #[test]
    fn zeros_were_never_written() {
        let place = Place {
            segment: 1,
            offset: 4096,
        };
        assert_eq!(decode_frame(&[0; 100], place), Err(NoFrame::Unwritten));
        assert_eq!(decode_frame(&[0; 7], place), Err(NoFrame::Unwritten));
    }
}
