// SPDX-License-Identifier: Apache-2.0
//! Looking after the places that should be there: each has a task that runs, or will, or a
//! reason why not.
//!
//! A new attempt is made together with the order to stop the one before, or beside it if a
//! rollout made it. It may get a node and be made ready at once, but has no leave to run until
//! nothing else can be running in its place, and until its restart time.

use crate::model::{
    DesiredState, Outcome, RestartMemory, Revision, RolloutStep, TaskState, Timestamp,
};
use crate::state::{NewTask, Write};

use super::desk::Desk;
use super::node_loss::Ground;
use super::place::{Attempt, Made, Place, PlaceKey, Places};
use super::restart::{self, Verdict};
use super::update::Run;

/// What the next attempt at a place is to be like.
#[derive(Clone, Copy)]
pub(super) struct Next {
    pub(super) template: Revision,
    pub(super) memory: RestartMemory,
    pub(super) restart_time: Option<Timestamp>,
    pub(super) step: Option<RolloutStep>,
}

impl Next {
    /// Of this template, as if nothing had been before.
    pub(super) fn fresh(template: Revision, step: Option<RolloutStep>) -> Next {
        Next {
            template,
            memory: RestartMemory::default(),
            restart_time: None,
            step,
        }
    }

    /// The same again without delay: what was before is not held against it.
    pub(super) fn moved(desk: &Desk<'_>, attempt: &Attempt<'_>) -> Next {
        let template = attempt.task.template_revision;
        let policy = desk.restart_policy(template);
        Next {
            template,
            memory: restart::remembered(&policy, attempt.task, desk.now),
            restart_time: attempt.task.status.restart_time,
            step: anew(desk, attempt),
        }
    }

    /// What follows an attempt that must not stay, or has ended; nothing: nothing does.
    pub(super) fn after(desk: &Desk<'_>, attempt: &Attempt<'_>) -> Option<Next> {
        if !attempt.has_ended() {
            return match attempt.ground {
                Ground::Nowhere | Ground::Sound => None,
                Ground::Leaving | Ground::Down(_) | Ground::Gone => {
                    Some(Next::moved(desk, attempt))
                }
            };
        }
        if attempt.outcome != Outcome::Open {
            return None;
        }
        if !is_undecided(attempt) {
            return Some(Next::moved(desk, attempt));
        }
        match verdict(desk, attempt) {
            Verdict::Again {
                restart_time,
                memory,
            } => {
                let step = match attempt.task.ended_with_engine() {
                    true => anew(desk, attempt),
                    false => attempt.step,
                };
                Some(Next {
                    template: attempt.task.template_revision,
                    memory,
                    restart_time: Some(restart_time),
                    step,
                })
            }
            Verdict::Settled(_) => None,
        }
    }
}

/// The step of what follows an attempt whose end says nothing. If it is open it begins anew; once
/// its rollout is over nobody judges it any more, and it is dropped.
fn anew(desk: &Desk<'_>, attempt: &Attempt<'_>) -> Option<RolloutStep> {
    let step = attempt.step?;
    let rollout = desk.service.rollout.as_ref();
    let is_over = rollout.is_none_or(|it| it.state.is_over());
    match step.verdict {
        Some(_) => Some(step),
        None if is_over => None,
        None => Some(RolloutStep {
            begun: desk.now,
            turn_over: None,
            ..step
        }),
    }
}

/// Notes of the attempts that ended by themselves whether nothing follows.
pub(super) fn settle(desk: &mut Desk<'_>, places: &mut Places<'_>) {
    for place in places.all() {
        let meant = place.attempts.iter_mut().filter(|it| it.holds());
        for attempt in meant.filter(|it| is_undecided(it)) {
            if let Verdict::Settled(outcome) = verdict(desk, attempt) {
                attempt.outcome = outcome;
                desk.write([Write::SettleTask {
                    task: attempt.id(),
                    outcome,
                }]);
            }
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

/// Makes the attempt that the place needs, if it needs one. One with a successor needs none.
pub(super) fn tend(desk: &mut Desk<'_>, place: &mut Place<'_>, run: &mut Run) {
    if place.made.is_some() || place.successor().is_some() {
        return;
    }
    let next = match (place.holder(), place.newest()) {
        (Some(holder), _) => Next::after(desk, holder),
        (None, Some(newest)) => Some(Next::moved(desk, newest)),
        (None, None) => Some(run.first_at_a_new_place(desk)),
    };
    if let Some(next) = next {
        let next = run.template_for(desk, next);
        replace(desk, place, next);
    }
}

/// Stops what the place is meant for, if anything, and makes the attempt that follows it.
pub(super) fn replace(desk: &mut Desk<'_>, place: &mut Place<'_>, next: Next) {
    let mut writes = Vec::new();
    for attempt in place.attempts.iter_mut().filter(|it| it.holds()) {
        writes.push(attempt.tell(DesiredState::Stopped));
    }
    let is_busy = place.is_busy(None);
    writes.push(make(desk, place, next, is_busy, false));
    desk.write(writes);
}

/// Makes an attempt beside the holder, which stays, in the place of the successor there is.
pub(super) fn make_beside(desk: &mut Desk<'_>, place: &mut Place<'_>, next: Next) {
    let stop = place.successor_mut();
    let stop = stop.map(|attempt| attempt.tell(DesiredState::Stopped));
    let overlaps = next.step.is_some_and(|step| step.overlaps);
    let holder = place.holder().map(Attempt::id);
    let is_busy = !overlaps || place.is_busy(holder);
    let create = make(desk, place, next, is_busy, true);
    desk.write(stop.into_iter().chain([create]));
}

fn make(
    desk: &mut Desk<'_>,
    place: &mut Place<'_>,
    next: Next,
    is_busy: bool,
    beside: bool,
) -> Write {
    let restart_time = next.restart_time.filter(|time| *time > desk.now);
    if let Some(time) = restart_time {
        desk.wake_at(time);
    }
    let held = restart_time.is_some() || is_busy;
    let (slot, node) = match place.key {
        PlaceKey::Slot(slot) => (slot, None),
        PlaceKey::Node(node) => (0, Some(node)),
    };
    place.made = Some(Made {
        template: next.template,
        step: next.step,
    });
    Write::CreateTask(NewTask {
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
        step: next.step,
        beside,
    })
}

/// Until when it must wait. No wait is longer than the longest of its policy: a time further
/// ahead was written by a clock that was ahead, before this manager was started again or by
/// another one, and counts no more.
pub(super) fn held_until(desk: &Desk<'_>, holder: &Attempt<'_>) -> Option<Timestamp> {
    let time = holder.task.status.restart_time?;
    let policy = desk.restart_policy(holder.task.template_revision);
    let left = time.since(desk.now);
    (!left.is_zero() && left <= policy.max_delay()).then_some(time)
}

/// Gives those that wait for it leave to run, once it is time and nothing else can be running
/// in their place.
pub(super) fn promote(desk: &mut Desk<'_>, place: &mut Place<'_>) {
    let Some(holder) = place.holder().map(Attempt::id) else {
        return;
    };
    let overlaps = |it: &Attempt<'_>| it.step.is_some_and(|step| step.overlaps);
    let (waiting, beside) = match place.successor() {
        Some(successor) if overlaps(successor) => (successor, Some(holder)),
        Some(_) => return,
        None => match place.holder() {
            Some(holder) => (holder, None),
            None => return,
        },
    };
    if waiting.desired != DesiredState::Ready || waiting.has_ended() {
        return;
    }
    if let Some(time) = held_until(desk, waiting) {
        desk.wake_at(time);
        return;
    }
    let id = waiting.id();
    let mut others = place.attempts.iter().filter(|other| other.id() != id);
    if others.any(|other| Some(other.id()) != beside && other.may_run()) {
        return;
    }
    if let Some(attempt) = place.meant_mut() {
        let write = attempt.tell(DesiredState::Running);
        desk.write([write]);
    }
}
