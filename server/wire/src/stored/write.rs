// SPDX-License-Identifier: Apache-2.0
//! Writes, to and from their messages.

use std::sync::Arc;

use skep_core::model::{NodeId, NodeRole, NodeState, Outcome, RestartMemory};
use skep_core::state::{NewTask, Observation, Write};
use skep_proto::internal::v1 as stored;
use skep_proto::internal::v1::write::Action;
use skep_proto::v1;

use super::load::{
    description, desired, health, id, needed, node_spec, node_state, optional_time, outcome, ports,
    restart, role, service_spec, swarm_spec, task_state, time, unplaced,
};
use super::{Corrupt, object, rollout};
use crate::render;

pub(super) fn to_message(write: &Write) -> stored::Write {
    stored::Write {
        action: Some(action(write)),
    }
}

fn action(write: &Write) -> Action {
    if let Some(action) = rollout::action(write) {
        return action;
    }
    match write {
        Write::PutSwarm { id, spec } => Action::PutSwarm(stored::PutSwarm {
            swarm: id.to_string(),
            spec: Some(render::swarm_spec(spec)),
        }),
        Write::CreateNode { .. }
        | Write::PutNodeSpec { .. }
        | Write::SetNodeState { .. }
        | Write::DescribeNode { .. }
        | Write::DeleteNode { .. } => node_action(write),
        Write::CreateService { .. }
        | Write::PutServiceSpec { .. }
        | Write::MarkServiceDeleting { .. }
        | Write::DeleteService { .. }
        | Write::DropTemplate { .. } => service_action(write),
        _ => task_action(write),
    }
}

fn node_action(write: &Write) -> Action {
    match write {
        Write::CreateNode {
            id,
            spec,
            role,
            description,
        } => Action::CreateNode(stored::CreateNode {
            node: id.to_string(),
            spec: Some(render::node_spec(spec)),
            role: role_message(*role).into(),
            status: Some(object::description(description)),
        }),
        Write::PutNodeSpec { node, spec } => Action::PutNodeSpec(stored::PutNodeSpec {
            node: node.to_string(),
            spec: Some(render::node_spec(spec)),
        }),
        Write::SetNodeState {
            node,
            state,
            message,
        } => Action::SetNodeState(stored::SetNodeState {
            node: node.to_string(),
            state: state_message(*state).into(),
            message: message.to_string(),
        }),
        Write::DescribeNode { node, description } => Action::DescribeNode(stored::DescribeNode {
            node: node.to_string(),
            status: Some(object::description(description)),
        }),
        Write::DeleteNode { node } => Action::DeleteNode(node.to_string()),
        _ => unreachable!("the caller passes writes of nodes only"),
    }
}

fn service_action(write: &Write) -> Action {
    match write {
        Write::CreateService { id, spec, ports } => Action::CreateService(stored::CreateService {
            service: id.to_string(),
            spec: Some(render::service_spec(spec)),
            ports: ports.iter().map(render::port).collect(),
        }),
        Write::PutServiceSpec {
            service,
            spec,
            ports,
            new_template,
        } => Action::PutServiceSpec(stored::PutServiceSpec {
            service: service.to_string(),
            spec: Some(render::service_spec(spec)),
            ports: ports.iter().map(render::port).collect(),
            new_template: *new_template,
        }),
        Write::MarkServiceDeleting { service } => Action::MarkServiceDeleting(service.to_string()),
        Write::DeleteService { service } => Action::DeleteService(service.to_string()),
        Write::DropTemplate { service, revision } => Action::DropTemplate(stored::DropTemplate {
            service: service.to_string(),
            template_revision: revision.0,
        }),
        _ => unreachable!("the caller passes writes of services only"),
    }
}

fn task_action(write: &Write) -> Action {
    match write {
        Write::CreateTask(new) => Action::CreateTask(new_task_message(new)),
        Write::AssignTask { task, node } => Action::AssignTask(stored::AssignTask {
            task: task.to_string(),
            node: node.to_string(),
        }),
        Write::SetUnplaced { task, unplaced } => Action::SetTaskUnplaced(stored::SetTaskUnplaced {
            task: task.to_string(),
            unplaced: Some(render::unplaced(unplaced, "")),
        }),
        Write::SetDesired { task, desired } => Action::SetTaskDesired(stored::SetTaskDesired {
            task: task.to_string(),
            desired_state: *desired as i32,
        }),
        Write::ObserveTask { task, observation } => Action::ObserveTask(stored::ObserveTask {
            task: task.to_string(),
            status: Some(observation_message(observation)),
        }),
        Write::ReleaseTask { task, unconfirmed } => Action::ReleaseTask(stored::ReleaseTask {
            task: task.to_string(),
            unconfirmed: *unconfirmed,
        }),
        Write::SettleTask { task, outcome } => Action::SettleTask(stored::SettleTask {
            task: task.to_string(),
            outcome: outcome_message(*outcome).into(),
        }),
        Write::MarkStable { task } => Action::MarkStable(task.to_string()),
        Write::DeleteTask { task } => Action::DeleteTask(task.to_string()),
        _ => unreachable!("the caller passes writes of tasks only"),
    }
}

fn new_task_message(new: &NewTask) -> stored::CreateTask {
    stored::CreateTask {
        task: new.id.to_string(),
        service: new.service.to_string(),
        slot: new.slot,
        attempt: new.attempt,
        template_revision: new.template_revision.0,
        node: new.node.map(|node| node.to_string()).unwrap_or_default(),
        desired_state: new.desired as i32,
        restart_time: new.restart_time.map(render::timestamp),
        restart: restart_message(new.restart),
        step: new.step.as_ref().map(rollout::step_message),
        beside: new.beside,
    }
}

pub(super) fn restart_message(memory: RestartMemory) -> Option<stored::RestartMemory> {
    (memory != RestartMemory::default()).then(|| stored::RestartMemory {
        streak: memory.streak,
        window_attempts: memory.window_attempts,
        window_start: Some(render::timestamp(memory.window_start)),
        early_ends: memory.early_ends,
    })
}

pub(super) fn outcome_message(outcome: Outcome) -> stored::Outcome {
    match outcome {
        Outcome::Open => stored::Outcome::Unspecified,
        Outcome::Finished => stored::Outcome::Finished,
        Outcome::GaveUp => stored::Outcome::GaveUp,
    }
}

fn role_message(role: NodeRole) -> v1::NodeRole {
    match role {
        NodeRole::Worker => v1::NodeRole::Worker,
        NodeRole::Manager => v1::NodeRole::Manager,
    }
}

fn state_message(state: NodeState) -> v1::node_status::State {
    match state {
        NodeState::Ready => v1::node_status::State::Ready,
        NodeState::Down => v1::node_status::State::Down,
        NodeState::Unknown => v1::node_status::State::Unknown,
    }
}

/// What is new of a task, as a status.
pub(crate) fn observation_message(seen: &Observation) -> v1::TaskStatus {
    v1::TaskStatus {
        state: render::task_state(seen.state).into(),
        transition_time: Some(render::timestamp(seen.time)),
        reason: seen.reason.to_string(),
        message: seen.message.to_string(),
        exit_code: seen.exit_code,
        signal: seen.signal,
        pid: seen.pid,
        ports: seen.ports.iter().map(render::port).collect(),
        health: render::health(seen.health).into(),
        health_message: seen.health_message.to_string(),
        container_id: seen.container.to_string(),
        image: seen.image.to_string(),
        ..v1::TaskStatus::default()
    }
}

pub(crate) fn observation(message: v1::TaskStatus) -> Result<Observation, Corrupt> {
    Ok(Observation {
        state: task_state(message.state)?,
        time: time(message.transition_time)?,
        reason: message.reason.into(),
        message: message.message.into(),
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

pub(super) fn from_message(message: stored::Write) -> Result<Write, Corrupt> {
    Ok(match needed("what a write does", message.action)? {
        Action::PutSwarm(put) => Write::PutSwarm {
            id: id(&put.swarm)?,
            spec: swarm_spec(put.spec)?,
        },
        Action::CreateNode(create) => Write::CreateNode {
            id: id(&create.node)?,
            spec: node_spec(create.spec)?,
            role: role(create.role)?,
            description: Arc::new(description(&needed(
                "the status of a node",
                create.status,
            )?)?),
        },
        Action::PutNodeSpec(put) => Write::PutNodeSpec {
            node: id(&put.node)?,
            spec: node_spec(put.spec)?,
        },
        Action::SetNodeState(set) => Write::SetNodeState {
            node: id(&set.node)?,
            state: node_state(set.state)?,
            message: set.message.into(),
        },
        Action::DescribeNode(describe) => Write::DescribeNode {
            node: id(&describe.node)?,
            description: Arc::new(description(&needed(
                "the status of a node",
                describe.status,
            )?)?),
        },
        Action::DeleteNode(node) => Write::DeleteNode { node: id(&node)? },
        Action::CreateService(create) => Write::CreateService {
            id: id(&create.service)?,
            spec: service_spec(create.spec)?,
            ports: ports(create.ports),
        },
        Action::PutServiceSpec(put) => Write::PutServiceSpec {
            service: id(&put.service)?,
            spec: service_spec(put.spec)?,
            ports: ports(put.ports),
            new_template: put.new_template,
        },
        Action::MarkServiceDeleting(service) => Write::MarkServiceDeleting {
            service: id(&service)?,
        },
        Action::DeleteService(service) => Write::DeleteService {
            service: id(&service)?,
        },
        Action::DropTemplate(dropped) => Write::DropTemplate {
            service: id(&dropped.service)?,
            revision: skep_core::model::Revision(dropped.template_revision),
        },
        Action::ReuseTemplate(reuse) => rollout::reuse(reuse)?,
        Action::SetRollout(set) => rollout::set(set)?,
        Action::JudgeStep(judge) => rollout::judge(&judge)?,
        Action::MarkGood(good) => rollout::good(&good)?,
        action => task_write(action)?,
    })
}

fn task_write(action: Action) -> Result<Write, Corrupt> {
    Ok(match action {
        Action::CreateTask(new) => Write::CreateTask(new_task(&new)?),
        Action::AssignTask(assign) => Write::AssignTask {
            task: id(&assign.task)?,
            node: id(&assign.node)?,
        },
        Action::SetTaskUnplaced(set) => Write::SetUnplaced {
            task: id(&set.task)?,
            unplaced: unplaced(needed("why a task has no node", set.unplaced)?)?,
        },
        Action::SetTaskDesired(set) => Write::SetDesired {
            task: id(&set.task)?,
            desired: desired(set.desired_state)?,
        },
        Action::ObserveTask(observe) => Write::ObserveTask {
            task: id(&observe.task)?,
            observation: observation(needed("the status of a task", observe.status)?)?,
        },
        Action::ReleaseTask(release) => Write::ReleaseTask {
            task: id(&release.task)?,
            unconfirmed: release.unconfirmed,
        },
        Action::SettleTask(settle) => Write::SettleTask {
            task: id(&settle.task)?,
            outcome: outcome(settle.outcome)?,
        },
        Action::MarkStable(task) => Write::MarkStable { task: id(&task)? },
        Action::DeleteTask(task) => Write::DeleteTask { task: id(&task)? },
        _ => return Err(Corrupt::new("a write is of no known kind")),
    })
}

fn new_task(message: &stored::CreateTask) -> Result<NewTask, Corrupt> {
    let node: Option<NodeId> = match message.node.as_str() {
        "" => None,
        text => Some(id(text)?),
    };
    Ok(NewTask {
        id: id(&message.task)?,
        service: id(&message.service)?,
        slot: message.slot,
        attempt: message.attempt,
        template_revision: skep_core::model::Revision(message.template_revision),
        node,
        desired: desired(message.desired_state)?,
        restart_time: optional_time(message.restart_time)?,
        restart: restart(message.restart)?,
        step: message.step.map(rollout::step).transpose()?,
        beside: message.beside,
    })
}
