// SPDX-License-Identifier: Apache-2.0
//! A place with two tasks: the one that has it, and the one that is to take it over.
//!
//! The holder stays until its successor is ready, or runs if the order is to start first. If the
//! successor waits for the room that the holder takes, the holder leaves at once. A successor
//! that fails takes nothing away: it is made again beside the holder if the rollout bears that,
//! and else the place stays as it was.

use crate::model::{DesiredState, TaskState};
use crate::schedule::would_fit;

use super::desk::Desk;
use super::node_loss::Ground;
use super::place::{Attempt, Place};
use super::tend::{self, Next};
use super::update::Run;

/// Goes on with the change of one place.
pub(super) fn advance(desk: &mut Desk<'_>, place: &mut Place<'_>, run: &mut Run) {
    let (Some(holder), Some(successor)) = (place.holder(), place.successor()) else {
        return;
    };
    if successor.task.template_revision != desk.current() || run.is_paused() {
        undo(desk, place);
        return;
    }
    let restart_time = tend::held_until(desk, successor).filter(|_| !successor.has_ended());
    if let Some(time) = restart_time {
        desk.wake_at(time);
    }
    let must_go = holder.has_ended() || !matches!(holder.ground, Ground::Sound | Ground::Nowhere);
    let next = Next::after(desk, successor);
    let overlaps = successor.step.is_some_and(|step| step.overlaps);
    let takes_over = restart_time.is_none() && takes_over(desk, holder, successor);
    if must_go || (takes_over && (overlaps || run.take_away())) {
        if let Some(holder) = place.holder_mut() {
            let write = holder.tell(DesiredState::Stopped);
            desk.write([write]);
        }
    } else if let Some(next) = next {
        tend::make_beside(desk, place, next);
    }
}

/// Leaves the place to its holder.
fn undo(desk: &mut Desk<'_>, place: &mut Place<'_>) {
    if let Some(successor) = place.successor_mut() {
        let write = successor.tell(DesiredState::Stopped);
        desk.write([write]);
    }
}

/// Whether the holder has to stop now, for its successor.
fn takes_over(desk: &Desk<'_>, holder: &Attempt<'_>, successor: &Attempt<'_>) -> bool {
    if successor.has_ended() {
        return false;
    }
    let overlaps = successor.step.is_some_and(|step| step.overlaps);
    match successor.state {
        TaskState::Running => true,
        _ if overlaps => false,
        TaskState::Pending => {
            successor.task.status.unplaced.is_some()
                && would_fit(desk.state, successor.task, holder.task)
        }
        state => state >= TaskState::Ready,
    }
}
