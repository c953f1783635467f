// SPDX-License-Identifier: Apache-2.0
//! The two numbers that order a swarm's life: revisions, and the leader's clock.

use std::fmt;
use std::time::Duration;

/// The number of a change: greater than that of every change before it.
///
/// It is the index of the log entry that made the change, and stays below 2^53. In a write
/// that has not been applied yet, [`Revision::THIS`] stands for the revision it will make.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

impl Revision {
    /// Before every change; in a write, the revision that the write will make.
    pub const THIS: Revision = Revision(0);
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// A moment: nanoseconds since 1970-01-01T00:00:00Z. Holds until the year 2262.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment `span` later; the last moment there is if that is past it.
    #[must_use]
    pub fn after(self, span: Duration) -> Timestamp {
        let nanos = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        Timestamp(self.0.saturating_add(nanos))
    }

    /// How much time has passed since `earlier`; none if that lies ahead.
    #[must_use]
    pub fn since(self, earlier: Timestamp) -> Duration {
        let nanos = self.0.saturating_sub(earlier.0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }

    /// The moment `millis` milliseconds after 1970 began: short to write in tests.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Timestamp {
        Timestamp(millis.saturating_mul(1_000_000))
    }
}
