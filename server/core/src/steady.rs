// SPDX-License-Identifier: Apache-2.0
//! The time of day, without its jumps.
//!
//! Delays and deadlines are stored as times, and waited for by comparing them with the time of
//! day. When somebody sets that, a wait must neither end at once nor last for hours. So the time
//! that counts goes on as time passes, and draws near to what the machine says little by little.

use std::time::Duration;

use crate::model::Timestamp;

/// Of the time that passes, the part by which the clock may go faster or slower to draw near.
const DRAW_PART: u32 = 10;

/// A difference from the machine's clock that is worth a word.
pub const JUMP_MIN: Duration = Duration::from_secs(30);

/// A time of day that never jumps and never goes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Steady {
    now: Timestamp,
    passed: Duration,
    told: bool,
}

impl Steady {
    /// Begins at the machine's time of day, when `passed` is what the monotonic clock shows.
    #[must_use]
    pub fn start(wall: Timestamp, passed: Duration) -> Steady {
        Steady {
            now: wall,
            passed,
            told: false,
        }
    }

    /// What time it is, when the machine says `wall` and the monotonic clock `passed`.
    pub fn read(&mut self, wall: Timestamp, passed: Duration) -> Timestamp {
        let step = passed.saturating_sub(self.passed);
        self.passed = self.passed.max(passed);
        let (slow, even, fast) = (
            self.now.after(step - step / DRAW_PART),
            self.now.after(step),
            self.now.after(step + step / DRAW_PART),
        );
        self.now = if wall > even {
            wall.min(fast)
        } else {
            wall.max(slow)
        };
        self.now
    }

    /// How far the machine's clock is from this one, the first time that it is far after it was
    /// near.
    pub fn jumped(&mut self, wall: Timestamp) -> Option<Duration> {
        let distance = wall.since(self.now).max(self.now.since(wall));
        let far = distance >= JUMP_MIN;
        let news = far && !self.told;
        self.told = far;
        news.then_some(distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(seconds: u64) -> Timestamp {
        Timestamp(0).after(Duration::from_secs(seconds))
    }

    fn passed(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_is_the_time_of_day_as_long_as_nobody_sets_that() {
        let mut clock = Steady::start(at(1_000_000), passed(50));
        for second in 1..100 {
            let wall = at(1_000_000 + second);
            assert_eq!(clock.read(wall, passed(50 + second)), wall);
            assert_eq!(clock.jumped(wall), None);
        }
    }

    #[test]
    fn a_jump_ahead_hurries_nothing() {
        let mut clock = Steady::start(at(1_000_000), passed(0));
        let wall = at(1_000_010).after(HOUR);
        let now = clock.read(wall, passed(10));
        assert_eq!(now, at(1_000_011), "10 s passed, and a tenth of them");
        assert_eq!(clock.jumped(wall), Some(HOUR - passed(1)));
        assert_eq!(clock.jumped(wall), None, "once is enough");
    }

    #[test]
    fn a_jump_back_neither_hangs_nor_goes_back() {
        let start = at(1_000_000);
        let mut clock = Steady::start(start, passed(0));
        let mut last = start;
        for second in 1..=100 {
            // An hour earlier.
            let now = clock.read(at(996_400 + second), passed(second));
            assert_eq!(now.since(last), Duration::from_millis(900));
            last = now;
        }
    }

    #[test]
    fn it_draws_near_and_then_keeps_to_it() {
        let mut clock = Steady::start(at(1_000_000), passed(0));
        for second in 1..=1_000 {
            clock.read(at(1_000_060 + second), passed(second));
        }
        let wall = at(1_001_061);
        assert_eq!(clock.read(wall, passed(1_001)), wall);
        assert_eq!(clock.jumped(wall), None);
    }

    #[test]
    fn a_monotonic_clock_that_goes_back_does_no_harm() {
        let mut clock = Steady::start(at(1_000_000), passed(100));
        assert_eq!(clock.read(at(1_000_005), passed(90)), at(1_000_000));
        assert_eq!(
            clock.read(at(1_000_010), passed(101)),
            at(1_000_001).after(Duration::from_millis(100))
        );
    }
}
