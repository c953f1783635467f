// SPDX-License-Identifier: Apache-2.0
//! What an agent remembers on its disk.

use prost::Message;
use skep_core::assign::{Assignment, Assignments, Held};
use skep_core::model::Revision;
use skep_core::node_agent::{StopCause, StopHow, Stopping, TaskRecord};
use skep_core::session::Welcome;
use skep_proto::internal::v1 as stored;
use skep_proto::internal::v1::stopping::Cause;

use super::message::{read_welcome, welcome_message};
use super::{BadMessage, assignments_message, read_assignments};
use crate::parse;
use crate::render;
use crate::stored::load::{id, needed, optional_time, time};
use crate::stored::write::{observation, observation_message};

/// The format that is written here, and the newest that can be read. The files around it say
/// which one they hold.
pub const REMEMBERED_FORMAT: u32 = 1;

/// Everything a node was given, as bytes: one step that says it whole.
#[must_use]
pub fn encode_held(held: &Held) -> Vec<u8> {
    let templates = held.templates.values().cloned().map(Assignment::Template);
    let tasks = held.tasks.values().cloned().map(Assignment::Task);
    let endpoints = held.endpoints.values().cloned().map(Assignment::Endpoints);
    let whole = Assignments {
        revision: held.revision,
        reset: true,
        put: templates.chain(tasks).chain(endpoints).collect(),
        remove: Vec::new(),
    };
    assignments_message(&whole).encode_to_vec()
}

/// Reads back what [`encode_held`] wrote.
///
/// # Errors
/// If the bytes are something else.
pub fn decode_held(bytes: &[u8]) -> Result<Held, BadMessage> {
    let message = stored::Assignments::decode(bytes)?;
    let mut held = Held::default();
    let whole = read_assignments(message)?;
    if whole.revision == Revision(0) && !whole.put.is_empty() {
        return Err(BadMessage::new("a part of what was remembered is missing"));
    }
    held.apply(whole)
        .expect("nothing is older than what holds nothing");
    Ok(held)
}

/// What an agent did, and what it knows of its node.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct AgentMemory {
    /// The last welcome of a manager; nothing: there was none.
    pub welcome: Option<Welcome>,
    /// What it remembers of the tasks it took up.
    pub tasks: Vec<TaskRecord>,
}

/// What an agent did, as bytes.
pub fn encode_memory<'a>(
    welcome: Option<&Welcome>,
    tasks: impl IntoIterator<Item = &'a TaskRecord>,
) -> Vec<u8> {
    let memory = stored::AgentMemory {
        welcome: welcome.map(welcome_message),
        tasks: tasks.into_iter().map(record_message).collect(),
    };
    memory.encode_to_vec()
}

/// Reads back what [`encode_memory`] wrote.
///
/// # Errors
/// If the bytes are something else.
pub fn decode_memory(bytes: &[u8]) -> Result<AgentMemory, BadMessage> {
    let memory = stored::AgentMemory::decode(bytes)?;
    let tasks = memory.tasks.into_iter().map(read_record);
    Ok(AgentMemory {
        welcome: memory.welcome.map(read_welcome).transpose()?,
        tasks: tasks.collect::<Result<_, _>>()?,
    })
}

fn record_message(record: &TaskRecord) -> stored::RememberedTask {
    stored::RememberedTask {
        task: record.task.to_string(),
        status: Some(observation_message(&record.reported)),
        started: record.started,
        stop_signal: record.stop.signal,
        stop_grace: Some(render::duration(record.stop.grace)),
        stopping: record.stopping.map(stopping_message),
        drained_since: record.drained_since.map(render::timestamp),
    }
}

fn read_record(message: stored::RememberedTask) -> Result<TaskRecord, BadMessage> {
    let status = needed("what was said of a task", message.status)?;
    let grace = message.stop_grace.and_then(parse::span);
    Ok(TaskRecord {
        task: id(&message.task)?,
        reported: observation(status)?,
        started: message.started,
        stop: StopHow {
            signal: message.stop_signal,
            grace: needed("the grace of a task", grace)?,
        },
        drained_since: optional_time(message.drained_since)?,
        stopping: message.stopping.map(read_stopping).transpose()?,
    })
}

fn stopping_message(stopping: Stopping) -> stored::Stopping {
    let cause = match stopping.cause {
        StopCause::Wanted => Cause::Wanted,
        StopCause::StartDeadline => Cause::StartDeadline,
        StopCause::Unhealthy => Cause::Unhealthy,
    };
    stored::Stopping {
        cause: cause.into(),
        since: Some(render::timestamp(stopping.since)),
        insist_at: Some(render::timestamp(stopping.insist_at)),
    }
}

fn read_stopping(message: stored::Stopping) -> Result<Stopping, BadMessage> {
    let cause = match Cause::try_from(message.cause) {
        Ok(Cause::Wanted) => StopCause::Wanted,
        Ok(Cause::StartDeadline) => StopCause::StartDeadline,
        Ok(Cause::Unhealthy) => StopCause::Unhealthy,
        Ok(Cause::Unspecified) | Err(_) => {
            let what = format!("no cause to stop has the number {}", message.cause);
            return Err(BadMessage::new(what));
        }
    };
    Ok(Stopping {
        cause,
        since: time(message.since)?,
        insist_at: time(message.insist_at)?,
    })
}
