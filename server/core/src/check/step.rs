// SPDX-License-Identifier: Apache-2.0
//! Rules about what may change from one state to the next.

use std::collections::BTreeMap;

use crate::model::{DesiredState, Outcome, ServiceId, Task, TaskState};
use crate::state::State;

use super::place::{Place, holder_at, places};
use super::{Violation, load};

/// The rule that an update waits for what it has made. It rests on a promise that is not kept
/// by the state itself: that the plans of a service are written one after the other, each made
/// when the one before was written or refused.
pub const ONE_TURN: &str = "an update waits for what it made";

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
            Some(now) => check_task(task, now, &mut found),
            None => check_gone(before, after, task, &mut found),
        }
    }
    for task in after.tasks() {
        check_start(before, after, task, &mut found);
    }
    check_updates(before, after, &mut found);
    load::check_step(before, after, &mut found);
    found
}

fn check_task(old: &Task, new: &Task, found: &mut Vec<Violation>) {
    let same_node = |old: &Task| old.node.as_ref().map(|node| node.id);
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

/// An update takes a running task away only one at a time, and only while all it has made so
/// far, in places that are still wanted, have come to run.
fn check_updates(before: &State, after: &State, found: &mut Vec<Violation>) {
    let (old_places, new_places) = (places(before), places(after));
    let mut taken: BTreeMap<ServiceId, Vec<Place>> = BTreeMap::new();
    let mut unproven: BTreeMap<ServiceId, Vec<Place>> = BTreeMap::new();
    for place in new_places.keys() {
        let Some((old, new)) = holder_at(&old_places, place).zip(holder_at(&new_places, place))
        else {
            continue;
        };
        if is_taken(before, after, old, new) {
            taken.entry(place.0).or_default().push(*place);
        } else if is_unproven(after, old) {
            unproven.entry(place.0).or_default().push(*place);
        }
    }
    for (service, places) in taken {
        if places.len() > 1 {
            let message = format!("{places:?}");
            found.push(Violation::new("one place is updated at a time", message));
        }
        if let Some(others) = unproven.get(&service) {
            let message = format!("{places:?}, while {others:?}");
            found.push(Violation::new(ONE_TURN, message));
        }
    }
}

/// Whether a task that ran well was replaced by one of a newer template.
fn is_taken(before: &State, after: &State, old: &Task, new: &Task) -> bool {
    let template = after
        .service(new.service)
        .map(|service| service.template_revision);
    old.meta.id != new.meta.id
        && old.template_revision != new.template_revision
        && Some(new.template_revision) == template
        && old.status.state == TaskState::Running
        && before.may_run(old)
}

/// Whether the task is of the present template, is meant to run, and has not run yet.
fn is_unproven(after: &State, task: &Task) -> bool {
    let template = after
        .service(task.service)
        .map(|service| service.template_revision);
    let ran = task
        .status
        .history
        .iter()
        .any(|past| past.state == TaskState::Running);
    let well = matches!(task.status.state, TaskState::Running | TaskState::Completed);
    Some(task.template_revision) == template
        && task.desired <= DesiredState::Running
        && task.outcome != Outcome::Finished
        && !ran
        && !well
}
