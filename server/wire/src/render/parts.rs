// SPDX-License-Identifier: Apache-2.0
//! Parts that many messages share.

use std::fmt::Display;
use std::time::Duration;

use skep_core::model::{
    Condition, DesiredState, Drain, HealthState, Meta, Operator, PlacementCheck, Port, PortMode,
    Protocol, Requirement, ResourceLimits, Resources, Task, TaskState, TaskStatus, Timestamp,
    Unplaced,
};
use skep_proto::v1;

const NANOS: i64 = 1_000_000_000;

/// A moment.
#[must_use]
pub fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.0.div_euclid(NANOS),
        nanos: i32::try_from(time.0.rem_euclid(NANOS)).unwrap_or(0),
    }
}

/// A span of time.
#[must_use]
pub fn duration(span: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(span.subsec_nanos()).unwrap_or(0),
    }
}

/// What the managers know about every object.
#[must_use]
pub fn meta<I: Display>(meta: &Meta<I>) -> v1::Meta {
    v1::Meta {
        id: meta.id.to_string(),
        revision: meta.revision.0,
        spec_revision: meta.spec_revision.0,
        create_revision: meta.create_revision.0,
        create_time: Some(timestamp(meta.create_time)),
        update_time: Some(timestamp(meta.update_time)),
        delete_time: meta.delete_time.map(timestamp),
    }
}

/// A standing fact.
#[must_use]
pub fn condition(condition: &Condition) -> v1::Condition {
    use v1::condition::Status;
    let status = if condition.holds {
        Status::True
    } else {
        Status::False
    };
    v1::Condition {
        r#type: condition.kind.to_string(),
        status: status.into(),
        reason: condition.reason.to_string(),
        message: condition.message.to_string(),
        observed_spec_revision: condition.observed_spec_revision.0,
        transition_time: Some(timestamp(condition.transition_time)),
    }
}

/// A port.
#[must_use]
pub fn port(port: &Port) -> v1::Port {
    let mode = match port.mode {
        PortMode::Ingress => v1::port::Mode::Ingress,
        PortMode::Host => v1::port::Mode::Host,
    };
    v1::Port {
        target: port.target.into(),
        published: port.published.into(),
        protocol: protocol(port.protocol).into(),
        mode: mode.into(),
        name: port.name.to_string(),
    }
}

fn protocol(protocol: Protocol) -> v1::port::Protocol {
    match protocol {
        Protocol::Tcp => v1::port::Protocol::Tcp,
        Protocol::Udp => v1::port::Protocol::Udp,
    }
}

/// Published ports that other programs hold.
#[must_use]
pub fn ports_in_use(ports: &[(u16, Protocol)]) -> Vec<v1::PublishedPort> {
    let port = |(published, transport): &(u16, Protocol)| v1::PublishedPort {
        published: (*published).into(),
        protocol: protocol(*transport).into(),
    };
    ports.iter().map(port).collect()
}

/// An amount of resources.
#[must_use]
pub fn resources(resources: Resources) -> v1::Resources {
    v1::Resources {
        cpu_millis: resources.cpu_millis,
        memory_bytes: resources.memory_bytes,
    }
}

pub(super) fn limits(limits: ResourceLimits) -> v1::ResourceLimits {
    v1::ResourceLimits {
        cpu_millis: limits.cpu_millis,
        memory_bytes: limits.memory_bytes,
        pids: limits.pids,
    }
}

pub(super) fn requirement<K: Display>(requirement: &Requirement<K>) -> v1::Requirement {
    use v1::requirement::Operator as Message;
    let operator = match requirement.operator {
        None => Message::Unspecified,
        Some(Operator::In) => Message::In,
        Some(Operator::NotIn) => Message::NotIn,
        Some(Operator::Exists) => Message::Exists,
        Some(Operator::NotExists) => Message::NotExists,
        Some(Operator::Prefix) => Message::Prefix,
    };
    v1::Requirement {
        key: requirement.key.to_string(),
        operator: operator.into(),
        values: requirement.values.clone(),
    }
}

/// A state of a task.
#[must_use]
pub fn task_state(state: TaskState) -> v1::TaskState {
    match state {
        TaskState::Pending => v1::TaskState::Pending,
        TaskState::Assigned => v1::TaskState::Assigned,
        TaskState::Accepted => v1::TaskState::Accepted,
        TaskState::Preparing => v1::TaskState::Preparing,
        TaskState::Ready => v1::TaskState::Ready,
        TaskState::Starting => v1::TaskState::Starting,
        TaskState::Running => v1::TaskState::Running,
        TaskState::Completed => v1::TaskState::Completed,
        TaskState::Stopped => v1::TaskState::Stopped,
        TaskState::Failed => v1::TaskState::Failed,
        TaskState::Rejected => v1::TaskState::Rejected,
        TaskState::Orphaned => v1::TaskState::Orphaned,
    }
}

pub(super) fn desired_state(desired: DesiredState) -> v1::TaskState {
    match desired {
        DesiredState::Ready => v1::TaskState::Ready,
        DesiredState::Running => v1::TaskState::Running,
        DesiredState::Stopped => v1::TaskState::Stopped,
        DesiredState::Removed => v1::TaskState::Removed,
    }
}

pub(super) fn task_status(task: &Task) -> v1::TaskStatus {
    let TaskStatus {
        state,
        transition_time,
        reason,
        message,
        history,
        unplaced: reasons,
        restart_time,
        exit_code,
        signal,
        pid,
        ports,
        health: healthy,
        health_message,
        container,
        image,
    } = &task.status;
    let transitions = history.iter().map(|step| v1::TaskTransition {
        state: task_state(step.state).into(),
        time: Some(timestamp(step.time)),
    });
    v1::TaskStatus {
        state: task_state(*state).into(),
        transition_time: Some(timestamp(*transition_time)),
        reason: reason.to_string(),
        message: message.to_string(),
        history: transitions.collect(),
        unplaced: reasons
            .as_ref()
            .map(|reasons| unplaced(reasons, &task.service_name)),
        restart_time: restart_time.map(timestamp),
        exit_code: *exit_code,
        pid: *pid,
        ports: ports.iter().map(port).collect(),
        signal: *signal,
        health: health(*healthy).into(),
        health_message: health_message.to_string(),
        container_id: container.to_string(),
        image: image.to_string(),
        drain: task.drain.as_ref().map(drain),
    }
}

fn drain(drain: &Drain) -> v1::TaskDrain {
    v1::TaskDrain {
        told_revision: drain.told_revision.0,
        told_time: Some(timestamp(drain.told)),
        released_time: drain.released.map(|released| timestamp(released.time)),
        unconfirmed: drain.released.is_some_and(|released| released.unconfirmed),
    }
}

/// What is known of a task's health.
#[must_use]
pub fn health(health: HealthState) -> v1::task_status::Health {
    match health {
        HealthState::Unknown => v1::task_status::Health::Unspecified,
        HealthState::Unchecked => v1::task_status::Health::None,
        HealthState::Starting => v1::task_status::Health::Starting,
        HealthState::Healthy => v1::task_status::Health::Healthy,
        HealthState::Unhealthy => v1::task_status::Health::Unhealthy,
    }
}

/// Why tasks of the service with this name have no node.
#[must_use]
pub fn unplaced(unplaced: &Unplaced, service_name: &str) -> v1::Unplaced {
    let causes = unplaced.causes.iter().map(|cause| v1::unplaced::Cause {
        check: check(cause.check).into(),
        nodes: cause.nodes,
        message: cause.message.to_string(),
    });
    v1::Unplaced {
        service: Some(v1::Ref {
            id: unplaced.service.to_string(),
            name: service_name.to_owned(),
        }),
        tasks: unplaced.tasks,
        nodes: unplaced.nodes,
        causes: causes.collect(),
    }
}

fn check(check: PlacementCheck) -> v1::PlacementCheck {
    match check {
        PlacementCheck::Ready => v1::PlacementCheck::Ready,
        PlacementCheck::Availability => v1::PlacementCheck::Availability,
        PlacementCheck::Platform => v1::PlacementCheck::Platform,
        PlacementCheck::Requirement => v1::PlacementCheck::Requirement,
        PlacementCheck::MaxReplicas => v1::PlacementCheck::MaxReplicas,
        PlacementCheck::Cpu => v1::PlacementCheck::Cpu,
        PlacementCheck::Memory => v1::PlacementCheck::Memory,
        PlacementCheck::Port => v1::PlacementCheck::Port,
    }
}
