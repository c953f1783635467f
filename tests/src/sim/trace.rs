// SPDX-License-Identifier: Apache-2.0
//! What happened in a world, line by line: its hash, and the last lines.

use std::collections::VecDeque;
use std::fmt;

use skep_core::model::Timestamp;

/// How many lines a failure shows.
const TAIL_LINES_MAX: usize = 120;

/// The lines so far.
pub(crate) struct Trace {
    hash: u64,
    tail: VecDeque<String>,
}

impl Trace {
    pub(crate) fn new() -> Trace {
        Trace {
            // The basis of FNV-1a with 64 bits.
            hash: 0xcbf2_9ce4_8422_2325,
            tail: VecDeque::new(),
        }
    }

    /// Adds a line. `since` is when the world began.
    pub(crate) fn note(&mut self, since: Timestamp, now: Timestamp, what: fmt::Arguments<'_>) {
        let at = now.since(since);
        let line = format!("{:>9.4} {what}", at.as_secs_f64());
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.tail.len() == TAIL_LINES_MAX {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }

    /// A number that stands for every line so far, in order.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The last lines.
    pub(crate) fn tail(&self) -> String {
        let lines: Vec<&str> = self.tail.iter().map(String::as_str).collect();
        lines.join("\n")
    }
}
