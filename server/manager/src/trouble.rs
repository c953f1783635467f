// SPDX-License-Identifier: Apache-2.0
//! A store that refuses again and again: waits that grow, and one line in the log.

use std::time::Duration;

use crate::cluster::ClusterError;

/// The wait after the first failure.
const DELAY_FIRST: Duration = Duration::from_millis(200);
/// The longest wait; also the longest until it is seen that the store goes on.
pub(crate) const DELAY_MAX: Duration = Duration::from_secs(5);

/// The failures in a row of one who proposes.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// What cannot be done, as the log says it.
    what: &'static str,
    failures: u32,
}

impl Trouble {
    /// No failure yet. `what` ends the sentence "cannot …".
    pub(crate) fn new(what: &'static str) -> Trouble {
        Trouble { what, failures: 0 }
    }

    /// Notes a failure, and says so if it is the first in a row; gives how long to wait.
    pub(crate) fn failed(&mut self, error: &ClusterError) -> Duration {
        if self.failures == 0 {
            tracing::warn!(%error, "cannot {}; this goes on to be tried", self.what);
        }
        let delay = DELAY_FIRST.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        delay.min(DELAY_MAX)
    }

    /// Notes that it went well.
    pub(crate) fn over(&mut self) {
        if self.failures > 0 {
            tracing::info!(failures = self.failures, "can again {}", self.what);
        }
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_begin_anew_after_a_success() {
        let error = ClusterError::NoQuorum;
        let mut trouble = Trouble::new("test");
        let waits: Vec<u128> = (0..7).map(|_| trouble.failed(&error).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        trouble.over();
        assert_eq!(trouble.failed(&error), DELAY_FIRST);
    }
}
