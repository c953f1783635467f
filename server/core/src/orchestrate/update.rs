// SPDX-License-Identifier: Apache-2.0
//! Rolling update: one place at a time gets the present template.
//!
//! The next place has its turn when every task of the present template runs, or finished. So a
//! template that does not work takes away one task of the service, not all of them. A task out
//! of date that fails, or must move while it is another place's turn, is made again from the
//! template that it had.

use crate::model::{Availability, Outcome, Revision, TaskState};

use super::desk::Desk;
use super::node_loss::Ground;
use super::place::{Attempt, Place, PlaceKey, Places};
use super::tend::{self, Next};

/// Whether a place may be brought up to date.
pub(super) struct Turn {
    current: Revision,
    is_free: bool,
}

impl Turn {
    pub(super) fn of(desk: &Desk<'_>, places: &Places<'_>, wanted: &[PlaceKey]) -> Turn {
        let current = desk.current();
        let is_free = wanted.iter().all(|key| {
            places
                .get(*key)
                .is_some_and(|place| !is_in_the_way(place, current))
        });
        Turn { current, is_free }
    }

    /// The attempt that is made where `next` is needed. A place out of date takes the chance to
    /// be brought up to date, if it can have the turn.
    pub(super) fn template_for(&mut self, next: Next) -> Next {
        let is_outdated = next.template != self.current;
        if is_outdated && !self.is_free {
            return next;
        }
        self.is_free = false;
        if is_outdated {
            Next::fresh(self.current)
        } else {
            next
        }
    }
}

/// Whether the place has, or needs, a task of the present template that does not run yet.
fn is_in_the_way(place: &Place<'_>, current: Revision) -> bool {
    match place.holder().or(place.newest()) {
        Some(attempt) if attempt.task.template_revision == current => !is_well(attempt),
        Some(_) => false,
        None => true,
    }
}

fn is_well(attempt: &Attempt<'_>) -> bool {
    let runs = attempt.state == TaskState::Running && attempt.ground == Ground::Sound;
    attempt.holds() && (runs || attempt.outcome == Outcome::Finished)
}

/// Brings one place up to date, if the turn is free.
pub(super) fn step(
    desk: &mut Desk<'_>,
    places: &mut Places<'_>,
    wanted: &[PlaceKey],
    turn: &mut Turn,
) {
    if !turn.is_free {
        return;
    }
    let candidate = wanted
        .iter()
        .filter_map(|key| Some((rank(desk, places.get(*key)?)?, *key)))
        .min();
    if let Some((_, key)) = candidate {
        turn.is_free = false;
        let current = turn.current;
        tend::replace(desk, places.at(key), Next::fresh(current));
    }
}

/// How early a place out of date has its turn: those first where nothing runs. Nothing: it is
/// up to date, or must be left alone.
fn rank(desk: &Desk<'_>, place: &Place<'_>) -> Option<u8> {
    let holder = place.holder().filter(|_| place.made.is_none())?;
    if holder.task.template_revision == desk.current() || is_paused(desk, place.key) {
        return None;
    }
    Some(match holder.state {
        state if state.is_terminal() => 0,
        TaskState::Running => 2,
        _ => 1,
    })
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
