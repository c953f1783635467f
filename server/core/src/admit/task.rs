// SPDX-License-Identifier: Apache-2.0
//! Stopping tasks.

use crate::model::{DesiredState, ObjectId, Task, TaskState};
use crate::state::{Observation, Precondition, Write};

use super::{Admitted, Context};

/// Stops a task; its service replaces it. One that has ended or is stopping already stays as it
/// is.
#[must_use]
pub fn stop_task(task: &Task, ctx: &Context) -> Admitted {
    let id = task.meta.id;
    if task.is_terminal() || task.desired >= DesiredState::Stopped {
        return Admitted::AlreadySo(Some(ObjectId::Task(id)));
    }
    let mut writes = vec![Write::SetDesired {
        task: id,
        desired: DesiredState::Stopped,
    }];
    if task.status.state == TaskState::Pending {
        // No node has it, so nobody else will say that it has stopped.
        let observation = Observation::of(TaskState::Stopped, ctx.now)
            .because("STOPPED", "it was stopped before it had a node");
        writes.push(Write::ObserveTask {
            task: id,
            observation,
        });
    }
    let same = Precondition::Revision(ObjectId::Task(id), task.meta.revision);
    ctx.change(ObjectId::Task(id), vec![same], writes)
}
