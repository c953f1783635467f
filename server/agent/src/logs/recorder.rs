// SPDX-License-Identifier: Apache-2.0
//! Turns what a task prints into records: cut into lines, limited, numbered.

use std::time::Duration;

use skep_core::model::Timestamp;

use super::frame::Framer;
use super::limit::Limiter;
use super::record::{put_dropped, put_line};
use super::{GAP_DELAY, LastLines, LogLimits, LogSource};

/// The most bytes of a batch, but for its last record.
const BATCH_BYTES: u64 = 64 * 1024;

/// When something was read.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// By the node's clock, for people.
    pub(super) time: Timestamp,
    /// Since the task began, by a clock that never steps.
    pub(super) age: Duration,
}

/// Records to be appended to a file at once.
#[derive(Default)]
pub(super) struct Batch {
    /// The records.
    pub(super) bytes: Vec<u8>,
    /// How many lines they stand for; those that are dropped included.
    pub(super) lines: u64,
    /// Number of the first of these lines.
    pub(super) first: u64,
}

impl Batch {
    fn note(&mut self, first: u64, lines: u64) {
        if self.lines == 0 {
            self.first = first;
        }
        self.lines += lines;
    }
}

/// Numbers lines, drops what is too much, and says so.
pub(super) struct Recorder {
    stdout: Framer,
    stderr: Framer,
    tape: Tape,
}

/// Everything but the framers, so that these can call it for each line.
struct Tape {
    limiter: Limiter,
    last: LastLines,
    /// The number of the last line, dropped or not.
    seq: u64,
    dropped: u64,
    dropped_since: Duration,
    /// Bytes after which a batch is closed, so that segments come out near their size.
    batch_bytes: usize,
    /// The last one is open.
    batches: Vec<Batch>,
}

impl Recorder {
    /// Nothing printed yet.
    pub(super) fn new(limits: &LogLimits) -> Self {
        Recorder {
            stdout: Framer::default(),
            stderr: Framer::default(),
            tape: Tape {
                limiter: Limiter::new(limits.bytes_per_second, limits.burst_bytes),
                last: LastLines::default(),
                seq: 0,
                dropped: 0,
                dropped_since: Duration::ZERO,
                batch_bytes: limits.segment_bytes.clamp(1, BATCH_BYTES) as usize,
                batches: Vec::new(),
            },
        }
    }

    /// Takes what was read from a pipe and gives the records to append.
    pub(super) fn take(&mut self, source: LogSource, bytes: &[u8], now: Moment) -> Vec<Batch> {
        let tape = &mut self.tape;
        let framer = match source {
            LogSource::Stdout => &mut self.stdout,
            LogSource::Stderr => &mut self.stderr,
        };
        framer.push(bytes, |data, partial| tape.line(source, data, partial, now));
        std::mem::take(&mut self.tape.batches)
    }

    /// Both pipes have ended: the last lines without newline, and the last gap.
    pub(super) fn finish(&mut self, now: Moment) -> Vec<Batch> {
        let tape = &mut self.tape;
        self.stdout
            .finish(|data, partial| tape.line(LogSource::Stdout, data, partial, now));
        self.stderr
            .finish(|data, partial| tape.line(LogSource::Stderr, data, partial, now));
        tape.close_gap(now);
        std::mem::take(&mut self.tape.batches)
    }

    /// A batch could not be written: its lines count as dropped.
    pub(super) fn lost(&mut self, lines: u64, now: Moment) {
        self.tape.drop_lines(lines, now);
    }

    /// At which age a gap should be told although the task is silent; none: there is no gap.
    pub(super) fn gap_due(&self) -> Option<Duration> {
        (self.tape.dropped > 0).then(|| self.tape.dropped_since + GAP_DELAY)
    }

    /// Tells the gap if it is due.
    pub(super) fn tell_gap(&mut self, now: Moment) -> Vec<Batch> {
        if self.gap_due().is_some_and(|due| due <= now.age) {
            self.tape.close_gap(now);
        }
        std::mem::take(&mut self.tape.batches)
    }

    /// The last lines printed, kept or not.
    pub(super) fn last(&self) -> &LastLines {
        &self.tape.last
    }
}

impl Tape {
    fn line(&mut self, source: LogSource, data: &[u8], partial: bool, now: Moment) {
        self.last.push(data);
        // The 40 bytes stand for the header, so that empty lines have a price too.
        if !self.limiter.admit(data.len() + 40, now.age) {
            self.seq += 1;
            self.drop_lines(1, now);
            return;
        }
        self.close_gap(now);
        self.seq += 1;
        let seq = self.seq;
        let batch = self.open_batch();
        put_line(&mut batch.bytes, seq, now.time, source, data, partial);
        batch.note(seq, 1);
    }

    fn drop_lines(&mut self, lines: u64, now: Moment) {
        if self.dropped == 0 {
            self.dropped_since = now.age;
        }
        self.dropped += lines;
    }

    fn close_gap(&mut self, now: Moment) {
        if self.dropped > 0 {
            let (seq, dropped) = (self.seq, self.dropped);
            let batch = self.open_batch();
            put_dropped(&mut batch.bytes, seq, now.time, dropped);
            batch.note(seq + 1 - dropped, dropped);
            self.dropped = 0;
        }
    }

    fn open_batch(&mut self) -> &mut Batch {
        let full = |batch: &Batch| batch.bytes.len() >= self.batch_bytes;
        if self.batches.last().is_none_or(full) {
            self.batches.push(Batch::default());
        }
        let last = self.batches.len() - 1;
        &mut self.batches[last]
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Parsed, Record, parse};
    use super::*;

    fn at(secs: u64) -> Moment {
        let age = Duration::from_secs(secs);
        Moment {
            time: Timestamp(0).after(age),
            age,
        }
    }

    /// "number:text" for lines, "last:-dropped" for gaps.
    fn shown(batches: &[Batch]) -> Vec<String> {
        let bytes: Vec<u8> = batches
            .iter()
            .flat_map(|batch| batch.bytes.clone())
            .collect();
        let mut rest = &bytes[..];
        let mut out = Vec::new();
        while let Parsed::Record(record, used) = parse(rest) {
            out.push(match record {
                Record::Line(line) => {
                    format!("{}:{}", line.seq, String::from_utf8_lossy(&line.data))
                }
                Record::Dropped { last, lines, .. } => format!("{last}:-{lines}"),
            });
            rest = &rest[used..];
        }
        assert!(rest.is_empty());
        out
    }

    fn limited(burst_lines: u64) -> Recorder {
        let limits = LogLimits {
            bytes_per_second: 41,
            burst_bytes: 41 * burst_lines,
            ..LogLimits::default()
        };
        Recorder::new(&limits)
    }

    #[test]
    fn both_pipes_share_one_count_and_keep_their_own_half_lines() {
        let mut recorder = Recorder::new(&LogLimits::default());
        let first = recorder.take(LogSource::Stdout, b"a\nhalf", at(0));
        assert_eq!(
            (shown(&first), first[0].first, first[0].lines),
            (vec!["1:a".to_owned()], 1, 1)
        );
        assert_eq!(
            shown(&recorder.take(LogSource::Stderr, b"err\n", at(0))),
            ["2:err"]
        );
        assert_eq!(
            shown(&recorder.take(LogSource::Stdout, b" done\n", at(0))),
            ["3:half done"]
        );
        assert!(recorder.take(LogSource::Stderr, b"end", at(0)).is_empty());
        assert_eq!(shown(&recorder.finish(at(0))), ["4:end"]);
    }

    #[test]
    fn dropped_lines_keep_their_numbers_and_are_told_before_the_next_line() {
        let mut recorder = limited(2);
        let flood = recorder.take(LogSource::Stdout, b"a\nb\nc\nd\ne\n", at(0));
        assert_eq!(shown(&flood), ["1:a", "2:b"]);
        let later = recorder.take(LogSource::Stdout, b"f\n", at(1));
        assert_eq!(shown(&later), ["5:-3", "6:f"]);
        assert_eq!((later[0].first, later[0].lines), (3, 4));
        assert_eq!(recorder.gap_due(), None);
    }

    #[test]
    fn a_gap_is_told_after_a_while_of_silence_and_at_the_end() {
        let mut recorder = limited(1);
        recorder.take(LogSource::Stdout, b"a\nb\n", at(3));
        assert_eq!(recorder.gap_due(), Some(Duration::from_secs(4)));
        assert!(recorder.tell_gap(at(3)).is_empty());
        assert_eq!(shown(&recorder.tell_gap(at(4))), ["2:-1"]);

        let mut recorder = limited(1);
        recorder.take(LogSource::Stdout, b"a\nb\n", at(3));
        assert_eq!(shown(&recorder.finish(at(3))), ["2:-1"]);
    }

    #[test]
    fn lines_the_disk_did_not_take_are_a_gap_too() {
        let mut recorder = Recorder::new(&LogLimits::default());
        let batch = recorder.take(LogSource::Stdout, b"a\nb\n", at(0));
        recorder.lost(batch[0].lines, at(0));
        let next = recorder.take(LogSource::Stdout, b"c\n", at(0));
        assert_eq!(shown(&next), ["2:-2", "3:c"]);
        assert_eq!(next[0].first, 1);
    }

    #[test]
    fn much_at_once_comes_in_batches_of_about_a_segment() {
        let limits = LogLimits {
            segment_bytes: 100,
            ..LogLimits::default()
        };
        let mut recorder = Recorder::new(&limits);
        let batches = recorder.take(LogSource::Stdout, &b"0123456789\n".repeat(50), at(0));
        assert!(batches.iter().all(|batch| batch.bytes.len() < 140));
        assert!(batches.len() > 5);
        let ends = batches.iter().map(|batch| batch.first + batch.lines);
        let begins = batches.iter().skip(1).map(|batch| batch.first);
        assert!(ends.zip(begins).all(|(end, begin)| end == begin));
        assert_eq!(shown(&batches).len(), 50);
    }

    #[test]
    fn the_last_lines_are_known_even_if_they_were_dropped() {
        let mut recorder = limited(1);
        recorder.take(LogSource::Stdout, b"a\nwhy it failed\n", at(0));
        assert_eq!(recorder.last().text(4096), "a\nwhy it failed");
    }
}
