// SPDX-License-Identifier: Apache-2.0
//! A rollout does not end over a task that is still on trial, such as one that was made on a node
//! which came after the end was decided.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{DesiredState, ObjectId, Rollout, ServiceId, Task, TaskId};

use super::{Change, Refusal, State, Write};

impl State {
    /// Whether the rollouts that a change ends have come to their end.
    pub(super) fn check_rollout_ends(&self, change: &Change) -> Result<(), Refusal> {
        let goes_on = |service| {
            let rollout = self.service(service)?.rollout.as_ref();
            rollout.filter(|known| !known.state.is_over())
        };
        for write in &change.writes {
            if let Write::SetRollout { service, rollout } = write
                && rollout.state.is_over()
                && let Some(known) = goes_on(*service)
                && self.is_on_trial(*service, known, change)
            {
                return Err(Refusal::Changed(ObjectId::Service(*service)));
            }
        }
        Ok(())
    }

    /// Whether the newest task of some place has an open step of this rollout, also once the
    /// change is made, which may judge it or stop it.
    fn is_on_trial(&self, service: ServiceId, rollout: &Rollout, change: &Change) -> bool {
        let tasks = self.service_tasks(service);
        let mut meant: Vec<&Arc<Task>> = tasks
            .filter(|task| task.desired <= DesiredState::Running)
            .filter(|task| !stops(change, task.meta.id))
            .collect();
        meant.sort_by_key(|task| task.seniority());
        let newest: BTreeMap<_, _> = meant.iter().map(|task| (task.place(), *task)).collect();
        newest.into_values().any(|task| {
            let step = task.step.filter(|step| step.leg >= rollout.began);
            task.template_revision == rollout.target
                && step.is_some_and(|step| step.verdict.is_none())
                && !judges(change, task.meta.id)
        })
    }
}

fn stops(change: &Change, id: TaskId) -> bool {
    change.writes.iter().any(|write| match write {
        Write::SetDesired { task, desired } => *task == id && *desired > DesiredState::Running,
        Write::DeleteTask { task } => *task == id,
        _ => false,
    })
}

fn judges(change: &Change, id: TaskId) -> bool {
    change.writes.iter().any(|write| match write {
        Write::JudgeStep { task, verdict, .. } => *task == id && verdict.is_some(),
        _ => false,
    })
}
