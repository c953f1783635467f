// SPDX-License-Identifier: Apache-2.0
//! What a rollout changes about the guards: tasks that overlap, and plans that it outdates.

use crate::model::{DesiredState, Revision, Service, Task};

/// Whether a task may run while one before it in its place still does: a rollout that starts
/// first made it, and the other is what it is to take the place of.
#[must_use]
pub fn may_overlap(task: &Task, before: &Task) -> bool {
    task.step.is_some_and(|step| step.overlaps)
        && before.desired <= DesiredState::Running
        && before.template_revision != task.template_revision
        && before.attempt < task.attempt
}

/// The revision that last wrote the rollout of a service.
#[must_use]
pub fn rollout_revision(service: &Service) -> Revision {
    let rollout = service.rollout.as_ref();
    rollout.map_or(Revision::THIS, |rollout| rollout.revision)
}
