// SPDX-License-Identifier: Apache-2.0
//! What managers take over from the report of an agent.

use crate::model::{NodeId, Task, TaskId, TaskState};
use crate::state::{Observation, State, Write};

/// What of a report is taken over.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Merged {
    /// What is new in it.
    pub writes: Vec<Write>,
    /// What an agent has no business to say.
    pub refused: Vec<(TaskId, RefusedReport)>,
}

/// Why an observation is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusedReport {
    /// The task is on another node, or on none yet.
    NotItsTask,
    /// It is not for agents to say that a task is in this state.
    NotItsState,
}

/// What is new in the report of a node. An observation of a task that is forgotten, one that
/// would move a task back, and one that says nothing new are dropped.
#[must_use]
pub fn merge_status<'a>(
    state: &State,
    node: NodeId,
    tasks: impl IntoIterator<Item = (&'a TaskId, &'a Observation)>,
) -> Merged {
    let mut merged = Merged::default();
    for (id, observation) in tasks {
        let Some(task) = state.task(*id) else {
            continue;
        };
        if let Some(refusal) = refusal(task, node, observation) {
            merged.refused.push((*id, refusal));
        } else if is_news(task, observation) {
            merged.writes.push(Write::ObserveTask {
                task: *id,
                observation: observation.clone(),
            });
        }
    }
    merged
}

fn refusal(task: &Task, node: NodeId, observation: &Observation) -> Option<RefusedReport> {
    let owned = TaskState::Accepted..=TaskState::Rejected;
    let placed = task.status.state >= TaskState::Assigned;
    let here = task.node.as_ref().is_some_and(|known| known.id == node);
    if !here || !placed {
        Some(RefusedReport::NotItsTask)
    } else if !owned.contains(&observation.state) {
        Some(RefusedReport::NotItsState)
    } else {
        None
    }
}

fn is_news(task: &Task, seen: &Observation) -> bool {
    let status = &task.status;
    let same = seen.state == status.state
        && seen.reason == status.reason
        && seen.message == status.message
        && seen.exit_code == status.exit_code
        && seen.signal == status.signal
        && seen.pid == status.pid
        && (seen.ports.is_empty() || seen.ports == status.ports)
        && seen.health == status.health
        && seen.health_message == status.health_message
        && (seen.container.is_empty() || seen.container == status.container)
        && (seen.image.is_empty() || seen.image == status.image);
    !status.state.is_terminal() && seen.state >= status.state && !same
}
