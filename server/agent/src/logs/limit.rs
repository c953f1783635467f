// SPDX-License-Identifier: Apache-2.0
//! Says which lines are too many: a bucket of bytes that refills with time.

use std::time::Duration;

/// A token bucket over bytes. Time is an argument: the span since any fixed moment.
pub(super) struct Limiter {
    bytes_per_second: u64,
    burst_bytes: u64,
    /// What may still come, in billionths of a byte, so that no refill is lost to rounding.
    room: u128,
    filled: Duration,
}

const BILLION: u128 = 1_000_000_000;

impl Limiter {
    /// A full bucket.
    pub(super) fn new(bytes_per_second: u64, burst_bytes: u64) -> Self {
        Limiter {
            bytes_per_second,
            burst_bytes,
            room: u128::from(burst_bytes) * BILLION,
            filled: Duration::ZERO,
        }
    }

    /// Whether `bytes` more may be kept at `now`; takes them out of the bucket if so.
    pub(super) fn admit(&mut self, bytes: usize, now: Duration) -> bool {
        self.refill(now);
        let wanted = bytes as u128 * BILLION;
        if wanted > self.room {
            return false;
        }
        self.room -= wanted;
        true
    }

    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.filled);
        let full = u128::from(self.burst_bytes) * BILLION;
        let gained = passed
            .as_nanos()
            .saturating_mul(u128::from(self.bytes_per_second));
        self.room = self.room.saturating_add(gained).min(full);
        self.filled = self.filled.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_what_follows_waits_for_time() {
        let mut limiter = Limiter::new(10, 100);
        let start = Duration::from_secs(5);
        assert!(limiter.admit(100, start));
        assert!(!limiter.admit(1, start));
        assert!(!limiter.admit(11, start + Duration::from_secs(1)));
        assert!(limiter.admit(10, start + Duration::from_secs(1)));
        assert!(!limiter.admit(1, start + Duration::from_secs(1)));
    }

    #[test]
    fn the_bucket_never_holds_more_than_a_burst() {
        let mut limiter = Limiter::new(10, 100);
        let late = Duration::from_secs(1_000_000);
        assert!(limiter.admit(100, late));
        assert!(!limiter.admit(1, late));
    }

    #[test]
    fn small_steps_of_time_add_up() {
        let mut limiter = Limiter::new(3, 10);
        assert!(limiter.admit(10, Duration::ZERO));
        let kept = (1..=1000u64)
            .filter(|milli| limiter.admit(1, Duration::from_millis(*milli)))
            .count();
        assert_eq!(kept, 3);
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing() {
        let mut limiter = Limiter::new(10, 10);
        assert!(limiter.admit(10, Duration::from_secs(9)));
        assert!(!limiter.admit(1, Duration::from_secs(8)));
        assert!(!limiter.admit(1, Duration::from_secs(9)));
    }
}
