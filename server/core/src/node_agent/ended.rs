// SPDX-License-Identifier: Apache-2.0
//! What to say of a task that has ended.

use crate::model::{ENGINE_LOST, TaskState, TaskStatus};
use crate::state::Observation;

use super::{Exit, ExitCause, START_DEADLINE, StopCause, TaskRecord};

/// What stands between why a task failed and the last lines that it printed.
pub const LAST_OUTPUT: &str = "; last output:\n";

/// What to say of a task that has ended so.
pub(super) fn observation(record: &TaskRecord, exit: &Exit) -> Observation {
    let stopping = record.stopping.filter(|stopping| {
        // What ended before anybody asked it to has ended by itself.
        exit.at >= stopping.since || exit.cause == ExitCause::Stopped
    });
    let cause = stopping.map(|stopping| stopping.cause);
    let (state, reason) = match (cause, exit.cause) {
        (Some(StopCause::StartDeadline), _) => (TaskState::Failed, "DEADLINE"),
        (Some(StopCause::Unhealthy), _) => (TaskState::Failed, "UNHEALTHY"),
        (Some(StopCause::Wanted), _) | (None, ExitCause::Stopped) => (TaskState::Stopped, ""),
        (None, ExitCause::Exited) if exit.code == Some(0) => (TaskState::Completed, ""),
        (None, ExitCause::Exited) => (TaskState::Failed, "EXITED"),
        (None, ExitCause::OutOfMemory) => (TaskState::Failed, "OOM_KILLED"),
        (None, ExitCause::NotStarted) => (TaskState::Rejected, "START_FAILED"),
        (None, ExitCause::Lost) => (TaskState::Failed, "LOST"),
        (None, ExitCause::EngineLost) => (TaskState::Failed, ENGINE_LOST),
    };
    let message = match cause {
        Some(StopCause::StartDeadline) => {
            format!("it did not start within {} s", START_DEADLINE.as_secs())
        }
        Some(StopCause::Unhealthy) => {
            let said = &record.reported.health_message;
            let (_, output) = apart(&exit.message);
            format!("too many of its health checks failed: {said}{output}")
        }
        // What it printed before it was stopped as it should be explains nothing.
        _ if exit.cause == ExitCause::Stopped => apart(&exit.message).0.to_owned(),
        Some(StopCause::Wanted) | None => exit.message.to_string(),
    };
    let mut observation = Observation::of(state, exit.at.max(record.reported.time));
    observation.exit_code = exit.code;
    observation.signal = exit.signal;
    observation.ports = record.reported.ports.clone();
    observation.container = record.reported.container.clone();
    observation.image = record.reported.image.clone();
    observation.health_message = record.reported.health_message.clone();
    observation.because(reason, clip(message))
}

/// How a task ended, and what it printed last.
fn apart(message: &str) -> (&str, &str) {
    message.split_at(message.find(LAST_OUTPUT).unwrap_or(message.len()))
}

/// The text, cut to what a status holds.
pub(super) fn clip(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(TaskStatus::MESSAGE_CHARS_MAX) {
        text.truncate(end);
    }
    text
}
