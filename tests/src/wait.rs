// SPDX-License-Identifier: Apache-2.0
//! Waiting for something to be so, never for time to pass.

use std::time::{Duration, Instant};

/// How long anything may take: ten times what it should and more.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Between two looks.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// Looks until there is something, and gives it back.
///
/// # Panics
/// If there is nothing until the deadline.
pub fn until<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            start.elapsed() < deadline,
            "waited {deadline:?} in vain until {what}"
        );
        std::thread::park_timeout(LOOK);
    }
}
