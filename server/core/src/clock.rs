// SPDX-License-Identifier: Apache-2.0
//! The time by which decisions are taken, made from two clocks that each tell only a part.
//!
//! The time of day may be set while a daemon runs. If it is set back, every wait that was
//! noted as a time would last that much longer, and what happens next would seem to be before
//! what was. So a clock here never goes back: it goes on at its pace until the time of day has
//! caught up. If the time of day is set forward, which is also how a machine looks that slept,
//! that is taken over at once.

use std::time::Duration;

use crate::model::Timestamp;

/// A clock that never goes back and never stands still.
#[derive(Clone, Copy, Debug)]
pub struct SteadyClock {
    at: Timestamp,
    pace: Duration,
}

impl SteadyClock {
    /// A clock that shows the time of day. `pace` is what a clock says that nobody sets, such
    /// as the time since the machine started.
    #[must_use]
    pub fn new(wall: Timestamp, pace: Duration) -> SteadyClock {
        SteadyClock { at: wall, pace }
    }

    /// What time it is: the time that was, and what has passed since, or the time of day or
    /// `floor` if one of these is later. The floor is the time of what is known to have
    /// happened, such as the last change in the log.
    pub fn read(&mut self, wall: Timestamp, pace: Duration, floor: Timestamp) -> Timestamp {
        let passed = pace.saturating_sub(self.pace);
        self.pace = self.pace.max(pace);
        self.at = self.at.after(passed).max(wall).max(floor);
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Timestamp = Timestamp(0);

    fn at(seconds: u32) -> Timestamp {
        NONE.after(spent(seconds))
    }

    fn spent(seconds: u32) -> Duration {
        Duration::from_secs(seconds.into())
    }

    #[test]
    fn it_shows_the_time_of_day() {
        let mut clock = SteadyClock::new(at(1_000), spent(5));
        assert_eq!(clock.read(at(1_000), spent(5), NONE), at(1_000));
        assert_eq!(clock.read(at(1_007), spent(12), NONE), at(1_007));
    }

    #[test]
    fn set_back_it_goes_on_until_the_time_of_day_has_caught_up() {
        let mut clock = SteadyClock::new(at(1_000), spent(0));
        assert_eq!(clock.read(at(400), spent(1), NONE), at(1_001));
        assert_eq!(clock.read(at(410), spent(11), NONE), at(1_011));
        assert_eq!(clock.read(at(2_000), spent(12), NONE), at(2_000));
    }

    #[test]
    fn set_forward_it_follows_and_stays_there() {
        let mut clock = SteadyClock::new(at(1_000), spent(0));
        assert_eq!(clock.read(at(9_000), spent(1), NONE), at(9_000));
        assert_eq!(clock.read(at(1_002), spent(2), NONE), at(9_001));
    }

    #[test]
    fn it_is_never_before_what_has_happened() {
        let mut clock = SteadyClock::new(at(1_000), spent(0));
        assert_eq!(clock.read(at(1_000), spent(0), at(3_000)), at(3_000));
        assert_eq!(clock.read(at(1_002), spent(2), at(3_000)), at(3_002));
    }

    #[test]
    fn a_pace_that_seems_to_go_back_changes_nothing() {
        let mut clock = SteadyClock::new(at(1_000), spent(10));
        assert_eq!(clock.read(at(900), spent(4), NONE), at(1_000));
        assert_eq!(clock.read(at(900), spent(12), NONE), at(1_002));
    }
}
