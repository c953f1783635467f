// SPDX-License-Identifier: Apache-2.0
//! What a node should have, to and from its messages.

use std::sync::Arc;

use skep_core::assign::{AssignedTask, AssignedTemplate, Assignment, Assignments, Unassignment};
use skep_core::model::{Backend, BackendState, DrainPhase, Revision, ServiceEndpoints, TaskId};
use skep_proto::internal::v1::{assignment, endpoint, unassignment};
use skep_proto::{internal::v1 as internal, v1};

use super::BadMessage;
use crate::render;
use crate::stored::load::{desired, id, needed, optional_time, ports, task_state, template};

/// A step of assignments, or a frame of one.
#[must_use]
pub fn assignments_message(step: &Assignments) -> internal::Assignments {
    internal::Assignments {
        revision: step.revision.0,
        put: step.put.iter().map(put_message).collect(),
        remove: step.remove.iter().map(remove_message).collect(),
        reset: step.reset,
    }
}

/// Reads a step of assignments, or a frame of one.
///
/// # Errors
/// If a part cannot be understood. Nothing of it may be used then.
pub fn read_assignments(message: internal::Assignments) -> Result<Assignments, BadMessage> {
    let put = message.put.into_iter().map(read_put);
    let remove = message.remove.into_iter().map(read_remove);
    Ok(Assignments {
        revision: Revision(message.revision),
        reset: message.reset,
        put: put.collect::<Result<_, _>>()?,
        remove: remove.collect::<Result<_, _>>()?,
    })
}

fn put_message(item: &Assignment) -> internal::Assignment {
    let item = match item {
        Assignment::Task(task) => assignment::Item::Task(task_message(task)),
        Assignment::Template(template) => assignment::Item::Template(template_message(template)),
        Assignment::Endpoints(endpoints) => {
            assignment::Item::Endpoints(endpoints_message(endpoints))
        }
    };
    internal::Assignment { item: Some(item) }
}

fn read_put(message: internal::Assignment) -> Result<Assignment, BadMessage> {
    Ok(match needed("what is assigned", message.item)? {
        assignment::Item::Task(task) => Assignment::Task(read_task(task)?),
        assignment::Item::Template(template) => Assignment::Template(read_template(template)?),
        assignment::Item::Endpoints(endpoints) => {
            Assignment::Endpoints(Arc::new(read_endpoints(endpoints)?))
        }
    })
}

fn remove_message(item: &Unassignment) -> internal::Unassignment {
    let item = match item {
        Unassignment::Task(task) => unassignment::Item::Task(task.to_string()),
        Unassignment::Template(service, revision) => {
            unassignment::Item::Template(internal::Template {
                service: service.to_string(),
                template_revision: revision.0,
                ..internal::Template::default()
            })
        }
        Unassignment::Endpoints(service) => unassignment::Item::Endpoints(service.to_string()),
    };
    internal::Unassignment { item: Some(item) }
}

fn read_remove(message: internal::Unassignment) -> Result<Unassignment, BadMessage> {
    Ok(match needed("what is taken back", message.item)? {
        unassignment::Item::Task(task) => Unassignment::Task(id(&task)?),
        unassignment::Item::Template(template) => {
            let revision = Revision(template.template_revision);
            Unassignment::Template(id(&template.service)?, revision)
        }
        unassignment::Item::Endpoints(service) => Unassignment::Endpoints(id(&service)?),
    })
}

fn task_message(task: &AssignedTask) -> v1::Task {
    v1::Task {
        meta: Some(v1::Meta {
            id: task.id.to_string(),
            ..v1::Meta::default()
        }),
        name: task.name.to_string(),
        service: Some(render::reference(task.service, "")),
        slot: task.slot,
        attempt: task.attempt,
        template_revision: task.template_revision.0,
        desired_state: task.desired as i32,
        status: Some(v1::TaskStatus {
            state: render::task_state(task.state).into(),
            restart_time: task.restart_time.map(render::timestamp),
            drain: task.drain.map(drain_message),
            ..v1::TaskStatus::default()
        }),
        ..v1::Task::default()
    }
}

fn read_task(message: v1::Task) -> Result<AssignedTask, BadMessage> {
    let meta = needed("the id of a task", message.meta)?;
    let service = needed("the service of a task", message.service)?;
    let status = needed("the state of a task", message.status)?;
    Ok(AssignedTask {
        id: id::<TaskId>(&meta.id)?,
        name: message.name.into(),
        service: id(&service.id)?,
        slot: message.slot,
        attempt: message.attempt,
        template_revision: Revision(message.template_revision),
        desired: desired(message.desired_state)?,
        restart_time: optional_time(status.restart_time)?,
        drain: status.drain.as_ref().map(read_drain),
        state: task_state(status.state)?,
    })
}

/// How far a drain is; when each phase began is of no use to a node.
fn drain_message(phase: DrainPhase) -> v1::TaskDrain {
    let left = phase == DrainPhase::Left;
    v1::TaskDrain {
        released_time: left.then(prost_types::Timestamp::default),
        ..v1::TaskDrain::default()
    }
}

fn read_drain(message: &v1::TaskDrain) -> DrainPhase {
    match message.released_time {
        None => DrainPhase::Leaving,
        Some(_) => DrainPhase::Left,
    }
}

fn template_message(template: &AssignedTemplate) -> internal::Template {
    internal::Template {
        service: template.service.to_string(),
        template_revision: template.revision.0,
        template: Some(render::template(&template.template)),
        ports: template.ports.iter().map(render::port).collect(),
        image: template.image.to_string(),
        service_name: template.service_name.to_string(),
        service_labels: template.service_labels.as_ref().clone(),
    }
}

fn read_template(message: internal::Template) -> Result<AssignedTemplate, BadMessage> {
    Ok(AssignedTemplate {
        service: id(&message.service)?,
        revision: Revision(message.template_revision),
        template: template(message.template)?,
        ports: ports(message.ports),
        image: message.image.into(),
        service_name: message.service_name.into(),
        service_labels: Arc::new(message.service_labels),
    })
}

fn endpoints_message(endpoints: &ServiceEndpoints) -> internal::ServiceEndpoints {
    internal::ServiceEndpoints {
        service: endpoints.service.to_string(),
        name: endpoints.name.to_string(),
        ports: endpoints.ports.iter().map(render::port).collect(),
        endpoints: endpoints.backends.iter().map(backend_message).collect(),
    }
}

fn read_endpoints(message: internal::ServiceEndpoints) -> Result<ServiceEndpoints, BadMessage> {
    let backends = message.endpoints.into_iter().map(read_backend);
    Ok(ServiceEndpoints {
        service: id(&message.service)?,
        name: message.name.into(),
        ports: ports(message.ports),
        backends: backends.collect::<Result<_, _>>()?,
    })
}

fn backend_message(backend: &Backend) -> internal::Endpoint {
    let state = match backend.state {
        BackendState::Serving => endpoint::State::Serving,
        BackendState::Draining => endpoint::State::Draining,
        BackendState::Suspect => endpoint::State::Suspect,
    };
    internal::Endpoint {
        task: backend.task.to_string(),
        state: state.into(),
        node_address: backend.address.to_string(),
        ports: backend.ports.iter().map(render::port).collect(),
    }
}

fn read_backend(message: internal::Endpoint) -> Result<Backend, BadMessage> {
    let state = match endpoint::State::try_from(message.state) {
        Ok(endpoint::State::Serving) => BackendState::Serving,
        Ok(endpoint::State::Draining) => BackendState::Draining,
        Ok(endpoint::State::Suspect) => BackendState::Suspect,
        Ok(endpoint::State::Unspecified) | Err(_) => {
            let what = format!("no endpoint has the state {}", message.state);
            return Err(BadMessage::new(what));
        }
    };
    let address = message
        .node_address
        .parse()
        .map_err(|_| BadMessage::new(format!("\"{}\" is no IP address", message.node_address)))?;
    Ok(Backend {
        task: id(&message.task)?,
        state,
        address,
        ports: ports(message.ports),
    })
}
