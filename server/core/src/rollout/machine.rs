// SPDX-License-Identifier: Apache-2.0
//! From one state of a rollout to the next.

use crate::model::{OnFailure, RolloutCounts, RolloutState, UpdatePolicy};

/// What happens to a rollout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Someone pauses it.
    Pause,
    /// Someone resumes it.
    Resume,
    /// Someone rolls it back.
    RollBack,
    /// More tasks failed than may.
    TooManyFailed,
    /// Everything is changed.
    AllChanged,
}

/// The state that follows: the same one if it is so already; nothing if it may not be.
///
/// That more failed than may leads back only if the caller has a revision to go back to; here
/// it pauses.
#[must_use]
pub const fn next(state: Option<RolloutState>, event: Event) -> Option<RolloutState> {
    use RolloutState::{Completed, Paused, RollbackPaused, RolledBack, RollingBack, Updating};
    match (state, event) {
        (_, Event::RollBack) => Some(RollingBack),
        (Some(Updating), Event::Pause | Event::TooManyFailed) => Some(Paused),
        (Some(RollingBack), Event::Pause | Event::TooManyFailed) => Some(RollbackPaused),
        (Some(Paused), Event::Pause) => Some(Paused),
        (Some(RollbackPaused), Event::Pause) => Some(RollbackPaused),
        (Some(Updating | Paused), Event::Resume) => Some(Updating),
        (Some(RollingBack | RollbackPaused), Event::Resume) => Some(RollingBack),
        (Some(Updating), Event::AllChanged) => Some(Completed),
        (Some(RollingBack), Event::AllChanged) => Some(RolledBack),
        _ => None,
    }
}

/// What a rollout does of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// It stays as it is.
    Stay,
    /// It comes to this state.
    Come(RolloutState),
    /// It goes back, or pauses if there is nothing to go back to.
    GoBack,
}

/// What a rollout with these counts does, of which nothing is `left` to be changed if that is 0.
#[must_use]
pub fn decide(
    state: RolloutState,
    policy: &UpdatePolicy,
    counts: RolloutCounts,
    left: u32,
) -> Decision {
    if !state.is_going() {
        return Decision::Stay;
    }
    let acts = policy.on_failure() != OnFailure::Continue;
    let come = |event| next(Some(state), event).map_or(Decision::Stay, Decision::Come);
    if acts && is_too_many(counts.failed, counts.total, policy.max_failure_percent) {
        let may_go_back = policy.on_failure() == OnFailure::Rollback && !state.is_back();
        return match may_go_back {
            true => Decision::GoBack,
            false => come(Event::TooManyFailed),
        };
    }
    match left + counts.updating {
        0 => come(Event::AllChanged),
        _ => Decision::Stay,
    }
}

/// Whether more failed than so many percent of all.
#[must_use]
pub fn is_too_many(failed: u32, total: u32, percent: u32) -> bool {
    u64::from(failed) * 100 > u64::from(total) * u64::from(percent)
}
