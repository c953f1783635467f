// SPDX-License-Identifier: Apache-2.0
//! One task on every node that fits.

use crate::model::{DesiredState, Outcome, TaskState};
use crate::state::derive::wants_node;

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
            wants_node(desk.service, node, place.is_some_and(keeps_node))
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

/// What [`crate::state::derive::keeps_node`] will say of the holder.
fn keeps_node(place: &Place<'_>) -> bool {
    let mut meant = place.attempts.iter().filter(|it| it.holds());
    meant.any(|it| {
        let is_placed = it.state >= TaskState::Assigned && !it.has_ended();
        is_placed || it.outcome != Outcome::Open
    })
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
