// SPDX-License-Identifier: Apache-2.0
//! How a line stands in a file.
//!
//! A record is a header in plain text, the bytes of the line, and a newline:
//! `SEQ TIME KIND LENGTH` with KIND `o-` or `o+` for standard output (`+`: goes on in the
//! next), `e-` or `e+` for standard error, `g-` for a gap, whose data is the number of lines
//! dropped and whose number is that of the last of them. The length makes it safe for any
//! bytes; the text makes a file readable with `cat`.

use std::io::Write;

use skep_core::model::Timestamp;

use super::{LINE_BYTES, LogLine, LogSource};

/// A header is two numbers of at most 20 digits, two marks, a length and its separators.
const HEADER_BYTES: usize = 64;

/// What one record says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Record {
    /// A line.
    Line(LogLine),
    /// `lines` lines up to number `last` were dropped.
    Dropped {
        /// Number of the last of them.
        last: u64,
        /// When that was known.
        time: Timestamp,
        /// How many.
        lines: u64,
    },
}

impl Record {
    /// The number of the (last) line it stands for.
    pub(super) fn seq(&self) -> u64 {
        match self {
            Record::Line(line) => line.seq,
            Record::Dropped { last, .. } => *last,
        }
    }

    /// When it was written.
    pub(super) fn time(&self) -> Timestamp {
        match self {
            Record::Line(LogLine { time, .. }) | Record::Dropped { time, .. } => *time,
        }
    }
}

/// What the bytes at some place of a file are.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Parsed {
    /// A record of so many bytes.
    Record(Record, usize),
    /// The beginning of a record, or nothing yet.
    Incomplete,
    /// No record: the file was damaged.
    Damaged,
}

/// Writes a line.
pub(super) fn put_line(
    out: &mut Vec<u8>,
    seq: u64,
    time: Timestamp,
    source: LogSource,
    data: &[u8],
    partial: bool,
) {
    let kind = match source {
        LogSource::Stdout => 'o',
        LogSource::Stderr => 'e',
    };
    put(out, seq, time, kind, partial, data);
}

/// Writes that `lines` lines up to number `last` were dropped.
pub(super) fn put_dropped(out: &mut Vec<u8>, last: u64, time: Timestamp, lines: u64) {
    put(out, last, time, 'g', false, lines.to_string().as_bytes());
}

fn put(out: &mut Vec<u8>, seq: u64, time: Timestamp, kind: char, more: bool, data: &[u8]) {
    let more = if more { '+' } else { '-' };
    writeln!(out, "{seq} {} {kind}{more} {}", time.0, data.len())
        .expect("writing to a vector cannot fail");
    out.extend_from_slice(data);
    out.push(b'\n');
}

/// Reads the record that `bytes` begin with.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let window = &bytes[..bytes.len().min(HEADER_BYTES)];
    let Some(end) = window.iter().position(|byte| *byte == b'\n') else {
        return if window.len() < HEADER_BYTES {
            Parsed::Incomplete
        } else {
            Parsed::Damaged
        };
    };
    let Some(header) = Header::parse(&window[..end]) else {
        return Parsed::Damaged;
    };
    let data = end + 1..end + 1 + header.length;
    match bytes.get(data.end) {
        None => Parsed::Incomplete,
        Some(b'\n') => match header.record(&bytes[data.clone()]) {
            Some(record) => Parsed::Record(record, data.end + 1),
            None => Parsed::Damaged,
        },
        Some(_) => Parsed::Damaged,
    }
}

struct Header {
    seq: u64,
    time: Timestamp,
    kind: u8,
    partial: bool,
    length: usize,
}

impl Header {
    fn parse(text: &[u8]) -> Option<Header> {
        let text = std::str::from_utf8(text).ok()?;
        let mut words = text.split(' ');
        let seq = words.next()?.parse().ok()?;
        let time = Timestamp(words.next()?.parse().ok()?);
        let &[kind, more] = words.next()?.as_bytes() else {
            return None;
        };
        let partial = match more {
            b'+' => true,
            b'-' => false,
            _ => return None,
        };
        let length = words
            .next()?
            .parse()
            .ok()
            .filter(|length| *length <= LINE_BYTES)?;
        words.next().is_none().then_some(Header {
            seq,
            time,
            kind,
            partial,
            length,
        })
    }

    fn record(&self, data: &[u8]) -> Option<Record> {
        let source = match self.kind {
            b'o' => LogSource::Stdout,
            b'e' => LogSource::Stderr,
            b'g' => {
                let lines = std::str::from_utf8(data).ok()?.parse().ok()?;
                return Some(Record::Dropped {
                    last: self.seq,
                    time: self.time,
                    lines,
                });
            }
            _ => return None,
        };
        let Header {
            seq, time, partial, ..
        } = *self;
        Some(Record::Line(LogLine {
            seq,
            time,
            source,
            data: data.to_vec(),
            partial,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64, data: &[u8], partial: bool) -> LogLine {
        let time = Timestamp::from_millis(1_700_000_000_000);
        LogLine {
            seq,
            time,
            source: LogSource::Stderr,
            data: data.to_vec(),
            partial,
        }
    }

    fn encoded(line: &LogLine) -> Vec<u8> {
        let mut out = Vec::new();
        put_line(
            &mut out,
            line.seq,
            line.time,
            line.source,
            &line.data,
            line.partial,
        );
        out
    }

    #[test]
    fn any_bytes_come_back_as_they_were() {
        let all: Vec<u8> = (0..=255).collect();
        for data in [
            &b""[..],
            b"plain",
            b"\n\n1 2 o- 3\n",
            &all,
            &[0xff; LINE_BYTES],
        ] {
            let line = line(u64::MAX, data, data.len() == LINE_BYTES);
            let bytes = encoded(&line);
            assert_eq!(
                parse(&bytes),
                Parsed::Record(Record::Line(line), bytes.len())
            );
        }
    }

    #[test]
    fn a_gap_comes_back() {
        let mut bytes = Vec::new();
        put_dropped(&mut bytes, 90, Timestamp(5), 12);
        let want = Record::Dropped {
            last: 90,
            time: Timestamp(5),
            lines: 12,
        };
        assert_eq!(parse(&bytes), Parsed::Record(want, bytes.len()));
    }

    #[test]
    fn every_beginning_of_a_record_is_incomplete() {
        let bytes = encoded(&line(7, b"some words", false));
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end]), Parsed::Incomplete, "{end} bytes");
        }
    }

    #[test]
    fn what_is_no_record_is_damage() {
        for bytes in [
            &b"x 1 o- 0\n\n"[..],
            b"1 1 o- 16385\n",
            b"1 1 o? 0\n\n",
            b"1 1 z- 0\n\n",
            b"1 1 o- 0 9\n\n",
            b"1 1 o- 1\nabc",
            b"1 1 g- 2\nxx\n",
            &[0; 80],
            &[b'1'; 80],
        ] {
            assert_eq!(
                parse(bytes),
                Parsed::Damaged,
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
    }
}
