// SPDX-License-Identifier: Apache-2.0
//! The node's clocks.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use skep_core::model::Timestamp;
use skep_core::steady::Steady;

/// What time it is here. Daemon and shims stamp with it what the other reads.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(0).after(since)
}

/// What time it is for one who waits: a jump of the machine's clock neither ends a wait nor
/// makes it last.
pub(crate) fn steady() -> Timestamp {
    static STEADY: Mutex<Option<Steady>> = Mutex::new(None);
    let mut steady = STEADY.lock().unwrap_or_else(PoisonError::into_inner);
    let (wall, passed) = (now(), passed());
    steady
        .get_or_insert_with(|| Steady::start(wall, passed))
        .read(wall, passed)
}

/// Since the machine was started, the time that it slept included.
fn passed() -> Duration {
    // There is no Linux without this clock.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}
