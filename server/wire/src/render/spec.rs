// SPDX-License-Identifier: Apache-2.0
//! Specs, as they were written.

use std::collections::BTreeMap;

use skep_core::model::{
    Availability, Labels, Mode, Name, NodeSpec, Placement, Process, RestartCondition,
    RestartPolicy, ServiceSpec, StopPolicy, SwarmSpec, TaskTemplate, Ulimit, Workload,
};
use skep_proto::v1;

use super::container::{container, health_check, log_driver, mount};
use super::parts::{duration, limits, port, requirement, resources};

/// The message, unless it says nothing: then it reads back as unset.
pub(super) fn unless_empty<M: Default + PartialEq>(message: M) -> Option<M> {
    (message != M::default()).then_some(message)
}

fn labels(labels: &Labels) -> Labels {
    labels.clone()
}

/// The spec of a service.
#[must_use]
pub fn service_spec(spec: &ServiceSpec) -> v1::ServiceSpec {
    let mode = match spec.mode {
        Mode::Replicated { replicas } => {
            v1::service_spec::Mode::Replicated(v1::Replicated { replicas })
        }
        Mode::EveryNode => v1::service_spec::Mode::EveryNode(v1::EveryNode {}),
    };
    v1::ServiceSpec {
        name: spec.name.to_string(),
        labels: labels(&spec.labels),
        mode: Some(mode),
        template: Some(template(&spec.template)),
        update: spec.update.as_ref().map(super::rollout::policy),
        rollback: spec.rollback.as_ref().map(super::rollout::policy),
        endpoint: unless_empty(v1::EndpointSpec {
            ports: spec.ports.iter().map(port).collect(),
        }),
    }
}

/// What a task runs and what it needs.
#[must_use]
pub fn template(template: &TaskTemplate) -> v1::TaskTemplate {
    let workload = match &template.workload {
        Workload::Container(image) => v1::task_template::Workload::Container(container(image)),
        Workload::Process(program) => v1::task_template::Workload::Process(process(program)),
    };
    v1::TaskTemplate {
        workload: Some(workload),
        reservations: unless_empty(resources(template.reservations)),
        limits: unless_empty(limits(template.limits)),
        placement: unless_empty(placement(&template.placement)),
        restart: unless_empty(restart(&template.restart)),
        stop: unless_empty(stop(&template.stop)),
        health_check: template.health_check.as_ref().map(health_check),
        mounts: template.mounts.iter().map(mount).collect(),
        log_driver: template.log_driver.as_ref().map(log_driver),
        restart_token: template.restart_token.clone(),
    }
}

fn process(process: &Process) -> v1::Process {
    v1::Process {
        command: process.command.clone(),
        args: process.args.clone(),
        env: process.env.clone(),
        dir: process.dir.clone(),
        user: process.user.clone(),
        groups: process.groups.clone(),
        ulimits: ulimits(&process.ulimits),
    }
}

pub(super) fn ulimits(limits: &BTreeMap<String, Ulimit>) -> BTreeMap<String, v1::Ulimit> {
    let ulimit = |(name, limit): (&String, &Ulimit)| {
        let message = v1::Ulimit {
            soft: limit.soft,
            hard: limit.hard,
        };
        (name.clone(), message)
    };
    limits.iter().map(ulimit).collect()
}

fn placement(placement: &Placement) -> v1::Placement {
    v1::Placement {
        requirements: placement.requirements.iter().map(requirement).collect(),
        spread: placement
            .spread
            .iter()
            .map(|key| format!("node.labels.{key}"))
            .collect(),
        max_replicas_per_node: placement.max_replicas_per_node,
    }
}

fn restart(policy: &RestartPolicy) -> v1::RestartPolicy {
    use v1::restart_policy::Condition as Message;
    let condition = match policy.condition {
        None => Message::Unspecified,
        Some(RestartCondition::None) => Message::None,
        Some(RestartCondition::OnFailure) => Message::OnFailure,
        Some(RestartCondition::Any) => Message::Any,
    };
    v1::RestartPolicy {
        condition: condition.into(),
        delay: policy.delay.map(duration),
        max_delay: policy.max_delay.map(duration),
        max_attempts: policy.max_attempts,
        window: policy.window.map(duration),
    }
}

fn stop(policy: &StopPolicy) -> v1::StopPolicy {
    v1::StopPolicy {
        signal: policy.signal.clone(),
        grace: policy.grace.map(duration),
        drain: policy.drain.map(duration),
    }
}

/// The spec of a node.
#[must_use]
pub fn node_spec(spec: &NodeSpec) -> v1::NodeSpec {
    use v1::node_spec::Availability as Message;
    let availability = match spec.availability {
        None => Message::Unspecified,
        Some(Availability::Active) => Message::Active,
        Some(Availability::Pause) => Message::Pause,
        Some(Availability::Drain) => Message::Drain,
    };
    v1::NodeSpec {
        name: spec.name.to_string(),
        labels: labels(&spec.labels),
        availability: availability.into(),
    }
}

/// The spec of the swarm.
#[must_use]
pub fn swarm_spec(spec: &SwarmSpec) -> v1::SwarmSpec {
    v1::SwarmSpec {
        name: spec.name.as_ref().map(Name::to_string).unwrap_or_default(),
        labels: labels(&spec.labels),
        task_history: spec.task_history,
        watch_history: spec.watch_history.map(duration),
        heartbeat_period: spec.heartbeat_period.map(duration),
        down_after: spec.down_after.map(duration),
        orphan_after: spec.orphan_after.map(duration),
        snapshot_interval: spec.snapshot_interval,
    }
}
