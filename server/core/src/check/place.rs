// SPDX-License-Identifier: Apache-2.0
//! Rules about the places of services: slots, or nodes with one task a node.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{DesiredState, NodeId, ServiceId, Task, TaskState};
use crate::state::State;

use super::Violation;

/// A service, a slot and, if that is 0, a node.
pub(super) type Place = (ServiceId, u32, Option<NodeId>);

/// The tasks of each place, oldest first.
pub(super) fn places<'a>(
    tasks: impl Iterator<Item = &'a Arc<Task>>,
) -> BTreeMap<Place, Vec<&'a Task>> {
    let mut places: BTreeMap<Place, Vec<&Task>> = BTreeMap::new();
    for task in tasks {
        let (slot, node) = task.place();
        let place = (task.service, slot, node);
        places.entry(place).or_default().push(task);
    }
    for tasks in places.values_mut() {
        tasks.sort_by_key(|task| task.seniority());
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

pub(super) fn check(state: &State, found: &mut Vec<Violation>) {
    for tasks in places(state.tasks()).values() {
        check_place(tasks, found);
    }
}

fn check_place(tasks: &[&Task], found: &mut Vec<Violation>) {
    let meant: Vec<&&Task> = tasks
        .iter()
        .filter(|task| task.desired <= DesiredState::Running)
        .collect();
    let unlike = |pair: &[&&Task]| {
        pair[0].template_revision != pair[1].template_revision && pair[1].step.is_some()
    };
    if meant.len() > 2 || !meant.windows(2).all(unlike) {
        found.push(Violation::new(
            "a place has one holder, and one successor of another template at most",
            names(tasks),
        ));
    }
    // Newer ones than what a place is meant for were beside it for a rollout, and given up.
    let mut newer = tasks
        .iter()
        .rev()
        .take_while(|task| task.desired > DesiredState::Running);
    let given_up = |task: &Task, holder: &Task| {
        task.step.is_some() && task.template_revision != holder.template_revision
    };
    if holder(tasks).is_some_and(|holder| !newer.all(|task| given_up(task, holder))) {
        found.push(Violation::new(
            "the holder of a place is its newest task, less what was beside it",
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
