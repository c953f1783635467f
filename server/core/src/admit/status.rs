// SPDX-License-Identifier: Apache-2.0
//! What an agent reports of its tasks.

use std::collections::BTreeMap;

use crate::model::{NodeId, TaskId, TaskState, TaskStatus};
use crate::state::{Observation, State, Write};

/// What of an agent's report is news, as writes in its order.
///
/// Dropped are tasks that are gone, have ended or belong to another node, states that are not
/// an agent's to say, moves backward, and what is known already. Messages are cut to their
/// limit.
#[must_use]
pub fn merge_status(
    state: &State,
    node: NodeId,
    report: impl IntoIterator<Item = (TaskId, Observation)>,
) -> Vec<Write> {
    let mut newest = BTreeMap::new();
    let mut writes = Vec::new();
    for (task, mut observation) in report {
        cut_message(&mut observation);
        if is_news(state, node, task, &observation, newest.get(&task).copied()) {
            newest.insert(task, observation.state);
            writes.push(Write::ObserveTask { task, observation });
        }
    }
    writes
}

/// `before` is the state that an earlier entry of the same report brings the task to.
fn is_news(
    state: &State,
    node: NodeId,
    task: TaskId,
    seen: &Observation,
    before: Option<TaskState>,
) -> bool {
    let Some(task) = state.task(task) else {
        return false;
    };
    let known = before.unwrap_or(task.status.state);
    let agents_own = TaskState::Accepted..=TaskState::Rejected;
    let here = task.node.as_ref().is_some_and(|at| at.id == node);
    let placed = task.status.state >= TaskState::Assigned;
    here && placed
        && agents_own.contains(&seen.state)
        && !known.is_terminal()
        && seen.state >= known
        && (before.is_some() || differs(&task.status, seen))
}

fn differs(known: &TaskStatus, seen: &Observation) -> bool {
    seen.state != known.state
        || seen.reason != known.reason
        || seen.message != known.message
        || seen.exit_code != known.exit_code
        || seen.signal != known.signal
        || seen.pid != known.pid
        || (!seen.ports.is_empty() && seen.ports != known.ports)
}

fn cut_message(observation: &mut Observation) {
    let message = &observation.message;
    let limit = message.char_indices().nth(TaskStatus::MESSAGE_CHARS_MAX);
    if let Some((end, _)) = limit {
        observation.message = message[..end].into();
    }
}
