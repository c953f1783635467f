// SPDX-License-Identifier: Apache-2.0
//! Rules about what may change from one state to the next.

use crate::model::{DesiredState, ServiceId, Task};
use crate::state::State;

use super::{Violation, load, rollout};

/// Every rule about the step from one state to one that follows it that does not hold.
#[must_use]
pub fn step(before: &State, after: &State) -> Vec<Violation> {
    let mut found = Vec::new();
    if after.revision() < before.revision() || after.time() < before.time() {
        let message = format!("{:?}, then {:?}", before.revision(), after.revision());
        found.push(Violation::new("revision and time never go back", message));
    }
    for task in before.tasks() {
        match after.task(task.meta.id) {
            Some(now) => check_task(after, task, now, &mut found),
            None => check_gone(before, after, task, &mut found),
        }
    }
    for task in after.tasks() {
        check_start(before, after, task, &mut found);
    }
    rollout::check(before, after, &mut found);
    load::check_step(before, after, &mut found);
    found
}

fn check_task(after: &State, old: &Task, new: &Task, found: &mut Vec<Violation>) {
    let same_node = |old: &Task| old.node.as_ref().map(|node| node.id);
    let service = after.service(new.service);
    let in_mesh = service.is_none_or(|service| service.is_in_mesh());
    let moved_on = old.meta.revision < new.meta.revision;
    let rules = [
        (
            "a task's state only grows",
            old.status.state <= new.status.state,
        ),
        (
            "a task's desired state only grows",
            old.desired <= new.desired,
        ),
        (
            "a task that ended stays as it is",
            !old.is_terminal() || old.status.state == new.status.state,
        ),
        (
            "a task keeps its node",
            old.node.is_none() || same_node(old) == same_node(new),
        ),
        (
            "a task keeps its place, attempt and template",
            (place_key(old), old.attempt, old.template_revision)
                == (place_key(new), new.attempt, new.template_revision),
        ),
        (
            "a task that was told to stop while it answered leaves the traffic before it does",
            drains_on(old, new, in_mesh),
        ),
        (
            "a change is a new revision",
            moved_on == (old != new) && old.meta.create_revision == new.meta.create_revision,
        ),
    ];
    for (rule, holds) in rules {
        if !holds {
            let message = format!("{}#{}: {:?}, then {:?}", old.name, old.attempt, old, new);
            found.push(Violation::new(rule, message));
        }
    }
}

/// Whether a task that answers leaves the traffic from the moment it is told to stop, and never
/// comes back into it. If its service is not in the mesh there is nothing to leave.
fn drains_on(old: &Task, new: &Task, in_mesh: bool) -> bool {
    match (&old.drain, &new.drain) {
        (Some(old), Some(new)) => {
            let same = (old.told_revision, old.told) == (new.told_revision, new.told);
            same && (old.released.is_none() || old.released == new.released)
        }
        (Some(_), None) => false,
        (None, Some(drain)) => drain.told_revision == new.meta.revision,
        (None, None) => {
            let told = |task: &Task| task.desired > DesiredState::Running;
            told(old) || !told(new) || !in_mesh || !old.answers() || new.is_terminal()
        }
    }
}

fn place_key(task: &Task) -> (ServiceId, u32) {
    (task.service, task.slot)
}

/// A task is forgotten only when nothing of it can be running that an agent could be asked for.
fn check_gone(before: &State, after: &State, task: &Task, found: &mut Vec<Violation>) {
    let node = task.node.as_ref().and_then(|node| after.node(node.id));
    if before.may_run(task) && node.is_some() {
        let message = format!("{}#{}", task.name, task.attempt);
        found.push(Violation::new("no task is forgotten that may run", message));
    }
}

/// A task gets leave to run only when no other task of its place may be running. One on a node
/// that is down may be, cut off, and is not waited for.
fn check_start(before: &State, after: &State, task: &Task, found: &mut Vec<Violation>) {
    let had_leave = |task: &Task| task.desired >= DesiredState::Running;
    if task.desired != DesiredState::Running
        || before.task(task.meta.id).is_some_and(|old| had_leave(old))
    {
        return;
    }
    if after.place_is_busy(task) {
        let message = format!("{}#{}", task.name, task.attempt);
        found.push(Violation::new("no place runs twice", message));
    }
}
