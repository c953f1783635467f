// SPDX-License-Identifier: Apache-2.0
//! Reading a segment from its bytes, and judging how it ends.
//!
//! The writer brings a batch to the disk with one write and one sync, and begins the next batch
//! only afterwards. So of all that is in a log, the last batch alone may be incomplete, with
//! holes anywhere in it, and nobody was told that it is durable. What is broken is therefore
//!
//! - a *torn tail*, if no valid record behind it is of a later batch: it is cut off;
//! - *damage*, if one is: an acknowledged record was lost, and to go on would be to forget it.
//!
//! Rot that hits the last batch after it was synced looks like a torn tail. Nothing in the file
//! can tell the two apart; `docs/adr/0002-own-segmented-log.md` says what that means.

use super::record::{ALIGN_BYTES, FRAME_BYTES, NoFrame, Place, Record, decode_frame};
use super::segment::HEADER_BYTES;

/// The records of a segment, and its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) records: Vec<Record>,
    /// Where the batch of the last record began; the end if there is none.
    pub(super) last_batch: u64,
    /// Behind the last valid record.
    pub(super) end: u64,
    pub(super) tail: Tail,
}

/// What is behind the last valid record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// Zeros.
    Clean,
    /// Remains of a batch that was never acknowledged.
    Torn {
        /// Behind the last byte that is not zero.
        until: u64,
        /// What is wrong with the record that should be here.
        flaw: &'static str,
    },
    /// A record that was acknowledged is broken.
    Damaged {
        /// What is wrong with it.
        flaw: &'static str,
        /// Where a record of a later batch begins.
        later: u64,
    },
}

/// Reads the records of a segment; `file` is its whole content.
pub(super) fn scan(segment: u64, file: &[u8]) -> Scan {
    let mut scan = Scan {
        records: Vec::new(),
        last_batch: HEADER_BYTES,
        end: HEADER_BYTES,
        tail: Tail::Clean,
    };
    loop {
        let place = Place {
            segment,
            offset: scan.end,
        };
        let rest = file.get(place.offset as usize..).unwrap_or_default();
        let flaw = match decode_frame(rest, place) {
            Ok(frame) => match Record::of_frame(&frame) {
                Some(record) => {
                    scan.last_batch = place.offset.saturating_sub(u64::from(frame.into_batch));
                    scan.end += record.framed_bytes() as u64;
                    scan.records.push(record);
                    continue;
                }
                None => "it is a header",
            },
            Err(NoFrame::Broken(flaw)) => flaw,
            Err(NoFrame::Unwritten) if rest.iter().all(|byte| *byte == 0) => return scan,
            Err(NoFrame::Unwritten) => "it is missing, but not what follows it",
        };
        scan.tail = judge(segment, file, place.offset, flaw);
        return scan;
    }
}

/// Tells a torn tail from damage, for a flaw at `broken`.
fn judge(segment: u64, file: &[u8], broken: u64, flaw: &'static str) -> Tail {
    let mut offset = broken + ALIGN_BYTES as u64;
    while (offset as usize) + FRAME_BYTES <= file.len() {
        let place = Place { segment, offset };
        match decode_frame(&file[offset as usize..], place) {
            Ok(frame) if offset - u64::from(frame.into_batch) > broken => {
                return Tail::Damaged {
                    flaw,
                    later: offset,
                };
            }
            // It was written together with what is broken.
            Ok(frame) => offset += super::record::framed_bytes(frame.payload.len()) as u64,
            Err(_) => offset += ALIGN_BYTES as u64,
        }
    }
    let last = file.iter().rposition(|byte| *byte != 0);
    Tail::Torn {
        until: last.map_or(broken, |last| last as u64 + 1).max(broken),
        flaw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::record::LogId;

    const SEGMENT: u64 = 3;

    fn entry(index: u64) -> Record {
        let id = LogId {
            term: 1,
            node: 1,
            index,
        };
        Record::Entry {
            id,
            payload: vec![index as u8 + 1; 100].into(),
        }
    }

    /// A segment's content with these batches, and where each record begins.
    fn file_of(batches: &[&[Record]]) -> (Vec<u8>, Vec<usize>) {
        let mut file = vec![0; HEADER_BYTES as usize];
        let mut starts = Vec::new();
        for batch in batches {
            let start = file.len();
            for record in *batch {
                let offset = file.len();
                starts.push(offset);
                let place = Place {
                    segment: SEGMENT,
                    offset: offset as u64,
                };
                record
                    .frame((offset - start) as u32)
                    .encode(place, &mut file);
            }
        }
        file.resize(file.len() + 1000, 0);
        (file, starts)
    }

    fn three_batches() -> (Vec<u8>, Vec<usize>) {
        file_of(&[
            &[entry(0)],
            &[entry(1), entry(2)],
            &[entry(3), entry(4), entry(5)],
        ])
    }

    #[test]
    fn an_unharmed_segment_ends_clean() {
        let (file, starts) = three_batches();
        let scan = scan(SEGMENT, &file);
        assert_eq!(scan.records, (0..6).map(entry).collect::<Vec<_>>());
        assert_eq!(scan.tail, Tail::Clean);
        assert_eq!(scan.last_batch, starts[3] as u64);
        assert_eq!(scan.end, (starts[5] + entry(5).framed_bytes()) as u64);
    }

    #[test]
    fn the_last_batch_may_have_holes_anywhere() {
        for hole in 3..6 {
            let (mut file, starts) = three_batches();
            file[starts[hole]..starts[hole] + 60].fill(0);
            let scan = scan(SEGMENT, &file);
            assert_eq!(scan.records.len(), hole);
            assert_eq!(scan.end, starts[hole] as u64);
            assert!(
                matches!(scan.tail, Tail::Torn { .. }),
                "{hole}: {:?}",
                scan.tail
            );
        }
    }

    #[test]
    fn an_earlier_batch_may_not() {
        for hole in 0..3 {
            let (mut file, starts) = three_batches();
            file[starts[hole] + 50] ^= 1;
            let scan = scan(SEGMENT, &file);
            assert_eq!(scan.records.len(), hole);
            assert_eq!(scan.end, starts[hole] as u64);
            assert!(
                matches!(scan.tail, Tail::Damaged { .. }),
                "{hole}: {:?}",
                scan.tail
            );
        }
    }

    #[test]
    fn garbage_behind_the_end_is_torn_too() {
        let (mut file, starts) = three_batches();
        let end = starts[5] + entry(5).framed_bytes();
        file[end + 200] = 7;
        let scan = scan(SEGMENT, &file);
        assert_eq!(scan.records.len(), 6);
        assert_eq!(
            scan.tail,
            Tail::Torn {
                until: (end + 201) as u64,
                flaw: "it is missing, but not what follows it"
            }
        );
    }

    #[test]
    fn a_record_inside_a_payload_is_none() {
        // The bytes of this very segment, as the payload of an entry whose frame is torn.
        let (inner, starts) = three_batches();
        let id = LogId {
            term: 1,
            node: 1,
            index: 6,
        };
        let outer = Record::Entry {
            id,
            payload: inner.into(),
        };
        let (mut file, outer_starts) = file_of(&[&[outer]]);
        assert_eq!(starts[0], outer_starts[0]);
        file[outer_starts[0]] ^= 1;
        let scan = scan(SEGMENT, &file);
        assert!(matches!(scan.tail, Tail::Torn { .. }), "{:?}", scan.tail);
    }

    #[test]
    fn a_file_that_was_cut_short_is_torn() {
        let (mut file, starts) = three_batches();
        file.truncate(starts[5] + 50);
        let scan = scan(SEGMENT, &file);
        assert_eq!((scan.records.len(), scan.end), (5, starts[5] as u64));
        assert!(matches!(scan.tail, Tail::Torn { .. }), "{:?}", scan.tail);
    }
}
