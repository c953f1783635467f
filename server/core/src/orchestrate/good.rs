// SPDX-License-Identifier: Apache-2.0
//! Which revisions are good: those that their service converged on.

use std::sync::Arc;

use crate::model::{Task, TaskState, Timestamp};
use crate::state::{Write, derive};

use super::desk::Desk;

/// Notes that the present revision is one to go back to, once its tasks ran for as long as a
/// rollout watches them.
pub(super) fn mark(desk: &mut Desk<'_>) {
    let service = desk.service;
    let revision = desk.current();
    if desk.template(revision).is_none_or(|kept| kept.good) || service.status.desired_tasks == 0 {
        return;
    }
    if service
        .rollout
        .as_ref()
        .is_some_and(|it| !it.state.is_over())
    {
        return;
    }
    if desk.has_writes() {
        // What they do to the conditions is not known yet.
        desk.look_again();
        return;
    }
    let mut conditions = service.status.conditions.iter();
    let Some(converged) = conditions.find(|it| it.kind == derive::CONVERGED && it.holds) else {
        return;
    };
    let good_at = match service.rollout {
        // What runs has passed already, each task by itself.
        Some(_) => converged.transition_time,
        None => {
            let Some(heard_since) = heard_since(desk) else {
                return;
            };
            let since = converged.transition_time.max(heard_since);
            since.after(service.spec.policy(false).monitor())
        }
    };
    if good_at > desk.now {
        desk.wake_at(good_at);
        return;
    }
    let service = service.meta.id;
    desk.write([Write::MarkGood { service, revision }]);
}

/// Since when this leader hears of all tasks that run, but those that are to stop; nothing: of some it does not.
fn heard_since(desk: &Desk<'_>) -> Option<Timestamp> {
    let tasks = desk.state.service_tasks(desk.service.meta.id);
    let runs = |task: &&Arc<Task>| task.is_wanted() && task.status.state == TaskState::Running;
    let mut running = tasks.filter(runs);
    running.try_fold(desk.led_since, |since, task| {
        Some(since.max(desk.heard_since(task)?))
    })
}
