// SPDX-License-Identifier: Apache-2.0
//! Snapshots: a row of records, each a message of its own, so that none is large.

use std::sync::Arc;

use prost::Message;
use skep_core::model::{Revision, Timestamp};
use skep_core::state::{
    Delta, Event, History, HistoryLimits, RequestRecord, State, StateImage, Step,
};
use skep_proto::internal::v1 as stored;
use skep_proto::internal::v1::history_object::Object;
use skep_proto::internal::v1::snapshot_record::Record;

use super::load::{needed, time};
use super::{Corrupt, change, object};
use crate::render;

/// The format this version writes, and the newest it can read.
pub const SNAPSHOT_FORMAT: u32 = 1;

/// The records of a snapshot of `state` and the history before it, each encoded, in order. The
/// store frames them, counts them and guards them against damage.
pub fn snapshot_records<'a>(
    state: &'a State,
    history: &'a History,
) -> impl Iterator<Item = Vec<u8>> + 'a {
    let image = state.image();
    let start = Record::Start(stored::SnapshotStart {
        format: SNAPSHOT_FORMAT,
        revision: image.revision.0,
        time: Some(render::timestamp(image.time)),
        compact_revision: history.compacted().0,
    });
    let objects = image
        .swarm
        .into_iter()
        .map(|swarm| Record::Swarm(render::swarm(&swarm)))
        .chain(
            image
                .nodes
                .into_iter()
                .map(|node| Record::Node(render::node(&node))),
        )
        .chain(
            image
                .services
                .into_iter()
                .map(|service| Record::StoredService(object::service_message(&service))),
        )
        .chain(
            image
                .templates
                .into_iter()
                .map(|(service, revision, kept)| {
                    Record::Template(object::template_message(service, revision, &kept))
                }),
        )
        .chain(
            image
                .tasks
                .into_iter()
                .map(|task| Record::Task(object::task_message(&task))),
        )
        .chain(
            image
                .requests
                .into_iter()
                .filter(|_| !cfg!(skep_bug = "forget_requests"))
                .map(|known| Record::Request(request_message(&known))),
        );
    let steps = history
        .steps()
        .filter(move |step| step.revision <= image.revision)
        .map(|step| Record::History(step_message(step)));
    std::iter::once(start)
        .chain(objects)
        .chain(steps)
        .map(|record| {
            stored::SnapshotRecord {
                record: Some(record),
            }
            .encode_to_vec()
        })
}

fn request_message(record: &RequestRecord) -> stored::RequestRecord {
    stored::RequestRecord {
        request_id: record.request.id.to_string(),
        digest: record.request.digest.to_vec(),
        revision: record.revision.0,
        object: record.request.object.to_string(),
        time: Some(render::timestamp(record.time)),
    }
}

fn step_message(step: &Step) -> stored::HistoryRecord {
    stored::HistoryRecord {
        revision: step.revision.0,
        time: Some(render::timestamp(step.time)),
        changes: step.events.iter().map(event_message).collect(),
    }
}

fn event_message(event: &Event) -> stored::ObjectChange {
    fn change<T>(delta: &Delta<T>, object: impl Fn(&T) -> Object) -> stored::ObjectChange {
        let side = |value: &Option<Arc<T>>| {
            value.as_ref().map(|value| stored::HistoryObject {
                object: Some(object(value)),
            })
        };
        stored::ObjectChange {
            before: side(&delta.before),
            after: side(&delta.after),
        }
    }
    match event {
        Event::Swarm(delta) => change(delta, |swarm| Object::Swarm(render::swarm(swarm))),
        Event::Node(delta) => change(delta, |node| Object::Node(render::node(node))),
        Event::Service(delta) => {
            change(delta, |s| Object::StoredService(object::service_message(s)))
        }
        Event::Task(delta) => change(delta, |task| Object::Task(object::task_message(task))),
    }
}

/// Reads a snapshot back, record by record.
#[derive(Default, Debug)]
pub struct SnapshotReader {
    image: StateImage,
    started: bool,
    compacted: Revision,
    steps: Vec<Step>,
}

impl SnapshotReader {
    /// Takes the next record.
    ///
    /// # Errors
    /// If it cannot be read, or the snapshot is of a newer format.
    pub fn record(&mut self, bytes: &[u8]) -> Result<(), Corrupt> {
        let message = stored::SnapshotRecord::decode(bytes)?;
        match needed("what a record holds", message.record)? {
            Record::Start(start) => self.start(start)?,
            _ if !self.started => return Err(Corrupt::new("the first record is missing")),
            Record::Swarm(swarm) => self.image.swarm = Some(object::swarm(swarm)?),
            Record::Node(node) => self.image.nodes.push(object::node(node)?),
            Record::Service(service) => self.image.services.push(object::service(service)?),
            Record::StoredService(service) => {
                self.image.services.push(object::stored_service(service)?);
            }
            Record::Template(template) => {
                self.image.templates.push(object::template(template)?);
            }
            Record::Task(task) => self.image.tasks.push(object::task(task)?),
            Record::Request(request) => self.image.requests.push(record(&request)?),
            Record::History(step) => self.steps.push(history_step(step)?),
            Record::End(_) => {}
        }
        Ok(())
    }

    fn start(&mut self, start: stored::SnapshotStart) -> Result<(), Corrupt> {
        if start.format > SNAPSHOT_FORMAT {
            return Err(Corrupt::new(format!(
                "the snapshot has format {}, this version reads up to {SNAPSHOT_FORMAT}",
                start.format
            )));
        }
        self.started = true;
        self.image.revision = Revision(start.revision);
        self.image.time = time(start.time)?;
        self.compacted = Revision(start.compact_revision);
        Ok(())
    }

    /// The state and the history of a snapshot whose records have all been taken.
    ///
    /// # Errors
    /// If there was no record.
    pub fn finish(self) -> Result<(State, History), Corrupt> {
        if !self.started {
            return Err(Corrupt::new("the first record is missing"));
        }
        let head = Step {
            revision: self.image.revision,
            time: self
                .steps
                .last()
                .map_or(Timestamp::default(), |step| step.time),
            events: Arc::new([]),
        };
        let state = State::from_image(self.image);
        let mut history = History::starting_after(self.compacted, HistoryLimits::of(&state));
        self.steps.into_iter().for_each(|step| history.push(step));
        history.push(head);
        Ok((state, history))
    }
}

fn record(message: &stored::RequestRecord) -> Result<Arc<RequestRecord>, Corrupt> {
    Ok(Arc::new(RequestRecord {
        request: change::request(message)?,
        revision: Revision(message.revision),
        time: time(message.time)?,
    }))
}

fn history_step(message: stored::HistoryRecord) -> Result<Step, Corrupt> {
    let events = message.changes.into_iter().map(history_event);
    Ok(Step {
        revision: Revision(message.revision),
        time: time(message.time)?,
        events: events.collect::<Result<_, _>>()?,
    })
}

fn history_event(message: stored::ObjectChange) -> Result<Event, Corrupt> {
    let before = message.before.map(loaded).transpose()?;
    let after = message.after.map(loaded).transpose()?;
    Ok(match (before, after) {
        (Some(Loaded::Task(before)), after) => Event::Task(Delta {
            before: Some(before),
            after: after.and_then(Loaded::task),
        }),
        (None, Some(Loaded::Task(after))) => Event::Task(Delta {
            before: None,
            after: Some(after),
        }),
        (Some(Loaded::Service(before)), after) => Event::Service(Delta {
            before: Some(before),
            after: after.and_then(Loaded::service),
        }),
        (None, Some(Loaded::Service(after))) => Event::Service(Delta {
            before: None,
            after: Some(after),
        }),
        (Some(Loaded::Node(before)), after) => Event::Node(Delta {
            before: Some(before),
            after: after.and_then(Loaded::node),
        }),
        (None, Some(Loaded::Node(after))) => Event::Node(Delta {
            before: None,
            after: Some(after),
        }),
        (Some(Loaded::Swarm(before)), after) => Event::Swarm(Delta {
            before: Some(before),
            after: after.and_then(Loaded::swarm),
        }),
        (None, Some(Loaded::Swarm(after))) => Event::Swarm(Delta {
            before: None,
            after: Some(after),
        }),
        (None, None) => return Err(Corrupt::new("a change of history has no object")),
    })
}

enum Loaded {
    Task(Arc<skep_core::model::Task>),
    Service(Arc<skep_core::model::Service>),
    Node(Arc<skep_core::model::Node>),
    Swarm(Arc<skep_core::model::Swarm>),
}

impl Loaded {
    fn task(self) -> Option<Arc<skep_core::model::Task>> {
        if let Loaded::Task(task) = self {
            Some(task)
        } else {
            None
        }
    }

    fn service(self) -> Option<Arc<skep_core::model::Service>> {
        if let Loaded::Service(service) = self {
            Some(service)
        } else {
            None
        }
    }

    fn node(self) -> Option<Arc<skep_core::model::Node>> {
        if let Loaded::Node(node) = self {
            Some(node)
        } else {
            None
        }
    }

    fn swarm(self) -> Option<Arc<skep_core::model::Swarm>> {
        if let Loaded::Swarm(swarm) = self {
            Some(swarm)
        } else {
            None
        }
    }
}

fn loaded(message: stored::HistoryObject) -> Result<Loaded, Corrupt> {
    Ok(match needed("the object of a change", message.object)? {
        Object::Task(task) => Loaded::Task(object::task(task)?),
        Object::Service(service) => Loaded::Service(object::service(service)?),
        Object::StoredService(service) => Loaded::Service(object::stored_service(service)?),
        Object::Node(node) => Loaded::Node(object::node(node)?),
        Object::Swarm(swarm) => Loaded::Swarm(object::swarm(swarm)?),
    })
}
