// SPDX-License-Identifier: Apache-2.0
//! The node's clocks.

use std::time::{SystemTime, UNIX_EPOCH};

use skep_core::clock::SteadyClock;
use skep_core::model::Timestamp;
use tokio::time::Instant;

/// What time it is here.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(0).after(since)
}

/// A clock for what is decided: it does not go back when somebody corrects the time of day, so
/// no wait grows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    began: Instant,
    steady: SteadyClock,
}

impl Clock {
    /// A clock that shows the time of day.
    pub(crate) fn start() -> Clock {
        let began = Instant::now();
        Clock {
            began,
            steady: SteadyClock::new(now(), began.elapsed()),
        }
    }

    /// What time it is.
    pub(crate) fn now(&mut self) -> Timestamp {
        let pace = self.began.elapsed();
        self.steady.read(now(), pace, Timestamp::default())
    }
}
