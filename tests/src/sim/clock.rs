// SPDX-License-Identifier: Apache-2.0
//! Clocks of machines: each shows the time of the world, shifted by what somebody set it to.

use std::ops::AddAssign;
use std::time::Duration;

use skep_core::clock::SteadyClock;
use skep_core::model::Timestamp;

/// How far the time of day on a machine is off.
#[derive(Clone, Copy, Default)]
pub(crate) struct Skew {
    nanos: i64,
}

impl Skew {
    pub(crate) fn millis(millis: i64) -> Skew {
        Skew {
            nanos: millis * 1_000_000,
        }
    }

    /// The time of day there.
    pub(crate) fn wall(self, now: Timestamp) -> Timestamp {
        Timestamp(now.0 + self.nanos)
    }
}

impl AddAssign for Skew {
    fn add_assign(&mut self, other: Skew) {
        self.nanos += other.nanos;
    }
}

/// The clock of a program: it lives as long as the program does.
#[derive(Clone, Copy)]
pub(crate) struct Clock(SteadyClock);

impl Clock {
    pub(crate) fn start(now: Timestamp, skew: Skew) -> Clock {
        Clock(SteadyClock::new(skew.wall(now), pace(now)))
    }

    /// What the program goes by, which is not before `floor`.
    pub(crate) fn read(&mut self, now: Timestamp, skew: Skew, floor: Timestamp) -> Timestamp {
        self.0.read(skew.wall(now), pace(now), floor)
    }
}

fn pace(now: Timestamp) -> Duration {
    now.since(Timestamp::default())
}

/// When it is `then` by a clock that shows `time` now, if nobody sets it.
pub(crate) fn moment(then: Timestamp, now: Timestamp, time: Timestamp) -> Timestamp {
    now.after(then.since(time))
}
