// SPDX-License-Identifier: Apache-2.0
//! Where the time of a change comes from.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use skep_core::model::Timestamp;
use skep_core::steady::Steady;

/// Where the time of a change comes from.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine, without its jumps; one in a process.
#[derive(Clone, Copy, Default, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        static STEADY: Mutex<Option<Steady>> = Mutex::new(None);
        let mut steady = STEADY.lock().unwrap_or_else(PoisonError::into_inner);
        let (wall, passed) = (wall(), passed());
        let steady = steady.get_or_insert_with(|| Steady::start(wall, passed));
        let now = steady.read(wall, passed);
        if let Some(jump) = steady.jumped(wall) {
            tracing::warn!(
                seconds = jump.as_secs(),
                "the clock of this machine was set; skepd takes its new time over slowly, or at \
                 once when it is started again"
            );
        }
        now
    }
}

fn wall() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(0).after(since)
}

/// Since the machine was started, the time that it slept included.
fn passed() -> Duration {
    // There is no Linux without this clock.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}
