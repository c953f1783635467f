// SPDX-License-Identifier: Apache-2.0
//! Whole objects.

use std::fmt::Display;

use skep_core::model::{Node, NodeRole, NodeState, Outcome, Service, Swarm, Task};
use skep_proto::v1;

use super::parts::{
    condition, desired_state, meta, port, ports_in_use, resources, task_status, timestamp,
};
use super::spec::{node_spec, service_spec, swarm_spec};

/// An object that is meant, with its name.
pub fn reference(id: impl Display, name: impl Display) -> v1::Ref {
    v1::Ref {
        id: id.to_string(),
        name: name.to_string(),
    }
}

/// A task.
#[must_use]
pub fn task(task: &Task) -> v1::Task {
    v1::Task {
        meta: Some(meta(&task.meta)),
        name: task.name.to_string(),
        service: Some(reference(task.service, &task.service_name)),
        labels: task.labels.as_ref().clone(),
        slot: task.slot,
        attempt: task.attempt,
        template_revision: task.template_revision.0,
        image: task.image.to_string(),
        node: task
            .node
            .as_ref()
            .map(|node| reference(node.id, &node.name)),
        desired_state: desired_state(task.desired).into(),
        status: Some(task_status(task)),
        crash_loop: task.is_in_crash_loop(),
        gave_up: task.outcome == Outcome::GaveUp,
    }
}

/// A service.
#[must_use]
pub fn service(service: &Service) -> v1::Service {
    let status = &service.status;
    v1::Service {
        meta: Some(meta(&service.meta)),
        spec: Some(service_spec(&service.spec)),
        status: Some(v1::ServiceStatus {
            desired_tasks: status.desired_tasks,
            running_tasks: status.running_tasks,
            updated_tasks: status.updated_tasks,
            pending_tasks: status.pending_tasks,
            failed_tasks: status.failed_tasks,
            template_revision: service.template_revision.0,
            rollout: service.rollout.as_ref().map(super::rollout::rollout),
            conditions: status.conditions.iter().map(condition).collect(),
            ports: service.ports.iter().map(port).collect(),
            image: service.image.to_string(),
        }),
    }
}

/// A node. What only its manager's session knows is left out.
#[must_use]
pub fn node(node: &Node) -> v1::Node {
    let status = &node.status;
    let description = &status.description;
    let state = match status.state {
        NodeState::Ready => v1::node_status::State::Ready,
        NodeState::Down => v1::node_status::State::Down,
        NodeState::Unknown => v1::node_status::State::Unknown,
    };
    let role = match status.role {
        NodeRole::Worker => v1::NodeRole::Worker,
        NodeRole::Manager => v1::NodeRole::Manager,
    };
    v1::Node {
        meta: Some(meta(&node.meta)),
        spec: Some(node_spec(&node.spec)),
        status: Some(v1::NodeStatus {
            state: state.into(),
            message: status.message.to_string(),
            transition_time: Some(timestamp(status.transition_time)),
            hostname: description.hostname.clone(),
            address: description.address.to_string(),
            platform: Some(v1::Platform {
                os: description.platform.os.clone(),
                architecture: description.platform.architecture.clone(),
            }),
            version: description.version.clone(),
            capabilities: description.capabilities.clone(),
            capacity: Some(resources(description.capacity)),
            reserved: Some(resources(status.reserved)),
            active_tasks: status.active_tasks,
            role: role.into(),
            conditions: description.conditions.iter().map(condition).collect(),
            ports_in_use: ports_in_use(&description.ports_in_use),
            ..v1::NodeStatus::default()
        }),
    }
}

/// The swarm, without its status, which only a read computes.
#[must_use]
pub fn swarm(swarm: &Swarm) -> v1::Swarm {
    v1::Swarm {
        meta: Some(meta(&swarm.meta)),
        spec: Some(swarm_spec(&swarm.spec)),
        status: None,
    }
}
