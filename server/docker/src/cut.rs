// SPDX-License-Identifier: Apache-2.0
//! Where the lines of a container's output begin and end.
//!
//! The engine gives entries, each a moment and the bytes of a line or of a piece of one. Entries of
//! a container with a terminal come without any frame, one behind the other.

use skep_agent::logs::{LINE_BYTES, LogLine, LogSource};
use skep_core::model::Timestamp;

use crate::moment;

/// The most bytes that the moment before an entry takes, with its space.
const MOMENT_BYTES_MAX: usize = 40;

/// The engine cuts longer lines into pieces of this many bytes.
const PIECE_BYTES: usize = 16 * 1_024;

/// Turns entries into lines, each once, although an entry may come again after a reconnect: the
/// engine can only be asked for what came since a whole second.
#[derive(Default)]
pub(crate) struct Cutter {
    /// The moment of the last entry.
    last: Option<Timestamp>,
    /// How many entries of that moment were given.
    given: u64,
    /// How many entries of that moment came since the last reconnect.
    come: u64,
    /// Bytes from a terminal that make no whole entry yet.
    open: Vec<u8>,
    /// The number of the last line.
    number: u64,
    /// The last whole entry, and where it was printed.
    before: (Option<LogSource>, Vec<u8>),
}

impl Cutter {
    /// The connection is a new one: what came last comes again.
    pub(crate) fn reconnected(&mut self) {
        self.come = 0;
        self.open.clear();
        self.before.0 = None;
    }

    /// The moment to ask for what came since.
    pub(crate) fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// Takes an entry of a container without a terminal.
    pub(crate) fn entry(&mut self, source: LogSource, entry: &[u8]) -> Vec<LogLine> {
        let Some((time, data)) = apart(entry) else {
            return Vec::new();
        };
        if self.is_repeat(source, entry) || !self.is_new(time) {
            return Vec::new();
        }
        let (data, whole) = match data.strip_suffix(b"\n") {
            Some(line) => (line, true),
            None => (data, false),
        };
        self.lines(source, time, data, whole)
    }

    /// Takes bytes of a container with a terminal, which may end anywhere.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Vec<LogLine> {
        self.open.extend_from_slice(bytes);
        let mut lines = Vec::new();
        while let Some(end) = self.open.iter().position(|byte| *byte == b'\n') {
            let rest = self.open.split_off(end + 1);
            let entries = std::mem::replace(&mut self.open, rest);
            for entry in pieces(&entries) {
                lines.extend(self.entry(LogSource::Stdout, entry));
            }
        }
        lines
    }

    /// What is left when nothing follows.
    pub(crate) fn finish(&mut self) -> Vec<LogLine> {
        let entries = std::mem::take(&mut self.open);
        let entries = pieces(&entries);
        entries
            .into_iter()
            .flat_map(|entry| self.entry(LogSource::Stdout, entry))
            .collect()
    }

    /// Whether an entry is the one before it once more: an engine that begins another file says the
    /// last line of the old one twice to those who follow. Pieces of one line may be the same.
    fn is_repeat(&mut self, source: LogSource, entry: &[u8]) -> bool {
        let (from, bytes) = &mut self.before;
        if *from == Some(source) && bytes == entry {
            return true;
        }
        *from = entry.ends_with(b"\n").then_some(source);
        bytes.clear();
        bytes.extend_from_slice(entry);
        false
    }

    /// Whether this entry was not given yet. Entries of one moment are told apart by their order.
    fn is_new(&mut self, time: Timestamp) -> bool {
        match self.last {
            // The engine has gone back, more than one line: what follows comes again.
            Some(last) if time < last => {
                self.come = 0;
                false
            }
            Some(last) if time == last => {
                self.come += 1;
                let new = self.come > self.given;
                self.given = self.given.max(self.come);
                new
            }
            _ => {
                self.last = Some(time);
                self.come = 1;
                self.given = 1;
                true
            }
        }
    }

    fn lines(
        &mut self,
        source: LogSource,
        time: Timestamp,
        data: &[u8],
        whole: bool,
    ) -> Vec<LogLine> {
        // A terminal ends lines with both characters.
        let data = if whole {
            data.strip_suffix(b"\r").unwrap_or(data)
        } else {
            data
        };
        let mut pieces: Vec<&[u8]> = data.chunks(LINE_BYTES).collect();
        if pieces.is_empty() {
            pieces.push(&[]);
        }
        let last = pieces.len() - 1;
        let pieces = pieces.into_iter().enumerate();
        let lines = pieces.map(|(place, data)| LogLine {
            seq: self.number(time),
            time,
            source,
            data: data.to_vec(),
            partial: place < last || !whole,
        });
        lines.collect()
    }

    /// The number of the next line. Engines count none, so it is its moment in nanoseconds: that
    /// grows, and is the same for whoever reads it from wherever.
    fn number(&mut self, time: Timestamp) -> u64 {
        let nanos = u64::try_from(time.0).unwrap_or(0);
        self.number = nanos.max(self.number + 1);
        self.number
    }
}

/// The moment before an entry, and the entry.
fn apart(entry: &[u8]) -> Option<(Timestamp, &[u8])> {
    let window = &entry[..entry.len().min(MOMENT_BYTES_MAX)];
    let space = window.iter().position(|byte| *byte == b' ')?;
    let time = moment::parse(std::str::from_utf8(&entry[..space]).ok()?)?;
    Some((time, &entry[space + 1..]))
}

/// Entries that came one behind the other without a newline: pieces of a line that is too long.
fn pieces(bytes: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while let Some((_, data)) = apart(rest) {
        let head = rest.len() - data.len();
        // A piece is full only if another entry follows it.
        if data.len() <= PIECE_BYTES || apart(&data[PIECE_BYTES..]).is_none() {
            break;
        }
        let (piece, after) = rest.split_at(head + PIECE_BYTES);
        pieces.push(piece);
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "2023-11-14T22:13:20.000000001Z ";
    const TWO: &str = "2023-11-14T22:13:20.000000002Z ";

    fn entry(moment: &str, data: &[u8]) -> Vec<u8> {
        [moment.as_bytes(), data].concat()
    }

    fn texts(lines: &[LogLine]) -> Vec<(String, bool)> {
        let text = |line: &LogLine| String::from_utf8_lossy(&line.data).into_owned();
        lines
            .iter()
            .map(|line| (text(line), line.partial))
            .collect()
    }

    fn whole(text: &str) -> (String, bool) {
        (text.to_owned(), false)
    }

    #[test]
    fn entries_are_lines_with_their_moment() {
        let mut cutter = Cutter::default();
        let lines = cutter.entry(LogSource::Stderr, &entry(ONE, b"a line\n"));
        assert_eq!(texts(&lines), [whole("a line")]);
        assert_eq!(lines[0].time, Timestamp(1_700_000_000_000_000_001));
        assert_eq!(
            (lines[0].source, lines[0].seq),
            (LogSource::Stderr, 1_700_000_000_000_000_001)
        );
        // A piece of a longer line has no newline; an empty line is one.
        let piece = cutter.entry(LogSource::Stdout, &entry(TWO, b"piece"));
        assert_eq!(texts(&piece), [("piece".to_owned(), true)]);
        let empty = cutter.entry(LogSource::Stdout, &entry(TWO, b"\n"));
        assert_eq!(texts(&empty), [whole("")]);
        assert!(piece[0].seq < empty[0].seq);
        assert_eq!(cutter.entry(LogSource::Stdout, b"no moment\n"), []);
    }

    #[test]
    fn what_comes_again_after_a_reconnect_is_not_given_again() {
        let mut cutter = Cutter::default();
        let give = |cutter: &mut Cutter, moment, data: &str| {
            texts(&cutter.entry(LogSource::Stdout, &entry(moment, data.as_bytes())))
        };
        assert_eq!(give(&mut cutter, ONE, "a\n"), [whole("a")]);
        assert_eq!(give(&mut cutter, TWO, "b\n"), [whole("b")]);
        assert_eq!(give(&mut cutter, TWO, "B\n"), [whole("B")]);
        // Nor what an engine says twice because it begins another file.
        assert_eq!(give(&mut cutter, TWO, "B\n"), []);
        // It may go back further than that.
        assert_eq!(give(&mut cutter, ONE, "a\n"), []);
        assert_eq!(give(&mut cutter, TWO, "b\n"), []);
        assert_eq!(give(&mut cutter, TWO, "B\n"), []);
        cutter.reconnected();
        assert_eq!(give(&mut cutter, ONE, "a\n"), []);
        assert_eq!(give(&mut cutter, TWO, "b\n"), []);
        assert_eq!(give(&mut cutter, TWO, "B\n"), []);
        assert_eq!(give(&mut cutter, TWO, "B\n"), []);
        assert_eq!(give(&mut cutter, TWO, "c"), [("c".to_owned(), true)]);
        assert_eq!(give(&mut cutter, TWO, "c"), [("c".to_owned(), true)]);
    }

    #[test]
    fn a_terminal_is_cut_wherever_its_bytes_end() {
        let long = "x".repeat(PIECE_BYTES);
        let text = format!("{ONE}one\r\n{ONE}{long}{TWO}rest\r\n{TWO}no end");
        for size in [1, 7, text.len()] {
            let mut cutter = Cutter::default();
            let bytes = text.as_bytes().chunks(size);
            let mut lines: Vec<_> = bytes.flat_map(|bytes| cutter.raw(bytes)).collect();
            lines.extend(cutter.finish());
            let want = [
                whole("one"),
                (long.clone(), true),
                whole("rest"),
                ("no end".to_owned(), true),
            ];
            assert_eq!(texts(&lines), want, "in pieces of {size}");
        }
    }
}
