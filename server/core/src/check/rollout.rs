// SPDX-License-Identifier: Apache-2.0
//! Rules about rollouts, from one state to the next.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Availability, DesiredState, Mode, NodeState, OnFailure, Revision, Rollout, RolloutStep,
    Service, ServiceId, Task, TaskState, Verdict,
};
use crate::rollout::is_too_many;
use crate::schedule::filter::requirements_hold;
use crate::state::State;

use super::Violation;
use super::place::{Place, places};

type Places<'a> = BTreeMap<Place, Vec<&'a Task>>;

/// Every rule about the rollouts that the step breaks.
pub(super) fn check(before: &State, after: &State, found: &mut Vec<Violation>) {
    let (old, new) = (by_service(before), by_service(after));
    for service in after.services() {
        let (Some(rollout), Some(known)) = (&service.rollout, before.service(service.meta.id))
        else {
            continue;
        };
        let none = Places::new();
        let id = service.meta.id;
        let old = (before, old.get(&id).unwrap_or(&none));
        let new = (after, new.get(&id).unwrap_or(&none));
        check_down(service, old, new, found);
        check_still(known, service, old.1, new.1, found);
        check_done(known, service, new.1, found);
        check_borne(known, service, rollout, found);
    }
    check_passed(before, after, found);
}

fn by_service(state: &State) -> BTreeMap<ServiceId, Places<'_>> {
    let mut services: BTreeMap<ServiceId, Places<'_>> = BTreeMap::new();
    for (place, tasks) in places(state.tasks()) {
        services.entry(place.0).or_default().insert(place, tasks);
    }
    services
}

fn is_meant(task: &Task) -> bool {
    task.desired <= DesiredState::Running
}

/// A rollout takes away no more tasks that ran than its policy lets it at a time.
fn check_down(
    service: &Service,
    (before, old): (&State, &Places<'_>),
    (after, new): (&State, &Places<'_>),
    found: &mut Vec<Violation>,
) {
    let down = |state: &State, places: &Places<'_>| {
        let tasks = places.values();
        tasks.filter(|tasks| is_down(state, service, tasks)).count()
    };
    let back = service
        .rollout
        .as_ref()
        .is_some_and(|it| it.state.is_back());
    let most = service.spec.policy(back).parallelism();
    let (was, is) = (down(before, old), down(after, new));
    if is > most && is > was {
        let message = format!("{}: {is}, and {most} may be", service.spec.name);
        found.push(Violation::new(
            "no more are down than the policy of a rollout lets be",
            message,
        ));
    }
}

/// Whether a task that could run on was told to stop for one of the present template, and that
/// one did not run yet.
fn is_down(state: &State, service: &Service, tasks: &[&Task]) -> bool {
    replacement(state, service, tasks).is_some_and(|(_, new)| new.status.state < TaskState::Running)
}

/// A task that could run on and was told to stop for one of the present template, and that one.
fn replacement<'a>(
    state: &State,
    service: &Service,
    tasks: &[&'a Task],
) -> Option<(&'a Task, &'a Task)> {
    let [.., old, new] = tasks else {
        return None;
    };
    let open = new
        .step
        .is_some_and(|step| step.verdict.is_none() && step.turn_over.is_none());
    let ran = |task: &Task| {
        let mut past = task.status.history.iter().map(|past| past.state);
        task.status.state == TaskState::Running
            || (task.status.state == TaskState::Stopped
                && past.any(|state| state == TaskState::Running))
    };
    let replaced = open
        && is_meant(new)
        && new.template_revision == service.template_revision
        && old.template_revision != new.template_revision
        && old.desired == DesiredState::Stopped
        && ran(old)
        && could_stay(state, service, old);
    replaced.then_some((*old, *new))
}

/// The tasks of a service that could run on and were told to stop for others, with those, as long
/// as the steps of its rollout that made these are open. Whether they run is for those to say who
/// look at nodes.
#[must_use]
pub fn replacements<'a>(state: &'a State, service: &Service) -> Vec<(&'a Task, &'a Task)> {
    let places = places(state.service_tasks(service.meta.id));
    let tasks = places.values();
    tasks
        .filter_map(|tasks| replacement(state, service, tasks))
        .collect()
}

/// Whether a task stands on a node that it need not leave.
fn could_stay(state: &State, service: &Service, task: &Task) -> bool {
    let node = task.node.as_ref().and_then(|node| state.node(node.id));
    let Some(node) = node else { return false };
    let kept = state.template(task.service, task.template_revision);
    let fits = service.spec.mode == Mode::EveryNode
        || kept.is_none_or(|kept| requirements_hold(&kept.template.placement.requirements, node));
    node.status.state != NodeState::Down && node.spec.availability() != Availability::Drain && fits
}

/// While a rollout is paused, no place comes to another template.
fn check_still(
    known: &Service,
    service: &Service,
    old: &Places<'_>,
    new: &Places<'_>,
    found: &mut Vec<Violation>,
) {
    let paused = |service: &Service| {
        let rollout = service.rollout.as_ref();
        let rollout = rollout.filter(|rollout| rollout.state.is_paused());
        rollout.map(|rollout| rollout.leg)
    };
    if paused(known).is_none() || paused(known) != paused(service) {
        return;
    }
    for (place, tasks) in new {
        let before = old
            .get(place)
            .map(|tasks| templates(tasks))
            .unwrap_or_default();
        let after = templates(tasks);
        if !before.is_empty() && !after.is_subset(&before) {
            let message = format!("{place:?}: of {before:?}, then {after:?}");
            found.push(Violation::new("paused means still", message));
        }
    }
}

/// The templates that a place is meant to run.
fn templates(tasks: &[&Task]) -> BTreeSet<Revision> {
    let meant = tasks.iter().filter(|task| is_meant(task));
    meant.map(|task| task.template_revision).collect()
}

/// A rollout is done only when everything is changed, and stood its trial.
fn check_done(known: &Service, service: &Service, new: &Places<'_>, found: &mut Vec<Violation>) {
    let over = |service: &Service| {
        let rollout = service.rollout.as_ref();
        rollout.is_none_or(|rollout| rollout.state.is_over())
    };
    let Some(rollout) = service
        .rollout
        .as_ref()
        .filter(|_| !over(known) && over(service))
    else {
        return;
    };
    for (place, tasks) in new {
        let Some(newest) = tasks.iter().rev().find(|task| is_meant(task)) else {
            continue;
        };
        let of_it = |task: &Task| {
            let step = task.step.filter(|step| step.leg >= rollout.began);
            step.filter(|_| task.template_revision == rollout.target)
        };
        let failed = tasks.iter().filter_map(|task| of_it(task));
        let failed = failed.filter(|step| step.verdict == Some(Verdict::Failed));
        let is_open = of_it(newest).is_some_and(|step| step.verdict.is_none());
        let is_outdated = newest.template_revision != rollout.target && failed.count() == 0;
        if is_open || is_outdated {
            let message = format!("{place:?}: {} of {:?}", newest.meta.id, newest.step);
            found.push(Violation::new(
                "a rollout ends when all is changed",
                message,
            ));
        }
    }
}

/// A rollout that goes on bears the failures that it knows of.
fn check_borne(known: &Service, service: &Service, rollout: &Rollout, found: &mut Vec<Violation>) {
    let before = known.rollout.as_ref().map(|rollout| rollout.revision);
    let policy = service.spec.policy(rollout.state.is_back());
    let counts = rollout.counts;
    let bears = policy.on_failure() == OnFailure::Continue
        || !is_too_many(counts.failed, counts.total, policy.max_failure_percent);
    if before != Some(rollout.revision) && rollout.state.is_going() && !bears {
        let message = format!("{}: {counts:?}", service.spec.name);
        found.push(Violation::new("a rollout bears what it may", message));
    }
}

/// A step has passed only when its task ran for as long as it is watched.
fn check_passed(before: &State, after: &State, found: &mut Vec<Violation>) {
    for task in after.tasks() {
        let has_passed = |step: RolloutStep| step.verdict == Some(Verdict::Passed);
        let old = before.task(task.meta.id).and_then(|old| old.step);
        let old = old.filter(|old| old.verdict.is_none());
        let (Some(old), Some(service)) = (old, before.service(task.service)) else {
            continue;
        };
        if !task.step.is_some_and(has_passed) || task.is_terminal() {
            continue;
        }
        let back = service
            .rollout
            .as_ref()
            .is_some_and(|it| it.state.is_back());
        let watched = service.spec.policy(back).monitor();
        let since = old.turn_over.unwrap_or(old.begun);
        let runs = task.status.state == TaskState::Running;
        // Of a clock that was set back nobody can say what it showed.
        let was_set_back = after.time() == before.time() && since >= after.time();
        if was_set_back {
            continue;
        }
        if !runs || after.time() < since.after(watched) {
            let message = format!("{}: {old:?} at {:?}", task.meta.id, after.time());
            found.push(Violation::new("a step passes after its trial", message));
        }
    }
}
