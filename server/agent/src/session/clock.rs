// SPDX-License-Identifier: Apache-2.0
//! A clock for waits.

use skep_core::model::Timestamp;
use tokio::time::Instant;

/// A clock that nobody sets while it runs: heartbeats must not stop because somebody corrected
/// the time of day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Monotonic {
    began: Instant,
}

impl Monotonic {
    /// A clock that begins to run now.
    pub(super) fn start() -> Monotonic {
        Monotonic {
            began: Instant::now(),
        }
    }

    /// How long it has been running, as a moment.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp(0).after(self.began.elapsed())
    }

    /// Waits until the time is there; for ever if there is none.
    pub(super) async fn sleep_until(&self, time: Option<Timestamp>) {
        match time {
            Some(time) => tokio::time::sleep(time.since(self.now())).await,
            None => std::future::pending().await,
        }
    }
}
