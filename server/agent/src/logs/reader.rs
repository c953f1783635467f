// SPDX-License-Identifier: Apache-2.0
//! Reads the log of one task, also while it is being written.

use std::io;
use std::path::{Path, PathBuf};

use skep_core::model::Timestamp;

use super::cursor::{Cursor, Step};
use super::record::Record;
use super::{GapReason, LogItem, LogQuery, segment};

/// A place in a log, moving forward.
pub(super) struct Reader {
    dir: PathBuf,
    since: Option<Timestamp>,
    /// Older lines than the first there is would have been wanted too, if they are young enough.
    wants_older: bool,
    place: Option<Cursor>,
    /// Number of the line that comes next; none: the first there is may have any.
    next: Option<u64>,
    /// A segment after the present one was seen, so one more look ends the present one.
    last_look: bool,
    /// The rest of the present segment cannot be read.
    damaged: bool,
}

impl Reader {
    /// Finds the place that `query` asks to begin at.
    pub(super) fn open(dir: &Path, query: &LogQuery) -> io::Result<Self> {
        let mut reader = Reader {
            dir: dir.to_owned(),
            since: query.since,
            wants_older: query.tail.is_none() && query.since.is_some(),
            place: None,
            next: (query.tail.is_none() && query.since.is_none()).then_some(1),
            last_look: false,
            damaged: false,
        };
        if let Some(lines) = query.tail {
            reader.place = tail_place(dir, lines as usize)?;
        }
        Ok(reader)
    }

    /// Up to `limit` things that come next (few more where gaps are found on the way). Nothing:
    /// there are no more for now.
    pub(super) fn read(&mut self, limit: usize) -> io::Result<Vec<LogItem>> {
        let mut items = Vec::new();
        while items.len() < limit {
            let Some(cursor) = &mut self.place else {
                if self.enter_segment(&mut items)? {
                    continue;
                }
                break;
            };
            match if self.damaged {
                Step::End
            } else {
                cursor.step()?
            } {
                Step::Record(record) => self.give(record, &mut items),
                Step::Damaged => {
                    self.damaged = true;
                    items.push(LogItem::Gap {
                        reason: GapReason::Damaged,
                        lines: 0,
                    });
                }
                Step::End => {
                    let after = cursor.first;
                    if self.last_look {
                        self.place = None;
                    } else if segments(&self.dir)?.into_iter().any(|first| first > after) {
                        // The writer may have added to this one before it began the next.
                        self.last_look = true;
                    } else {
                        break;
                    }
                }
            }
        }
        Ok(items)
    }

    /// Opens the segment that comes next and tells what is missing before it. False: there is
    /// none.
    fn enter_segment(&mut self, items: &mut Vec<LogItem>) -> io::Result<bool> {
        let next = self.next.unwrap_or(0);
        let Some(first) = segments(&self.dir)?
            .into_iter()
            .find(|first| *first >= next)
        else {
            return Ok(false);
        };
        let Some(mut cursor) = Cursor::open(&self.dir, first)? else {
            // Deleted between the two looks; there is a later one then.
            return Ok(true);
        };
        match self.next {
            Some(next) if first > next && !self.damaged => {
                items.push(LogItem::Gap {
                    reason: GapReason::Rotated,
                    lines: first - next,
                });
            }
            None if first > 1 && self.wants_older && cursor.begins_after(self.since)? => {
                items.push(LogItem::Gap {
                    reason: GapReason::Rotated,
                    lines: 0,
                });
            }
            _ => {}
        }
        self.next = Some(first);
        self.place = Some(cursor);
        self.last_look = false;
        self.damaged = false;
        Ok(true)
    }

    fn give(&mut self, record: Record, items: &mut Vec<LogItem>) {
        self.next = Some(record.seq() + 1);
        if self.since.is_some_and(|since| record.time() < since) {
            return;
        }
        items.push(match record {
            Record::Line(line) => LogItem::Line(line),
            Record::Dropped { lines, .. } => LogItem::Gap {
                reason: GapReason::RateLimited,
                lines,
            },
        });
    }
}

/// First lines of the segments there are, in order; none if the directory is gone.
fn segments(dir: &Path) -> io::Result<Vec<u64>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut firsts = Vec::new();
    for entry in entries {
        firsts.extend(entry?.file_name().to_str().and_then(segment::first_of));
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// The place before the last `lines` lines; none: before all there are.
fn tail_place(dir: &Path, lines: usize) -> io::Result<Option<Cursor>> {
    let mut missing = lines;
    for first in segments(dir)?.into_iter().rev() {
        let Some(mut cursor) = Cursor::open(dir, first)? else {
            break;
        };
        let mut starts = Vec::new();
        loop {
            let start = cursor.offset;
            match cursor.step()? {
                Step::Record(Record::Line(_)) => starts.push(start),
                Step::Record(Record::Dropped { .. }) => {}
                Step::End | Step::Damaged => break,
            }
        }
        if starts.len() >= missing {
            let start = starts.get(starts.len() - missing).copied();
            cursor.seek(start.unwrap_or(cursor.offset))?;
            return Ok(Some(cursor));
        }
        missing -= starts.len();
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::record::{put_dropped, put_line};
    use super::super::{LogLine, LogSource};
    use super::*;
    use std::fs::File;

    /// Writes a segment of lines `first..=last`, whose time in milliseconds is their number.
    fn write(dir: &Path, first: u64, last: u64) {
        let mut bytes = Vec::new();
        for seq in first..=last {
            let time = Timestamp::from_millis(seq as i64);
            put_line(&mut bytes, seq, time, LogSource::Stdout, b"text", false);
        }
        append(dir, first, &bytes);
    }

    fn append(dir: &Path, first: u64, bytes: &[u8]) {
        use std::io::Write;
        let path = dir.join(segment::name(first));
        let file = File::options().create(true).append(true).open(path);
        file.expect("a segment")
            .write_all(bytes)
            .expect("bytes written");
    }

    /// Numbers of lines, and gaps as "reason lines".
    fn shown(items: &[LogItem]) -> Vec<String> {
        let show = |item: &LogItem| match item {
            LogItem::Line(LogLine { seq, .. }) => seq.to_string(),
            LogItem::Gap { reason, lines } => format!("{} {lines}", reason.as_str()),
        };
        items.iter().map(show).collect()
    }

    fn read_all(dir: &Path, query: LogQuery) -> Vec<String> {
        let mut reader = Reader::open(dir, &query).expect("a reader");
        shown(&reader.read(usize::MAX).expect("items"))
    }

    fn tail(lines: u32) -> LogQuery {
        LogQuery {
            tail: Some(lines),
            ..LogQuery::default()
        }
    }

    #[test]
    fn an_empty_or_missing_log_has_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(read_all(dir.path(), LogQuery::default()), [""; 0]);
        assert_eq!(read_all(&dir.path().join("none"), tail(3)), [""; 0]);
    }

    #[test]
    fn segments_are_read_one_after_the_other() {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), 1, 2);
        write(dir.path(), 3, 4);
        assert_eq!(
            read_all(dir.path(), LogQuery::default()),
            ["1", "2", "3", "4"]
        );
    }

    #[test]
    fn lines_rotated_away_are_told_with_their_count() {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), 11, 12);
        assert_eq!(
            read_all(dir.path(), LogQuery::default()),
            ["ROTATED 10", "11", "12"]
        );
        assert_eq!(read_all(dir.path(), tail(9)), ["11", "12"]);
    }

    #[test]
    fn a_tail_counts_lines_over_segments() {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), 1, 3);
        write(dir.path(), 4, 6);
        assert_eq!(read_all(dir.path(), tail(0)), [""; 0]);
        assert_eq!(read_all(dir.path(), tail(2)), ["5", "6"]);
        assert_eq!(read_all(dir.path(), tail(4)), ["3", "4", "5", "6"]);
        assert_eq!(read_all(dir.path(), tail(100)).len(), 6);
    }

    #[test]
    fn since_leaves_out_older_lines_and_tells_if_some_may_be_gone() {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), 11, 14);
        let since = |millis| LogQuery {
            since: Some(Timestamp::from_millis(millis)),
            ..LogQuery::default()
        };
        assert_eq!(read_all(dir.path(), since(13)), ["13", "14"]);
        assert_eq!(read_all(dir.path(), since(11)), ["11", "12", "13", "14"]);
        assert_eq!(read_all(dir.path(), since(10))[..2], ["ROTATED 0", "11"]);
    }

    #[test]
    fn a_reader_goes_on_where_it_was_also_over_rotation() {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), 1, 1);
        let mut reader = Reader::open(dir.path(), &LogQuery::default()).expect("a reader");
        let mut more = || shown(&reader.read(usize::MAX).expect("items"));
        assert_eq!(more(), ["1"]);
        assert_eq!(more(), [""; 0]);

        // A line after the last look, then the next segment: nothing is passed over.
        let mut line = Vec::new();
        put_line(
            &mut line,
            2,
            Timestamp(2),
            LogSource::Stderr,
            b"late",
            false,
        );
        append(dir.path(), 1, &line);
        write(dir.path(), 3, 3);
        assert_eq!(more(), ["2", "3"]);

        // The reader was slow: two segments went, the one it has open is still readable.
        write(dir.path(), 4, 5);
        write(dir.path(), 6, 7);
        std::fs::remove_file(dir.path().join(segment::name(3))).expect("removed");
        std::fs::remove_file(dir.path().join(segment::name(4))).expect("removed");
        assert_eq!(more(), ["ROTATED 2", "6", "7"]);
    }

    #[test]
    fn half_a_record_is_waited_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut line = Vec::new();
        put_line(
            &mut line,
            1,
            Timestamp(2),
            LogSource::Stdout,
            b"slow",
            false,
        );
        let (begin, end) = line.split_at(line.len() - 2);
        append(dir.path(), 1, begin);
        let mut reader = Reader::open(dir.path(), &LogQuery::default()).expect("a reader");
        assert_eq!(reader.read(9).expect("items"), vec![]);
        append(dir.path(), 1, end);
        assert_eq!(shown(&reader.read(9).expect("items")), ["1"]);
    }

    #[test]
    fn dropped_lines_and_damage_are_told_and_reading_goes_on() {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), 1, 2);
        let mut gap = Vec::new();
        put_dropped(&mut gap, 5, Timestamp(9), 3);
        append(dir.path(), 1, &gap);
        append(dir.path(), 1, &[0; 100]);
        write(dir.path(), 9, 9);
        let want = ["1", "2", "RATE_LIMITED 3", "DAMAGED 0", "9"];
        assert_eq!(read_all(dir.path(), LogQuery::default()), want);
    }

    #[test]
    fn a_read_is_bounded() {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), 1, 50);
        let mut reader = Reader::open(dir.path(), &LogQuery::default()).expect("a reader");
        let counts: Vec<usize> = (0..4)
            .map(|_| reader.read(20).expect("items").len())
            .collect();
        assert_eq!(counts, [20, 20, 10, 0]);
    }
}
