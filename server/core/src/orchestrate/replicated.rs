// SPDX-License-Identifier: Apache-2.0
//! A number of tasks, each in a slot of its own.

use std::collections::{BTreeMap, BinaryHeap};

use crate::model::{NodeId, TaskState};

use super::desk::Desk;
use super::place::{Place, PlaceKey, Places};
use super::reaper;

/// The slots that should have a task. There are as many as replicas are wanted: of the slots
/// in use, surplus ones are emptied; if there are too few, the lowest numbers that are free
/// join them.
pub(super) fn choose(desk: &mut Desk<'_>, places: &mut Places<'_>) -> Vec<PlaceKey> {
    let replicas = desk.service.spec.mode.replicas().unwrap_or(0) as usize;
    let used = places.iter().filter(|place| place.is_used()).count();
    if used > replicas {
        for key in surplus(places, used - replicas) {
            reaper::remove(desk, places.at(key));
        }
    }
    let mut free = replicas.saturating_sub(used);
    let mut slot = 1;
    let mut wanted = Vec::with_capacity(replicas);
    while wanted.len() < replicas {
        let key = PlaceKey::Slot(slot);
        let is_used = places.get(key).is_some_and(Place::is_used);
        if is_used || free > 0 {
            free -= usize::from(!is_used);
            places.at(key);
            wanted.push(key);
        }
        slot += 1;
    }
    wanted
}

/// Which slots to empty: first those where nothing runs, the ones that have come least far
/// before the others; then those on the node with most tasks of the service; among equals, the
/// highest number.
fn surplus(places: &Places<'_>, count: usize) -> Vec<PlaceKey> {
    let mut idle: Vec<(TaskState, std::cmp::Reverse<PlaceKey>)> = Vec::new();
    let mut busy: BTreeMap<Option<NodeId>, Vec<PlaceKey>> = BTreeMap::new();
    for place in places.iter().filter(|place| place.is_used()) {
        match progress(place) {
            (TaskState::Running, node) => busy.entry(node).or_default().push(place.key),
            (state, _) => idle.push((state, std::cmp::Reverse(place.key))),
        }
    }
    idle.sort_unstable();
    let mut chosen: Vec<PlaceKey> = idle.into_iter().map(|(_, key)| key.0).take(count).collect();
    let mut fullest: BinaryHeap<(usize, PlaceKey, Vec<PlaceKey>)> = busy
        .into_values()
        .filter_map(|keys| Some((keys.len(), *keys.last()?, keys)))
        .collect();
    while chosen.len() < count {
        let Some((_, highest, mut keys)) = fullest.pop() else {
            break;
        };
        chosen.push(highest);
        keys.pop();
        if let Some(next) = keys.last() {
            fullest.push((keys.len(), *next, keys));
        }
    }
    chosen
}

/// How far the holder has come, and where it is. One that has ended counts as nothing.
fn progress(place: &Place<'_>) -> (TaskState, Option<NodeId>) {
    let meant = place.attempts.iter().filter(|it| it.holds());
    let alive = meant.filter(|it| !it.has_ended() && !it.ground.is_lost());
    match alive.max_by_key(|it| it.state) {
        Some(best) => (best.state, best.task.node.as_ref().map(|node| node.id)),
        None => (TaskState::Pending, None),
    }
}
