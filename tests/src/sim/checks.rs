// SPDX-License-Identifier: Apache-2.0
//! Health checks: those that an agent makes itself, and what nobody may believe without one.

use std::collections::BTreeMap;

use skep_core::assign::Held;
use skep_core::model::{HealthCheck, Probe, TaskId, TaskState, TaskTemplate, Timestamp, Workload};
use skep_core::node_agent::{CheckCourse, Observed, Phase, agent_check};
use skep_core::state::{Applied, Event, State};

use super::dice::Dice;
use super::machine::Machine;
use super::process::Processes;

/// The check that an engine makes; nothing: there is none, or the agent makes it.
pub(crate) fn engine_check(template: &TaskTemplate) -> Option<&HealthCheck> {
    let check = template.health_check.as_ref()?;
    let by_engine = matches!(template.workload, Workload::Container(_))
        && matches!(check.probe, Some(Probe::Exec { .. }));
    by_engine.then_some(check)
}

/// The checks that an agent makes. They die with it.
#[derive(Default)]
pub(crate) struct Checks(BTreeMap<TaskId, CheckCourse>);

impl Checks {
    /// Asks those whose time has come, and adds what the checks say to what is seen. Says when
    /// the next one is due.
    pub(crate) fn ask(
        &mut self,
        held: &Held,
        observed: &mut BTreeMap<TaskId, Observed>,
        processes: &mut Processes,
        time: Timestamp,
        dice: &mut Dice,
    ) -> Option<Timestamp> {
        let runs = |seen: &Observed| matches!(seen.phase, Phase::Running { .. });
        self.0
            .retain(|task, _| observed.get(task).is_some_and(runs));
        let mut next: Option<Timestamp> = None;
        for (task, seen) in observed.iter_mut().filter(|(_, seen)| runs(seen)) {
            let template = held.tasks.get(task);
            let template = template.and_then(|assigned| held.template_of(assigned));
            let Some(check) = template.and_then(|it| agent_check(&it.template)) else {
                continue;
            };
            let course = self.0.entry(*task);
            let course = course.or_insert_with(|| CheckCourse::begin(check.clone(), time));
            if course.next_at() <= time {
                let before = course.health().state();
                course.note(processes.ask(*task, dice), time);
                processes.counts.note(before, course.health().state());
            }
            seen.health = course.health();
            let due = course.next_at();
            next = Some(next.map_or(due, |known| known.min(due)));
        }
        next
    }
}

/// What is wrong with the tasks that a change says run: that they have a check, and that none has
/// passed, wherever they are.
pub(crate) fn believed(applied: &Applied, state: &State, machines: &[Machine]) -> Vec<String> {
    let mut wrong = Vec::new();
    for event in applied.step.events.iter() {
        let Event::Task(delta) = event else { continue };
        let Some(task) = &delta.after else { continue };
        let runs = |state: TaskState| state == TaskState::Running;
        let before = delta.before.as_ref().map(|task| task.status.state);
        if !runs(task.status.state) || before.is_some_and(runs) {
            continue;
        }
        let kept = state.template(task.service, task.template_revision);
        let checked = kept.is_some_and(|kept| kept.template.health_check.is_some());
        let id = task.meta.id;
        let mut machines = machines.iter();
        if !machines.any(|machine| machine.processes.was_up(id)) {
            let why = if checked {
                "no check of it passed"
            } else {
                "it never did"
            };
            wrong.push(format!("{id} is said to run, and {why}"));
        }
    }
    wrong
}
