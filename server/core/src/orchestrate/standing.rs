// SPDX-License-Identifier: Apache-2.0
//! Where a place stands with the rollout of its service.

use crate::model::{
    Availability, Revision, Rollout, RolloutCounts, RolloutStep, Timestamp, Verdict,
};

use super::desk::Desk;
use super::place::{Place, PlaceKey};

/// Where a place stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// It needs no change, and never did.
    Current,
    /// It is to be changed.
    Outdated,
    /// It is to be changed, but a new task could not get onto the only node for it.
    Waiting,
    /// Its change failed before the rollout was resumed: it is the first to be tried again.
    Retry,
    /// It is being changed.
    Open(RolloutStep),
    /// It is changed.
    Updated(RolloutStep),
    /// Its change failed.
    Failed(RolloutStep),
}

impl Standing {
    /// Of a place that should be there. What the plan makes counts as made.
    pub(super) fn of(desk: &Desk<'_>, place: &Place<'_>, rollout: &Rollout) -> Standing {
        let target = rollout.target;
        let fallen_back = || match place.proof(target).and_then(|proof| proof.step) {
            Some(step) if step.leg >= rollout.began => of_step(step, rollout),
            _ if is_paused(desk, place.key) => Standing::Waiting,
            _ => Standing::Outdated,
        };
        let meant = match (place.made, place.meant().or(place.newest())) {
            (Some(made), _) => Some((made.template, made.step)),
            (None, Some(it)) => Some((it.task.template_revision, it.step)),
            (None, None) => None,
        };
        match meant {
            Some((template, _)) if template != target => fallen_back(),
            Some((_, Some(step))) if step.leg >= rollout.began => of_step(step, rollout),
            Some(_) => Standing::Current,
            None => Standing::Outdated,
        }
    }

    /// Until when the place keeps others from having their turn, now that a turn is followed by
    /// a wait; nothing: it does not. The last moment there is: until its task runs.
    pub(super) fn keeps_turn(self, leg: Revision, delay: std::time::Duration) -> Option<Timestamp> {
        match self {
            Standing::Open(step) => Some(step.turn_over.map_or(NEVER, |time| time.after(delay))),
            Standing::Updated(step) | Standing::Failed(step) if step.leg == leg => {
                step.turn_over.map(|time| time.after(delay))
            }
            _ => None,
        }
    }
}

/// After all time.
pub(super) const NEVER: Timestamp = Timestamp(i64::MAX);

fn of_step(step: RolloutStep, rollout: &Rollout) -> Standing {
    match step.verdict {
        None => Standing::Open(step),
        Some(Verdict::Passed) => Standing::Updated(step),
        Some(Verdict::Failed) if step.leg == rollout.leg => Standing::Failed(step),
        Some(Verdict::Failed) => Standing::Retry,
    }
}

/// Whether a new task could not get onto the only node that it may run on.
fn is_paused(desk: &Desk<'_>, key: PlaceKey) -> bool {
    let PlaceKey::Node(node) = key else {
        return false;
    };
    desk.state
        .node(node)
        .is_some_and(|node| node.spec.availability() == Availability::Pause)
}

/// How many places stand where.
#[derive(Clone, Copy, Default)]
pub(super) struct Census {
    pub(super) counts: RolloutCounts,
    /// Still to be begun.
    pub(super) left: u32,
    /// Of these, on nodes that are paused.
    pub(super) waiting: u32,
}

impl Census {
    pub(super) fn add(&mut self, standing: Standing) {
        let counts = &mut self.counts;
        match standing {
            Standing::Current => return,
            Standing::Outdated | Standing::Retry => self.left += 1,
            Standing::Waiting => {
                self.left += 1;
                self.waiting += 1;
            }
            Standing::Open(_) => counts.updating += 1,
            Standing::Updated(_) => counts.updated += 1,
            Standing::Failed(_) => counts.failed += 1,
        }
        counts.total += 1;
    }
}
