// SPDX-License-Identifier: Apache-2.0
//! Rules about the places of services: slots, or nodes with one task a node.

use std::collections::BTreeMap;

use crate::model::{DesiredState, NodeId, ServiceId, Task, TaskState};
use crate::state::State;

use super::Violation;

/// A service, a slot and, if that is 0, a node.
pub(super) type Place = (ServiceId, u32, Option<NodeId>);

fn place_of(task: &Task) -> Place {
    let node = task.node.as_ref().filter(|_| task.slot == 0);
    (task.service, task.slot, node.map(|node| node.id))
}

/// The tasks of every place, oldest first.
pub(super) fn places(state: &State) -> BTreeMap<Place, Vec<&Task>> {
    let mut places: BTreeMap<Place, Vec<&Task>> = BTreeMap::new();
    for task in state.tasks() {
        places.entry(place_of(task)).or_default().push(task);
    }
    for tasks in places.values_mut() {
        tasks.sort_by_key(|task| (task.attempt, task.meta.create_revision));
    }
    places
}

/// The task that a place is meant for, ended or not.
fn holder<'a>(tasks: &[&'a Task]) -> Option<&'a Task> {
    let mut holders = tasks.iter().rev();
    holders
        .find(|task| task.desired <= DesiredState::Running)
        .copied()
}

/// The holder of one place among all.
pub(super) fn holder_at<'a>(
    places: &BTreeMap<Place, Vec<&'a Task>>,
    place: &Place,
) -> Option<&'a Task> {
    places.get(place).and_then(|tasks| holder(tasks))
}

pub(super) fn check(state: &State, found: &mut Vec<Violation>) {
    for tasks in places(state).values() {
        check_place(tasks, found);
    }
}

fn check_place(tasks: &[&Task], found: &mut Vec<Violation>) {
    let holders = tasks
        .iter()
        .filter(|task| task.desired <= DesiredState::Running);
    if holders.count() > 1 {
        found.push(Violation::new(
            "a place has one holder at most",
            names(tasks),
        ));
    }
    let is_newest = |task: &Task| {
        tasks
            .last()
            .is_some_and(|last| last.meta.id == task.meta.id)
    };
    if holder(tasks).is_some_and(|task| !is_newest(task)) {
        found.push(Violation::new(
            "the holder of a place is its newest task",
            names(tasks),
        ));
    }
    if tasks
        .windows(2)
        .any(|pair| pair[0].attempt == pair[1].attempt)
    {
        found.push(Violation::new(
            "attempts at a place are numbered",
            names(tasks),
        ));
    }
    let early = |task: &Task| {
        task.desired == DesiredState::Ready
            && task.status.state >= TaskState::Starting
            && !task.is_terminal()
    };
    if tasks.iter().any(|task| early(task)) {
        found.push(Violation::new("no task starts without leave", names(tasks)));
    }
}

fn names(tasks: &[&Task]) -> String {
    let named = tasks.iter().map(|task| {
        format!(
            "{} {}#{} {:?} wanted {:?}",
            task.meta.id, task.name, task.attempt, task.status.state, task.desired
        )
    });
    named.collect::<Vec<_>>().join("; ")
}
