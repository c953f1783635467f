// SPDX-License-Identifier: Apache-2.0
//! What became of tasks, as an agent reports it.

use std::collections::BTreeMap;

use skep_core::model::TaskId;
use skep_core::state::Observation;
use skep_proto::internal::v1 as internal;

use super::BadMessage;
use crate::stored::load::id;
use crate::stored::write::{observation, observation_message};

/// A report of this number: the last that is known of each task.
#[must_use]
pub fn report_message<'a>(
    seq: u64,
    tasks: impl IntoIterator<Item = (TaskId, &'a Observation)>,
) -> internal::StatusReport {
    let tasks = tasks.into_iter();
    let tasks = tasks.map(|(task, seen)| (task.to_string(), observation_message(seen)));
    internal::StatusReport {
        seq,
        tasks: tasks.collect(),
    }
}

/// Reads a report: its number, and what became of each task.
///
/// # Errors
/// If an entry cannot be understood.
pub fn read_report(
    message: internal::StatusReport,
) -> Result<(u64, BTreeMap<TaskId, Observation>), BadMessage> {
    let read = |(task, status): (String, _)| Ok((id(&task)?, observation(status)?));
    let tasks = message.tasks.into_iter().map(read);
    Ok((message.seq, tasks.collect::<Result<_, BadMessage>>()?))
}
