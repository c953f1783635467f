// SPDX-License-Identifier: Apache-2.0
//! One task on every node that fits.

use crate::model::{DesiredState, Outcome, TaskState};
use crate::state::derive::{self, Kept, wants_node};

use super::desk::Desk;
use super::place::{Place, PlaceKey, Places};
use super::reaper;

/// The nodes that should have a task, by id. Tasks on others are stopped, and forgotten if
/// their node is.
pub(super) fn choose(desk: &mut Desk<'_>, places: &mut Places<'_>) -> Vec<PlaceKey> {
    let wanted: Vec<PlaceKey> = desk
        .state
        .nodes()
        .filter(|node| {
            let place = places.get(PlaceKey::Node(node.meta.id));
            let kept = place.map_or(Kept::Nothing, |place| keeps(desk, place));
            wants_node(desk.service, node, kept)
        })
        .map(|node| PlaceKey::Node(node.meta.id))
        .collect();
    for key in &wanted {
        places.at(*key);
    }
    for place in places.all() {
        if wanted.binary_search(&place.key).is_ok() {
            continue;
        }
        if is_known(desk, place.key) {
            stop(desk, place);
        } else {
            reaper::remove(desk, place);
        }
    }
    wanted
}

/// What the node of a place keeps, once all is done that was decided so far: of the holders those
/// of which [`crate::state::derive::keeps_node`] will hold.
fn keeps(desk: &Desk<'_>, place: &Place<'_>) -> Kept {
    let meant = place.attempts.iter().filter(|it| it.holds());
    let kept = meant.filter(|it| {
        let is_placed = it.state >= TaskState::Assigned && !it.has_ended();
        is_placed || it.outcome != Outcome::Open
    });
    let kept = kept.map(|it| derive::kept(desk.state, desk.service, it.task));
    kept.max().unwrap_or(Kept::Nothing)
}

/// Whether the node of a place is still in the swarm.
fn is_known(desk: &Desk<'_>, key: PlaceKey) -> bool {
    match key {
        PlaceKey::Node(node) => desk.state.node(node).is_some(),
        PlaceKey::Slot(_) => false,
    }
}

fn stop(desk: &mut Desk<'_>, place: &mut Place<'_>) {
    for attempt in place.attempts.iter_mut().filter(|it| it.holds()) {
        let write = attempt.tell(DesiredState::Stopped);
        desk.write([write]);
    }
}
