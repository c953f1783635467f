// SPDX-License-Identifier: Apache-2.0
//! Rules about each task by itself.

use crate::model::{DesiredState, Mode, Outcome, Task, TaskState};
use crate::state::State;

use super::Violation;

pub(super) fn check(state: &State, found: &mut Vec<Violation>) {
    for task in state.tasks() {
        for (rule, holds) in rules(state, task) {
            if !holds {
                let message = format!("{} {}#{}", task.meta.id, task.name, task.attempt);
                found.push(Violation::new(rule, message));
            }
        }
    }
}

fn rules(state: &State, task: &Task) -> [(&'static str, bool); 9] {
    let service = state.service(task.service);
    let mode = service.map(|service| service.spec.mode);
    let status = &task.status;
    let is_pending = status.state == TaskState::Pending;
    let waits = !task.is_terminal() && task.desired == DesiredState::Ready;
    [
        ("a task has a service", service.is_some()),
        (
            "a task has its template",
            state
                .template(task.service, task.template_revision)
                .is_some(),
        ),
        (
            "slot 0 is for one task a node",
            mode.is_none_or(|mode| (task.slot == 0) == (mode == Mode::EveryNode)),
        ),
        (
            "a task that was placed has a node, as has one that is for a node",
            task.node.is_some() || (task.slot != 0 && never_placed(task)),
        ),
        (
            "a task that waits for a node is meant to run",
            !is_pending || task.desired <= DesiredState::Running,
        ),
        (
            "only a task that waits for a node says why",
            is_pending || status.unplaced.is_none(),
        ),
        (
            "only a task that waits for its restart has a restart time",
            waits || status.restart_time.is_none(),
        ),
        (
            "only a task that ended is settled",
            task.is_terminal() || task.outcome == Outcome::Open,
        ),
        (
            "only a task that is to stop, and was told before, leaves the traffic",
            task.drain.is_none_or(|drain| {
                let released = drain.released.is_none_or(|it| it.time >= drain.told);
                task.desired > DesiredState::Running && released
            }),
        ),
    ]
}

/// Whether it ended, or still waits, without ever having had a node.
fn never_placed(task: &Task) -> bool {
    let past = task.status.history.iter().map(|past| past.state);
    let reached = past.chain([task.status.state]);
    !reached
        .into_iter()
        .any(|state| state > TaskState::Pending && !state.is_terminal())
}
