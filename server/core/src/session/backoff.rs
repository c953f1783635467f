// SPDX-License-Identifier: Apache-2.0
//! How long to wait before the next attempt to connect.

use std::time::Duration;

/// The longest first wait.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// What that doubles up to.
pub const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// The wait after so many failures in a row: up to twice as long each time, and of that a part
/// between half and all that `random` chooses, so that many agents do not come at once.
#[must_use]
pub fn backoff(failures: u32, random: u64) -> Duration {
    let longest = BACKOFF_FIRST
        .saturating_mul(1 << failures.min(16))
        .min(BACKOFF_MAX);
    let half = longest / 2;
    let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
    half + Duration::from_nanos(random % (nanos + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_within_bounds() {
        assert_eq!(backoff(0, 0), Duration::from_millis(50));
        assert_eq!(backoff(0, 50_000_000), Duration::from_millis(100));
        assert_eq!(backoff(1, 0), Duration::from_millis(100));
        assert_eq!(backoff(99, 0), Duration::from_secs(1));
        for random in [1, u64::MAX / 3, u64::MAX] {
            assert!((Duration::from_secs(1)..=BACKOFF_MAX).contains(&backoff(30, random)));
        }
    }
}
