// SPDX-License-Identifier: Apache-2.0
//! What tasks print: taken line by line from a task's pipes, kept in files, read again.
//!
//! One writer (the task's shim) numbers the lines from 1 and appends them to segments, files
//! named by the first number they hold. When a segment is full the next one begins, and the
//! oldest beyond a count is deleted; nothing is ever renamed, so a reader that follows needs no
//! luck. A line that was dropped keeps its number, and a gap record says how many there were:
//! no reader takes a hole for silence.
//!
//! Decisions are apart from files: [`frame`] cuts bytes into lines, [`limit`] says which lines
//! are too many, [`recorder`] numbers and encodes, [`segment`] says when to begin a file and
//! which to delete; [`writer`] and [`reader`] do the input and output.

mod cursor;
mod follow;
mod frame;
mod last;
mod limit;
mod reader;
mod record;
mod recorder;
mod segment;
mod writer;

use std::time::Duration;

use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use skep_core::model::Timestamp;

use crate::executor::ExecutorError;

pub(crate) use follow::follow;
pub use last::LastLines;
pub(crate) use writer::LogWriter;

/// The most bytes of one line in one [`LogLine`]; what is longer goes on in the next.
pub const LINE_BYTES: usize = 16_384;

/// Where a line came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LogSource {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line that a task printed, or a piece of a long one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogLine {
    /// Counts from 1 within the task. Lines that were dropped have numbers too.
    pub seq: u64,
    /// When it was read from the task, by the node's clock.
    pub time: Timestamp,
    /// Where it came from.
    pub source: LogSource,
    /// The bytes as printed, without the newline; at most [`LINE_BYTES`].
    pub data: Vec<u8>,
    /// The line was longer and goes on in the next with the same source.
    pub partial: bool,
}

/// Why lines are missing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GapReason {
    /// They were deleted to keep the log within its size, before they could be read.
    Rotated,
    /// The task printed faster than is kept, or the disk took no more.
    RateLimited,
    /// The rest of a file cannot be read.
    Damaged,
}

impl GapReason {
    /// The cause as the API names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            GapReason::Rotated => "ROTATED",
            GapReason::RateLimited => "RATE_LIMITED",
            GapReason::Damaged => "DAMAGED",
        }
    }

    /// The cause in words.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            GapReason::Rotated => "older lines were deleted to keep the log within its size",
            GapReason::RateLimited => "the task printed faster than its log is kept",
            GapReason::Damaged => "a part of the log file cannot be read",
        }
    }
}

/// What a log holds, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogItem {
    /// A line.
    Line(LogLine),
    /// Lines that cannot be had, in place of them.
    Gap {
        /// Why.
        reason: GapReason,
        /// How many; 0: not known.
        lines: u64,
    },
}

/// Which lines are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct LogQuery {
    /// Begin with this many last lines; none: with all there are.
    pub tail: Option<u32>,
    /// Only lines at or after this moment; none: of any time.
    pub since: Option<Timestamp>,
    /// Go on with new lines until the task has ended.
    pub follow: bool,
}

/// Lines in order; ends after the last one, or with `follow` when the task has ended.
pub type LogItems = BoxStream<'static, Result<LogItem, ExecutorError>>;

/// How much is kept of what a task prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogLimits {
    /// Bytes after which the next segment begins.
    pub segment_bytes: u64,
    /// How many segments are kept, the one being written included; at least 1.
    pub segments: usize,
    /// Bytes a second that are kept in the long run; more is dropped.
    pub bytes_per_second: u64,
    /// Bytes that may come at once before anything is dropped.
    pub burst_bytes: u64,
}

impl Default for LogLimits {
    /// 3 segments of 10 MiB; 2 MiB a second after a burst of 16 MiB.
    fn default() -> Self {
        LogLimits {
            segment_bytes: 10 << 20,
            segments: 3,
            bytes_per_second: 2 << 20,
            burst_bytes: 16 << 20,
        }
    }
}

/// How long a dropped line waits at most for its gap record once the task falls silent.
pub(crate) const GAP_DELAY: Duration = Duration::from_secs(1);
