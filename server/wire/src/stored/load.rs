// SPDX-License-Identifier: Apache-2.0
//! Small parts, read back.

use std::borrow::Cow;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use skep_core::model::{
    BadId, Condition, DesiredState, Drain, HealthState, Meta, NodeDescription, NodeRef, NodeRole,
    NodeSpec, NodeState, ObjectId, Outcome, PlacementCheck, Platform, Port, Protocol, Released,
    RestartMemory, Revision, ServiceSpec, SwarmSpec, TaskState, TaskTemplate, Timestamp,
    Transition, Unplaced, UnplacedCause,
};
use skep_proto::{internal::v1 as stored, v1};

use super::Corrupt;
use crate::parse::{self, Fields};

pub(crate) fn id<I: FromStr<Err = BadId>>(text: &str) -> Result<I, Corrupt> {
    text.parse()
        .map_err(|why| Corrupt::new(format!("\"{text}\" is {why}")))
}

pub(super) fn object_id(text: &str) -> Result<ObjectId, Corrupt> {
    Ok(match text.get(..4) {
        Some("tsk_") => ObjectId::Task(id(text)?),
        Some("svc_") => ObjectId::Service(id(text)?),
        Some("nod_") => ObjectId::Node(id(text)?),
        _ => ObjectId::Swarm(id(text)?),
    })
}

pub(crate) fn needed<T>(what: &str, value: Option<T>) -> Result<T, Corrupt> {
    value.ok_or_else(|| Corrupt::new(format!("{what} is missing")))
}

pub(crate) fn time(message: Option<prost_types::Timestamp>) -> Result<Timestamp, Corrupt> {
    let message = needed("a time", message)?;
    parse::timestamp(message).ok_or_else(|| Corrupt::new("a time lies outside of all time"))
}

pub(crate) fn optional_time(
    message: Option<prost_types::Timestamp>,
) -> Result<Option<Timestamp>, Corrupt> {
    message.map(|message| time(Some(message))).transpose()
}

pub(super) fn meta<I: FromStr<Err = BadId>>(message: Option<v1::Meta>) -> Result<Meta<I>, Corrupt> {
    let message = needed("meta", message)?;
    Ok(Meta {
        id: id(&message.id)?,
        revision: Revision(message.revision),
        spec_revision: Revision(message.spec_revision),
        create_revision: Revision(message.create_revision),
        create_time: time(message.create_time)?,
        update_time: time(message.update_time)?,
        delete_time: optional_time(message.delete_time)?,
    })
}

pub(crate) fn task_state(value: i32) -> Result<TaskState, Corrupt> {
    needed("the state of a task", parse::filter::task_state(value))
}

pub(super) fn health(value: i32) -> Result<HealthState, Corrupt> {
    use v1::task_status::Health;
    Ok(
        match needed("the health of a task", Health::try_from(value).ok())? {
            Health::Unspecified => HealthState::Unknown,
            Health::None => HealthState::Unchecked,
            Health::Starting => HealthState::Starting,
            Health::Healthy => HealthState::Healthy,
            Health::Unhealthy => HealthState::Unhealthy,
        },
    )
}

pub(crate) fn desired(value: i32) -> Result<DesiredState, Corrupt> {
    needed(
        "the desired state of a task",
        parse::filter::desired_state(value),
    )
}

pub(super) fn node_state(value: i32) -> Result<NodeState, Corrupt> {
    needed("the state of a node", parse::filter::node_state(value))
}

pub(super) fn role(value: i32) -> Result<NodeRole, Corrupt> {
    needed("the role of a node", parse::filter::role(value))
}

pub(super) fn outcome(value: i32) -> Result<Outcome, Corrupt> {
    match stored::Outcome::try_from(value) {
        Ok(stored::Outcome::Unspecified) => Ok(Outcome::Open),
        Ok(stored::Outcome::Finished) => Ok(Outcome::Finished),
        Ok(stored::Outcome::GaveUp) => Ok(Outcome::GaveUp),
        Err(_) => Err(Corrupt::new(format!("no outcome has the number {value}"))),
    }
}

pub(super) fn restart(message: Option<stored::RestartMemory>) -> Result<RestartMemory, Corrupt> {
    let Some(message) = message else {
        return Ok(RestartMemory::default());
    };
    Ok(RestartMemory {
        streak: message.streak,
        window_attempts: message.window_attempts,
        window_start: optional_time(message.window_start)?.unwrap_or_default(),
        early_ends: message.early_ends,
    })
}

pub(super) fn drain(message: v1::TaskDrain) -> Result<Drain, Corrupt> {
    let unconfirmed = message.unconfirmed;
    let released = optional_time(message.released_time)?;
    Ok(Drain {
        told_revision: Revision(message.told_revision),
        told: time(message.told_time)?,
        released: released.map(|time| Released { time, unconfirmed }),
    })
}

pub(crate) fn ports(messages: Vec<v1::Port>) -> Vec<Port> {
    messages
        .into_iter()
        .map(|message| parse::port(&mut Fields::new(), message))
        .collect()
}

pub(super) fn node_ref(message: Option<v1::Ref>) -> Result<Option<NodeRef>, Corrupt> {
    let node = |message: v1::Ref| {
        Ok(NodeRef {
            id: id(&message.id)?,
            name: message.name.into(),
        })
    };
    message.map(node).transpose()
}

pub(super) fn transitions(messages: Vec<v1::TaskTransition>) -> Result<Vec<Transition>, Corrupt> {
    let transition = |message: v1::TaskTransition| {
        Ok(Transition {
            state: task_state(message.state)?,
            time: time(message.time)?,
        })
    };
    messages.into_iter().map(transition).collect()
}

pub(super) fn condition(message: v1::Condition) -> Result<Condition, Corrupt> {
    Ok(Condition {
        kind: Cow::Owned(message.r#type),
        holds: message.status == i32::from(v1::condition::Status::True),
        reason: Cow::Owned(message.reason),
        message: Cow::Owned(message.message),
        observed_spec_revision: Revision(message.observed_spec_revision),
        transition_time: time(message.transition_time)?,
    })
}

pub(super) fn conditions(messages: Vec<v1::Condition>) -> Result<Vec<Condition>, Corrupt> {
    messages.into_iter().map(condition).collect()
}

pub(super) fn unplaced(message: v1::Unplaced) -> Result<Arc<Unplaced>, Corrupt> {
    let service = needed("the service of tasks without a node", message.service)?;
    let cause = |cause: v1::unplaced::Cause| {
        Ok(UnplacedCause {
            check: check(cause.check)?,
            nodes: cause.nodes,
            message: cause.message.into(),
        })
    };
    Ok(Arc::new(Unplaced {
        service: id(&service.id)?,
        tasks: message.tasks,
        nodes: message.nodes,
        causes: message
            .causes
            .into_iter()
            .map(cause)
            .collect::<Result<_, Corrupt>>()?,
    }))
}

fn check(value: i32) -> Result<PlacementCheck, Corrupt> {
    use v1::PlacementCheck as Message;
    Ok(match Message::try_from(value) {
        Ok(Message::Ready) => PlacementCheck::Ready,
        Ok(Message::Availability) => PlacementCheck::Availability,
        Ok(Message::Platform) => PlacementCheck::Platform,
        Ok(Message::Requirement) => PlacementCheck::Requirement,
        Ok(Message::MaxReplicas) => PlacementCheck::MaxReplicas,
        Ok(Message::Cpu) => PlacementCheck::Cpu,
        Ok(Message::Memory) => PlacementCheck::Memory,
        Ok(Message::Port) => PlacementCheck::Port,
        Ok(Message::Unspecified) | Err(_) => {
            return Err(Corrupt::new(format!(
                "no placement check has the number {value}"
            )));
        }
    })
}

// === specs and what agents say ===

pub(super) fn service_spec(message: Option<v1::ServiceSpec>) -> Result<Arc<ServiceSpec>, Corrupt> {
    let message = needed("the spec of a service", message)?;
    let spec = parse::spec::service(&mut Fields::new(), message);
    needed("a part of the spec of a service", spec).map(Arc::new)
}

pub(super) fn node_spec(message: Option<v1::NodeSpec>) -> Result<Arc<NodeSpec>, Corrupt> {
    let message = needed("the spec of a node", message)?;
    let spec = parse::spec::node(&mut Fields::new(), message, None);
    needed("the name of a node", spec).map(Arc::new)
}

pub(super) fn swarm_spec(message: Option<v1::SwarmSpec>) -> Result<Arc<SwarmSpec>, Corrupt> {
    let message = needed("the spec of the swarm", message)?;
    Ok(Arc::new(parse::spec::swarm(&mut Fields::new(), message)))
}

pub(crate) fn template(message: Option<v1::TaskTemplate>) -> Result<Arc<TaskTemplate>, Corrupt> {
    let message = needed("a template", message)?;
    let template = parse::template(&mut Fields::new(), message);
    needed("the workload of a template", template).map(Arc::new)
}

fn ports_in_use(messages: &[v1::PublishedPort]) -> Vec<(u16, Protocol)> {
    let port = |message: &v1::PublishedPort| {
        let protocol = parse::protocol(&mut Fields::new(), message.protocol);
        Some((u16::try_from(message.published).ok()?, protocol))
    };
    messages.iter().filter_map(port).collect()
}

pub(crate) fn description(message: &v1::NodeStatus) -> Result<NodeDescription, Corrupt> {
    let address: IpAddr = message
        .address
        .parse()
        .map_err(|_| Corrupt::new(format!("the address of a node is \"{}\"", message.address)))?;
    let platform = message.platform.clone().unwrap_or_default();
    Ok(NodeDescription {
        hostname: message.hostname.clone(),
        address,
        platform: Platform {
            os: platform.os,
            architecture: platform.architecture,
        },
        version: message.version.clone(),
        capabilities: message.capabilities.clone(),
        capacity: message.capacity.map(parse::resources).unwrap_or_default(),
        conditions: conditions(message.conditions.clone())?,
        ports_in_use: ports_in_use(&message.ports_in_use),
    })
}
