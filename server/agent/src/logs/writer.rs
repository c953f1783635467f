// SPDX-License-Identifier: Apache-2.0
//! Writes the log of one task.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::recorder::{Batch, Moment, Recorder};
use super::{LastLines, LogLimits, LogSource, segment};
use crate::clock;

/// The one writer of one task's log. It never fails for good: what the disk does not take is
/// counted and told as a gap once it takes more.
pub(crate) struct LogWriter {
    files: Segments,
    recorder: Recorder,
    began: Instant,
}

impl LogWriter {
    /// Begins the log in `dir`, which exists and holds none yet.
    pub(crate) fn new(dir: PathBuf, limits: LogLimits) -> Self {
        LogWriter {
            recorder: Recorder::new(&limits),
            files: Segments {
                dir,
                limits,
                firsts: VecDeque::new(),
                current: None,
            },
            began: Instant::now(),
        }
    }

    /// Takes what the task printed.
    pub(crate) fn take(&mut self, source: LogSource, bytes: &[u8]) {
        let now = self.now();
        let batches = self.recorder.take(source, bytes, now);
        self.append(&batches, now);
    }

    /// How long from now until [`LogWriter::tell_gap`] has something to do; none: nothing.
    pub(crate) fn gap_due(&self) -> Option<Duration> {
        Some(
            self.recorder
                .gap_due()?
                .saturating_sub(self.began.elapsed()),
        )
    }

    /// Tells of dropped lines although the task is silent.
    pub(crate) fn tell_gap(&mut self) {
        let now = self.now();
        let batches = self.recorder.tell_gap(now);
        self.append(&batches, now);
    }

    /// Both pipes have ended. Afterwards the log is on disk as far as the disk took it.
    pub(crate) fn finish(&mut self) {
        let now = self.now();
        let batches = self.recorder.finish(now);
        self.append(&batches, now);
        self.files.sync();
    }

    /// The last lines printed.
    pub(crate) fn last(&self) -> &LastLines {
        self.recorder.last()
    }

    fn append(&mut self, batches: &[Batch], now: Moment) {
        for batch in batches {
            if self.files.append(batch).is_err() {
                self.recorder.lost(batch.lines, now);
            }
        }
    }

    fn now(&self) -> Moment {
        Moment {
            time: clock::now(),
            age: self.began.elapsed(),
        }
    }
}

struct Segments {
    dir: PathBuf,
    limits: LogLimits,
    /// First lines of the segments there are, oldest first; the last is the current one.
    firsts: VecDeque<u64>,
    current: Option<Segment>,
}

struct Segment {
    file: File,
    bytes: u64,
}

impl Segments {
    fn append(&mut self, batch: &Batch) -> io::Result<()> {
        let size = batch.bytes.len() as u64;
        let full = |segment: &Segment| segment::is_full(segment.bytes, size, &self.limits);
        if self.current.as_ref().is_none_or(full) {
            self.begin(batch.first)?;
        }
        let Some(segment) = &mut self.current else {
            return Ok(());
        };
        if let Err(error) = segment.file.write_all(&batch.bytes) {
            // Readers stop at half a record, so it must not stay before later ones.
            segment.file.set_len(segment.bytes)?;
            return Err(error);
        }
        segment.bytes += size;
        Ok(())
    }

    fn begin(&mut self, first: u64) -> io::Result<()> {
        let path = self.dir.join(segment::name(first));
        // An empty one with this name may be left from a write that failed.
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).mode(0o600).open(path)?;
        file.set_len(0)?;
        self.current = Some(Segment { file, bytes: 0 });
        if self.firsts.back() != Some(&first) {
            self.firsts.push_back(first);
        }
        for old in self
            .firsts
            .drain(..segment::surplus(self.firsts.len(), &self.limits))
        {
            // One that stays is only disk space, and the reader skips nothing because of it.
            std::fs::remove_file(self.dir.join(segment::name(old))).ok();
        }
        Ok(())
    }

    /// Brings the current segment to disk. A failure costs at most lines, never the status.
    fn sync(&self) {
        if let Some(segment) = &self.current {
            segment.file.sync_data().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::follow;
    use super::super::{LogItem, LogQuery};
    use super::*;
    use futures::StreamExt;

    /// All that can be read, gaps as "<reason lines>".
    fn read(dir: &std::path::Path) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let items = follow(dir.to_owned(), LogQuery::default(), || true).collect::<Vec<_>>();
        let items = runtime.expect("a runtime").block_on(items);
        let show = |item| match item {
            Ok(LogItem::Line(line)) => String::from_utf8_lossy(&line.data).into_owned(),
            Ok(LogItem::Gap { reason, lines }) => format!("<{} {lines}>", reason.as_str()),
            Err(error) => panic!("{error}"),
        };
        items.into_iter().map(show).collect()
    }

    #[test]
    fn only_the_newest_segments_stay() {
        let dir = tempfile::tempdir().expect("a directory");
        let limits = LogLimits {
            segment_bytes: 100,
            segments: 2,
            ..LogLimits::default()
        };
        let mut log = LogWriter::new(dir.path().into(), limits);
        for number in 1..=30 {
            log.take(LogSource::Stdout, format!("line {number}\n").as_bytes());
        }
        log.finish();
        let files = std::fs::read_dir(dir.path()).expect("a log").flatten();
        let sizes: Vec<u64> = files
            .map(|file| file.metadata().expect("a size").len())
            .collect();
        assert_eq!(sizes.len(), 2);
        assert!(sizes.iter().all(|size| *size <= 100), "{sizes:?}");
        let lines = read(dir.path());
        assert!(lines[0].starts_with("<ROTATED 2"), "{lines:?}");
        assert_eq!(lines.last().map(String::as_str), Some("line 30"));
    }

    #[test]
    fn a_disk_that_takes_nothing_for_a_while_costs_lines_and_no_more() {
        let root = tempfile::tempdir().expect("a directory");
        let dir = root.path().join("log");
        let mut log = LogWriter::new(dir.clone(), LogLimits::default());
        log.take(LogSource::Stdout, b"one\ntwo\n");
        std::fs::create_dir(&dir).expect("a directory");
        assert!(log.gap_due().is_some());
        log.take(LogSource::Stdout, b"three\n");
        log.finish();
        assert_eq!(read(&dir), ["<RATE_LIMITED 2>", "three"]);
        assert_eq!(log.last().text(100), "one\ntwo\nthree");
    }
}
