// SPDX-License-Identifier: Apache-2.0
//! How far entries are committed, on its way to the thread that writes it down.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::record::LogId;

/// How far entries are committed, once that is news. It goes with the next records and is worth
/// no waking of the thread: every write is followed by such news.
#[derive(Debug, Default)]
pub(super) struct Noted(Mutex<Option<Option<LogId>>>);

impl Noted {
    /// Notes it; what was noted before is old.
    pub(super) fn set(&self, committed: Option<LogId>) {
        *self.lock() = Some(committed);
    }

    /// What was noted since the last call, if anything.
    pub(super) fn take(&self) -> Option<Option<LogId>> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Option<LogId>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
