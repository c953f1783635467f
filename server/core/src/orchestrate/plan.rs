// SPDX-License-Identifier: Apache-2.0
//! What a look at a service comes to.

use crate::model::Timestamp;
use crate::state::{Change, Precondition, Write};

/// What to write now, and when to look again.
///
/// The next plan for the same service is to be made when this one was written or refused.
/// Should two be under way nevertheless, the state keeps every place to one task; only a
/// rolling update may then take two places at once.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Plan {
    /// All must hold, or the decision is taken again.
    pub preconditions: Vec<Precondition>,
    /// What to write, as one change: at most [`crate::state::CHANGE_WRITES_MAX`] writes.
    pub writes: Vec<Write>,
    /// When time alone will make something due; nothing: never.
    pub wake_at: Option<Timestamp>,
    /// There was more to do than fits in one change: look again as soon as it is applied.
    pub more: bool,
}

impl Plan {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// The change that the log should hold.
    #[must_use]
    pub fn into_change(self, now: Timestamp) -> Change {
        Change {
            preconditions: self.preconditions,
            writes: self.writes,
            time: now,
            ..Change::default()
        }
    }
}
