// SPDX-License-Identifier: Apache-2.0
//! Forgetting what nobody needs any more: tasks, old attempts, templates, services.

use std::collections::BTreeSet;

use crate::model::{DesiredState, Revision};
use crate::state::Write;

use super::desk::Desk;
use super::place::{Attempt, Place, Places};

/// Empties a place for good: what may run is stopped and forgotten once it has, the rest is
/// forgotten at once. A task on a node that is down is forgotten too, since the agent stops
/// what is not assigned to it when it comes back.
pub(super) fn remove(desk: &mut Desk<'_>, place: &mut Place<'_>) {
    for attempt in &mut place.attempts {
        if attempt.deleted {
            continue;
        }
        if !attempt.may_run() {
            let write = attempt.delete();
            desk.write([write]);
        } else if attempt.desired < DesiredState::Removed {
            let write = attempt.tell(DesiredState::Removed);
            desk.write([write]);
        }
    }
}

/// Empties a service that is being deleted, and forgets it when nothing is left.
pub(super) fn remove_service(desk: &mut Desk<'_>, places: &mut Places<'_>) {
    for place in places.all() {
        remove(desk, place);
    }
    let is_empty = places
        .iter()
        .all(|place| place.attempts.iter().all(|attempt| attempt.deleted));
    if is_empty {
        let service = desk.service.meta.id;
        desk.write([Write::DeleteService { service }]);
    }
}

/// Revisions kept beside the present one, whether tasks are made from them or not.
pub(super) const REVISIONS_KEPT: usize = 10;

/// Forgets tasks that were to be removed and can be, attempts beyond the history that the swarm
/// keeps, and templates that no task is made from and nobody would go back to.
pub(super) fn forget(desk: &mut Desk<'_>, places: &mut Places<'_>) {
    let keep = desk.swarm.task_history() as usize;
    for place in places.all() {
        forget_attempts(desk, place, keep);
    }
    forget_templates(desk, places);
}

fn forget_attempts(desk: &mut Desk<'_>, place: &mut Place<'_>, keep: usize) {
    let mut kept = 0;
    let proof = place.proof(desk.current()).map(Attempt::id);
    // The newest that shows that a step failed is kept whatever the history: the rollout counts
    // it.
    for attempt in place.attempts.iter_mut().rev() {
        if attempt.deleted || attempt.may_run() || attempt.holds() {
            continue;
        }
        let is_removed = attempt.desired == DesiredState::Removed;
        let is_proof = proof == Some(attempt.id());
        if !is_removed && (kept < keep || !attempt.has_ended() || is_proof) {
            kept += usize::from(attempt.has_ended());
            continue;
        }
        let write = attempt.delete();
        desk.write([write]);
    }
}

fn forget_templates(desk: &mut Desk<'_>, places: &Places<'_>) {
    let mut used: BTreeSet<Revision> = BTreeSet::from([desk.current()]);
    for place in places.iter() {
        used.extend(place.made.map(|made| made.template));
        let attempts = place.attempts.iter().filter(|attempt| !attempt.deleted);
        used.extend(attempts.map(|attempt| attempt.task.template_revision));
    }
    let service = desk.service.meta.id;
    let newest_first = || {
        let mut kept: Vec<_> = desk.state.templates(service).collect();
        kept.reverse();
        kept.into_iter()
            .filter(|(revision, _)| *revision != desk.current())
    };
    used.extend(
        newest_first()
            .map(|(revision, _)| revision)
            .take(REVISIONS_KEPT),
    );
    let mut good = newest_first().filter(|(_, kept)| kept.good);
    used.extend(good.next().map(|(revision, _)| revision));
    let unused: Vec<Revision> = desk
        .state
        .templates(service)
        .map(|(revision, _)| revision)
        .filter(|revision| !used.contains(revision))
        .collect();
    for revision in unused {
        desk.write([Write::DropTemplate { service, revision }]);
    }
}
