// SPDX-License-Identifier: Apache-2.0
//! Whether a world is well: everything wanted runs, nothing else does, everyone knows it.

use std::collections::BTreeSet;

use skep_core::model::{Availability, Condition, DesiredState, Service, Task, TaskId, TaskState};
use skep_core::state::State;
use skep_core::state::derive::{CONVERGED, CRASH_LOOP, STALLED};

use super::machine::Machine;
use super::manager::Manager;
use super::words;
use super::world::World;

impl World {
    /// What is not well; nothing: all is.
    pub(crate) fn ails(&self) -> Option<String> {
        let Some(manager) = &self.manager else {
            return Some("there is no manager".to_owned());
        };
        let state = &manager.log.state;
        let waiting = self.users.iter().find_map(|user| user.current.as_ref());
        if let Some(request) = waiting {
            return Some(format!("{} has no answer", request.key.id));
        }
        if let Some(watcher) = self.watchers.iter().find(|w| w.at < state.revision()) {
            let (at, head) = (watcher.at, state.revision());
            return Some(format!("a watcher is at {at}, the manager at {head}"));
        }
        let mut services = state.services();
        if let Some(service) = services.find(|service| !is_settled(state, service)) {
            let service = words::service_at_length(state, service);
            return Some(format!("not settled: {service}"));
        }
        let mut tasks = state.tasks();
        let leaves = |task: &Task| task.desired > DesiredState::Running && !task.is_terminal();
        if let Some(task) = tasks.find(|task| leaves(task)) {
            return Some(format!("{} is still to stop", words::task(task.meta.id)));
        }
        let mut machines = self.machines.iter();
        machines.find_map(|machine| machine_ails(manager, machine))
    }
}

fn holds(service: &Service, kind: &str) -> bool {
    let mut conditions = service.status.conditions.iter();
    conditions.any(|fact: &Condition| fact.kind == kind && fact.holds)
}

/// Whether attempts go on all the same.
fn goes_on(service: &Service) -> bool {
    let mut conditions = service.status.conditions.iter();
    conditions.any(|fact| fact.kind == STALLED && fact.reason == CRASH_LOOP)
}

/// Whether a service is as it should be, or cannot be: it gave up, every task that it lacks says
/// why no node will do, or what is out of date is on paused nodes, which are left as they are.
fn is_settled(state: &State, service: &Service) -> bool {
    if service.is_deleting() {
        return false;
    }
    // What runs after a crash loop is noted as stable.
    let on_probation = |task: &Task| {
        let runs = task.status.state == TaskState::Running && task.is_wanted();
        runs && task.restart.is_loop()
    };
    if state
        .service_tasks(service.meta.id)
        .any(|task| on_probation(task))
    {
        return false;
    }
    // What is to run and waits for a check says something yet, as does what failed its last one.
    let starts = |task: &Task| {
        let begins = (TaskState::Assigned..TaskState::Running).contains(&task.status.state);
        let ails =
            task.status.state == TaskState::Running && !task.status.health_message.is_empty();
        task.desired == DesiredState::Running && (begins || ails)
    };
    let mut tasks = state.service_tasks(service.meta.id);
    if tasks.any(|task| starts(task)) {
        return false;
    }
    if holds(service, CONVERGED) {
        // What runs for long enough is noted as good; after that nothing is written.
        let kept = state.template(service.meta.id, service.template_revision);
        return service.status.desired_tasks == 0 || kept.is_some_and(|kept| kept.good);
    }
    if holds(service, STALLED) && !goes_on(service) {
        // What runs on trial is judged also while a rollout is paused, until it is over. What does
        // not run is late one day, unless it is paused.
        let rollout = service.rollout.as_ref();
        let is_open = rollout.is_some_and(|it| !it.state.is_over());
        let is_going = rollout.is_some_and(|it| it.state.is_going());
        let on_trial = |task: &Task| {
            (is_going || task.status.state == TaskState::Running)
                && task.is_wanted()
                && task.template_revision == service.template_revision
                && task.step.is_some_and(|step| step.verdict.is_none())
        };
        // Another attempt is still to come.
        let waits = |task: &Task| task.is_wanted() && task.status.restart_time.is_some();
        let mut tasks = state.service_tasks(service.meta.id);
        return !tasks.any(|task| waits(task) || (is_open && on_trial(task)));
    }
    if service
        .rollout
        .as_ref()
        .is_some_and(|it| it.state.is_going())
    {
        return false;
    }
    let (mut excuses, mut moving) = (0, 0);
    for task in state.service_tasks(service.meta.id) {
        let outdated = task.template_revision != service.template_revision;
        let left_alone = task.slot == 0 && outdated && is_on_paused_node(state, task);
        let ends = task.desired > DesiredState::Running && !task.is_terminal();
        let begins = task.is_wanted() && task.status.state != TaskState::Running;
        // What a rollout made beside another task has no leave to run until it has a node.
        let waits = task.desired == DesiredState::Running || task.step.is_some();
        let unplaced = task.status.unplaced.is_some() && task.is_wanted() && waits;
        if left_alone || unplaced {
            excuses += 1;
        } else if ends || begins {
            moving += 1;
        }
    }
    excuses > 0 && moving == 0
}

fn is_on_paused_node(state: &State, task: &Task) -> bool {
    let node = task.node.as_ref().and_then(|node| state.node(node.id));
    node.is_some_and(|node| node.spec.availability() == Availability::Pause)
}

fn machine_ails(manager: &Manager, machine: &Machine) -> Option<String> {
    let name = words::node(machine.node);
    let Some(agent) = &machine.agent else {
        return Some(format!("{name} has no agent"));
    };
    if manager.log.state.node(machine.node).is_none() && machine.is_out() {
        // It was deleted, and never comes back.
        let left = machine.processes.all.keys().next();
        return left.map(|task| format!("{name} was deleted, and still has {task}"));
    }
    if !agent.session.is_live() {
        return Some(format!("{name} has no session"));
    }
    let state = &manager.log.state;
    let tasks = || state.node_tasks(machine.node);
    let wanted: BTreeSet<TaskId> = tasks()
        .filter(|task| task.status.state == TaskState::Running)
        .map(|task| task.meta.id)
        .collect();
    let running: BTreeSet<TaskId> = machine.processes.running().map(|(task, _)| task).collect();
    if wanted != running {
        return Some(format!(
            "{name} runs {running:?}, and should run {wanted:?}"
        ));
    }
    if let Some(task) = machine.believes_otherwise() {
        return Some(format!("{name} believes what is not so of {task}"));
    }
    let known: BTreeSet<TaskId> = tasks().map(|task| task.meta.id).collect();
    let left = machine
        .processes
        .all
        .keys()
        .find(|task| !known.contains(task));
    if let Some(task) = left {
        return Some(format!("{name} still has {task}"));
    }
    if !agent.session.queue().is_empty() {
        return Some(format!("{name} has something to report"));
    }
    let endpoints = agent.held.endpoints.values();
    let same = endpoints.eq(manager.table().all());
    (!same).then(|| format!("{name} balances by another table"))
}
