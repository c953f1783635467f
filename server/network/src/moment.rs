// SPDX-License-Identifier: Apache-2.0
//! The time that decisions of a data plane are given.

use std::time::Duration;

/// A moment: milliseconds since the data plane started.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    /// The moment `span` later; parts of a millisecond are dropped.
    pub(crate) fn after(self, span: Duration) -> Moment {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Moment(self.0.saturating_add(millis))
    }
}
