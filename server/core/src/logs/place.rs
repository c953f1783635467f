// SPDX-License-Identifier: Apache-2.0
//! Where the reader is in the lines of one task.

use crate::model::{NodeId, Task, TaskState, Timestamp};

use super::AskId;

/// How far one task's lines have come.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) node: NodeId,
    pub(super) stage: Stage,
    /// The last line that was given out; nothing: none.
    pub(super) last: Option<(u64, Timestamp)>,
    /// It was there when the reader began, so that a limit to its last lines holds for it.
    pub(super) first_look: bool,
}

/// What is being done about a task's lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Its node is to be asked.
    Due,
    /// Its node was asked.
    Asked(AskId),
    /// There is no more.
    Done,
}

/// Whether a task ever came so far that there may be lines. Its node knows of a task from
/// READY on.
pub(super) fn may_have_lines(task: &Task) -> bool {
    let reached = |state: TaskState| (TaskState::Ready..TaskState::Rejected).contains(&state);
    let history = task.status.history.iter().map(|step| step.state);
    task.node.is_some() && history.chain([task.status.state]).any(reached)
}
