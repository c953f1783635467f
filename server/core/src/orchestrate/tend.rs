// SPDX-License-Identifier: Apache-2.0
//! Looking after the places that should be there: each has a task that runs, or will, or a
//! reason why not.
//!
//! A new attempt is made together with the order to stop the one before. It may get a node and
//! be made ready at once, but has no leave to run until nothing else can be running in its
//! place, and until its restart time.

use crate::model::{DesiredState, Outcome, RestartMemory, Revision, TaskState, Timestamp};
use crate::state::{NewTask, Write};

use super::desk::Desk;
use super::node_loss::Ground;
use super::place::{Attempt, Place, PlaceKey, Places};
use super::restart::{self, Verdict};
use super::update::Turn;

/// What the next attempt at a place is to be like.
#[derive(Clone, Copy)]
pub(super) struct Next {
    pub(super) template: Revision,
    pub(super) memory: RestartMemory,
    pub(super) restart_time: Option<Timestamp>,
}

impl Next {
    /// Of this template, as if nothing had been before.
    pub(super) fn fresh(template: Revision) -> Next {
        Next {
            template,
            memory: RestartMemory::default(),
            restart_time: None,
        }
    }

    /// The same again without delay: what was before is not held against it.
    fn moved(desk: &Desk<'_>, attempt: &Attempt<'_>) -> Next {
        let template = attempt.task.template_revision;
        let policy = desk.restart_policy(template);
        Next {
            template,
            memory: restart::remembered(&policy, attempt.task, desk.now),
            restart_time: attempt.task.status.restart_time,
        }
    }
}

/// Notes of the holders that ended by themselves whether nothing follows.
pub(super) fn settle(desk: &mut Desk<'_>, places: &mut Places<'_>) {
    for place in places.all() {
        let Some(holder) = place.holder_mut().filter(|holder| is_undecided(holder)) else {
            continue;
        };
        if let Verdict::Settled(outcome) = verdict(desk, holder) {
            holder.outcome = outcome;
            desk.write([Write::SettleTask {
                task: holder.id(),
                outcome,
            }]);
        }
    }
}

/// Whether it ended by itself and it is open what follows. What was lost is made anew anyway.
fn is_undecided(attempt: &Attempt<'_>) -> bool {
    attempt.has_ended() && attempt.outcome == Outcome::Open && attempt.state != TaskState::Orphaned
}

fn verdict(desk: &Desk<'_>, attempt: &Attempt<'_>) -> Verdict {
    let policy = desk.restart_policy(attempt.task.template_revision);
    restart::verdict(&policy, attempt.task, desk.now)
}

/// Makes the attempt that the place needs, if it needs one.
pub(super) fn tend(desk: &mut Desk<'_>, place: &mut Place<'_>, turn: &mut Turn) {
    if let Some(next) = next(desk, place) {
        let next = turn.template_for(next);
        replace(desk, place, next);
    }
}

/// The attempt that the place needs; nothing: it needs none.
fn next(desk: &Desk<'_>, place: &Place<'_>) -> Option<Next> {
    let Some(holder) = place.holder() else {
        let next = match place.newest() {
            Some(newest) => Next::moved(desk, newest),
            None => Next::fresh(desk.current()),
        };
        return Some(next);
    };
    if !holder.has_ended() {
        return match holder.ground {
            Ground::Nowhere | Ground::Sound => None,
            Ground::Leaving | Ground::Down(_) | Ground::Gone => Some(Next::moved(desk, holder)),
        };
    }
    if holder.outcome != Outcome::Open {
        return None;
    }
    if !is_undecided(holder) {
        return Some(Next::moved(desk, holder));
    }
    match verdict(desk, holder) {
        Verdict::Again {
            restart_time,
            memory,
        } => Some(Next {
            template: holder.task.template_revision,
            memory,
            restart_time: Some(restart_time),
        }),
        Verdict::Settled(_) => None,
    }
}

/// Stops the holder, if there is one, and makes the attempt that follows it.
pub(super) fn replace(desk: &mut Desk<'_>, place: &mut Place<'_>, next: Next) {
    let stop = place
        .holder_mut()
        .map(|holder| holder.tell(DesiredState::Stopped));
    let restart_time = next.restart_time.filter(|time| *time > desk.now);
    if let Some(time) = restart_time {
        desk.wake_at(time);
    }
    let held = restart_time.is_some() || place.is_busy();
    let (slot, node) = match place.key {
        PlaceKey::Slot(slot) => (slot, None),
        PlaceKey::Node(node) => (0, Some(node)),
    };
    let create = Write::CreateTask(NewTask {
        id: desk.next_task_id(),
        service: desk.service.meta.id,
        slot,
        attempt: place.next_attempt(),
        template_revision: next.template,
        node,
        desired: if held {
            DesiredState::Ready
        } else {
            DesiredState::Running
        },
        restart_time,
        restart: next.memory,
    });
    place.made = Some(next.template);
    desk.write(stop.into_iter().chain([create]));
}

/// Until when it must wait. No wait is longer than the longest of its policy: a time further
/// ahead was written by a clock that was ahead, before this manager was started again or by
/// another one, and counts no more.
fn held_until(desk: &Desk<'_>, holder: &Attempt<'_>) -> Option<Timestamp> {
    let time = holder.task.status.restart_time?;
    let policy = desk.restart_policy(holder.task.template_revision);
    let left = time.since(desk.now);
    (!left.is_zero() && left <= policy.max_delay()).then_some(time)
}

/// Gives the holder leave to run once it is time and nothing else can be running in its place.
pub(super) fn promote(desk: &mut Desk<'_>, place: &mut Place<'_>) {
    let Some(holder) = place.holder() else {
        return;
    };
    if holder.desired != DesiredState::Ready || holder.has_ended() {
        return;
    }
    let id = holder.id();
    if let Some(time) = held_until(desk, holder) {
        desk.wake_at(time);
        return;
    }
    let is_busy = place
        .attempts
        .iter()
        .any(|other| other.id() != id && other.may_run());
    if let Some(holder) = place.holder_mut().filter(|_| !is_busy) {
        let write = holder.tell(DesiredState::Running);
        desk.write([write]);
    }
}
