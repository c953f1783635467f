// SPDX-License-Identifier: Apache-2.0
//! Stopping tasks.

use crate::model::{DesiredState, ObjectId, Task};
use crate::state::Write;

use super::{Admitted, Context};

/// Stops a task; its service replaces it. One that has ended or is stopping already stays as it
/// is.
#[must_use]
pub fn stop_task(task: &Task, ctx: &Context) -> Admitted {
    let id = task.meta.id;
    let object = ObjectId::Task(id);
    if task.is_terminal() || task.desired >= DesiredState::Stopped {
        return Admitted::AlreadySo(Some(object));
    }
    let write = Write::SetDesired {
        task: id,
        desired: DesiredState::Stopped,
    };
    ctx.change(object, Vec::new(), vec![write])
}
