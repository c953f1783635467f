// SPDX-License-Identifier: Apache-2.0
//! Whole objects, to and from the messages that snapshots hold.

use std::sync::Arc;

use skep_core::model::{
    KeptTemplate, Node, NodeDescription, NodeStatus, Revision, Service, ServiceId, ServiceStatus,
    Swarm, Task, TaskStatus,
};
use skep_proto::internal::v1 as stored;
use skep_proto::v1;

use super::Corrupt;
use super::load::{
    self, conditions, desired, health, id, meta, needed, node_ref, node_spec, node_state,
    optional_time, outcome, ports, restart, role, service_spec, swarm_spec, task_state, time,
    transitions, unplaced,
};
use super::rollout;
use super::write::{outcome_message, restart_message};
use crate::render;

/// What an agent says of its node, as a status with these fields alone.
pub(crate) fn description(description: &NodeDescription) -> v1::NodeStatus {
    v1::NodeStatus {
        hostname: description.hostname.clone(),
        address: description.address.to_string(),
        platform: Some(v1::Platform {
            os: description.platform.os.clone(),
            architecture: description.platform.architecture.clone(),
        }),
        version: description.version.clone(),
        capabilities: description.capabilities.clone(),
        capacity: Some(render::resources(description.capacity)),
        conditions: description
            .conditions
            .iter()
            .map(render::condition)
            .collect(),
        ports_in_use: render::ports_in_use(&description.ports_in_use),
        ..v1::NodeStatus::default()
    }
}

pub(super) fn task_message(task: &Task) -> stored::StoredTask {
    stored::StoredTask {
        task: Some(render::task(task)),
        restart: restart_message(task.restart),
        running_since: task.running_since.map(render::timestamp),
        outcome: outcome_message(task.outcome).into(),
        step: task.step.as_ref().map(rollout::step_message),
    }
}

pub(super) fn task(message: stored::StoredTask) -> Result<Arc<Task>, Corrupt> {
    let task = needed("a task", message.task)?;
    let status = needed("the status of a task", task.status)?;
    let drain = status.drain;
    let service = needed("the service of a task", task.service)?;
    Ok(Arc::new(Task {
        meta: meta(task.meta)?,
        name: task.name.into(),
        service: id(&service.id)?,
        service_name: service.name.into(),
        labels: Arc::new(task.labels),
        slot: task.slot,
        attempt: task.attempt,
        template_revision: Revision(task.template_revision),
        image: task.image.into(),
        node: node_ref(task.node)?,
        desired: desired(task.desired_state)?,
        status: task_status(status)?,
        running_since: optional_time(message.running_since)?,
        restart: restart(message.restart)?,
        outcome: outcome(message.outcome)?,
        step: message.step.map(rollout::step).transpose()?,
        drain: drain.map(load::drain).transpose()?,
    }))
}

fn task_status(message: v1::TaskStatus) -> Result<TaskStatus, Corrupt> {
    Ok(TaskStatus {
        state: task_state(message.state)?,
        transition_time: time(message.transition_time)?,
        reason: message.reason.into(),
        message: message.message.into(),
        history: transitions(message.history)?,
        unplaced: message.unplaced.map(unplaced).transpose()?,
        restart_time: optional_time(message.restart_time)?,
        exit_code: message.exit_code,
        signal: message.signal,
        pid: message.pid,
        ports: ports(message.ports),
        health: health(message.health)?,
        health_message: message.health_message.into(),
        container: message.container_id.into(),
        image: message.image.into(),
    })
}

pub(super) fn service_message(service: &Service) -> stored::StoredService {
    let rollout = service.rollout.as_ref();
    let rollout = rollout.filter(|_| !cfg!(skep_bug = "rollout_forgets"));
    stored::StoredService {
        service: Some(render::service(service)),
        rollout: rollout.map(rollout::rollout_message),
    }
}

pub(super) fn stored_service(message: stored::StoredService) -> Result<Arc<Service>, Corrupt> {
    let rollout = message.rollout.map(rollout::rollout).transpose()?;
    let mut service = service(needed("a service", message.service)?)?;
    Arc::make_mut(&mut service).rollout = rollout;
    Ok(service)
}

/// A service as it was stored before there were rollouts.
pub(super) fn service(message: v1::Service) -> Result<Arc<Service>, Corrupt> {
    let status = needed("the status of a service", message.status)?;
    Ok(Arc::new(Service {
        meta: meta(message.meta)?,
        spec: service_spec(message.spec)?,
        template_revision: Revision(status.template_revision),
        rollout: None,
        ports: ports(status.ports),
        image: status.image.into(),
        status: ServiceStatus {
            desired_tasks: status.desired_tasks,
            running_tasks: status.running_tasks,
            updated_tasks: status.updated_tasks,
            pending_tasks: status.pending_tasks,
            failed_tasks: status.failed_tasks,
            conditions: conditions(status.conditions)?,
        },
    }))
}

pub(super) fn node(message: v1::Node) -> Result<Arc<Node>, Corrupt> {
    let status = needed("the status of a node", message.status)?;
    Ok(Arc::new(Node {
        meta: meta(message.meta)?,
        spec: node_spec(message.spec)?,
        status: NodeStatus {
            state: node_state(status.state)?,
            message: status.message.as_str().into(),
            transition_time: time(status.transition_time)?,
            description: Arc::new(load::description(&status)?),
            role: role(status.role)?,
            reserved: status
                .reserved
                .map(crate::parse::resources)
                .unwrap_or_default(),
            active_tasks: status.active_tasks,
        },
    }))
}

pub(super) fn swarm(message: v1::Swarm) -> Result<Arc<Swarm>, Corrupt> {
    Ok(Arc::new(Swarm {
        meta: meta(message.meta)?,
        spec: swarm_spec(message.spec)?,
    }))
}

pub(super) fn template_message(
    service: ServiceId,
    revision: Revision,
    kept: &KeptTemplate,
) -> stored::StoredTemplate {
    stored::StoredTemplate {
        service: service.to_string(),
        template_revision: revision.0,
        template: Some(render::template(&kept.template)),
        ports: kept.ports.iter().map(render::port).collect(),
        endpoint: Some(v1::EndpointSpec {
            ports: kept.asked.iter().map(render::port).collect(),
        }),
        create_time: Some(render::timestamp(kept.create_time)),
        caller: kept.caller.to_string(),
        good: kept.good,
        image: kept.image.to_string(),
    }
}

pub(super) fn template(
    message: stored::StoredTemplate,
) -> Result<(ServiceId, Revision, Arc<KeptTemplate>), Corrupt> {
    let open = ports(message.ports);
    let asked = message.endpoint.map(|endpoint| ports(endpoint.ports));
    let kept = KeptTemplate {
        template: load::template(message.template)?,
        asked: asked.unwrap_or_else(|| open.clone()),
        ports: open,
        create_time: optional_time(message.create_time)?.unwrap_or_default(),
        caller: message.caller.into(),
        good: message.good,
        image: message.image.into(),
    };
    Ok((
        id(&message.service)?,
        Revision(message.template_revision),
        Arc::new(kept),
    ))
}
