// SPDX-License-Identifier: Apache-2.0
//! Specs of services, nodes and the swarm.

use std::sync::Arc;
use std::time::Duration;

use skep_core::model::{
    Availability, Mode, Name, NodeSpec, Port, PortMode, ServiceSpec, SwarmSpec, Workload,
};
use skep_proto::v1;

use super::common::{bounded_span, labels, name, ports, unknown};
use super::{Fields, rollout, template};

const REPLICAS_MAX: u64 = 100_000;

/// The spec of a service. Nothing if it has no name or nothing to run.
pub fn service(fields: &mut Fields, message: v1::ServiceSpec) -> Option<ServiceSpec> {
    let name = name(fields, "name", &message.name);
    let labels = labels(fields, message.labels);
    let mode = match message.mode {
        Some(v1::service_spec::Mode::EveryNode(_)) => Mode::EveryNode,
        Some(v1::service_spec::Mode::Replicated(message)) => {
            if let Some(replicas) = message.replicas {
                let field = "replicated.replicas";
                fields.range(field, replicas.into(), 0, REPLICAS_MAX);
            }
            Mode::Replicated {
                replicas: message.replicas,
            }
        }
        None => Mode::Replicated { replicas: None },
    };
    let template = fields
        .required("template", message.template)
        .and_then(|message| fields.at("template", |fields| template::template(fields, message)));
    let update = rollout::policy(fields, "update", message.update);
    let rollback = rollout::policy(fields, "rollback", message.rollback);
    let endpoint = message.endpoint.unwrap_or_default();
    let ports = fields.at("endpoint", |fields| ports(fields, endpoint.ports));
    rollout::check(fields, mode, [update, rollback], &ports);
    if template
        .as_ref()
        .is_some_and(|it| matches!(it.workload, Workload::Process(_)))
    {
        one_host_port_each(fields, &ports);
    }
    Some(ServiceSpec {
        name: name?,
        labels,
        mode,
        template: Arc::new(template?),
        update,
        rollback,
        ports,
    })
}

/// A program listens for a target on one port, so it cannot have two of a node.
fn one_host_port_each(fields: &mut Fields, ports: &[Port]) {
    let on_host = |port: &&Port| port.mode == PortMode::Host && port.published != 0;
    for (index, port) in ports.iter().enumerate().filter(|(_, port)| on_host(port)) {
        let way = (port.target, port.protocol);
        let mut before = ports.iter().take(index).filter(on_host);
        let first = before.find(|first| (first.target, first.protocol) == way);
        // The same port twice is told as that.
        if let Some(first) = first.filter(|first| first.published != port.published) {
            let (target, protocol, first) = (port.target, port.protocol.as_str(), first.published);
            fields.wrong(
                &format!("endpoint.ports[{index}].published"),
                format!(
                    "is another port of the node for {target}/{protocol} than {first}; a process \
                     listens for it on one: publish it once, or with mode INGRESS"
                ),
            );
        }
    }
}

/// The spec of a node. Without a name it keeps the present one.
pub fn node(
    fields: &mut Fields,
    message: v1::NodeSpec,
    present: Option<&Name>,
) -> Option<NodeSpec> {
    let labels = labels(fields, message.labels);
    let availability = availability(fields, "availability", message.availability);
    let name = match present {
        Some(present) if message.name.is_empty() => Some(present.clone()),
        _ => name(fields, "name", &message.name),
    };
    Some(NodeSpec {
        name: name?,
        labels,
        availability,
    })
}

/// Whether a node takes tasks.
pub fn availability(fields: &mut Fields, name: &str, value: i32) -> Option<Availability> {
    use v1::node_spec::Availability as Message;
    match Message::try_from(value) {
        Ok(Message::Unspecified) => None,
        Ok(Message::Active) => Some(Availability::Active),
        Ok(Message::Pause) => Some(Availability::Pause),
        Ok(Message::Drain) => Some(Availability::Drain),
        Err(_) => {
            unknown(fields, name, value);
            None
        }
    }
}

/// The spec of the swarm.
pub fn swarm(fields: &mut Fields, message: v1::SwarmSpec) -> SwarmSpec {
    let seconds = Duration::from_secs;
    let spec = SwarmSpec {
        name: match message.name.as_str() {
            "" => None,
            text => name(fields, "name", text),
        },
        labels: labels(fields, message.labels),
        task_history: message.task_history,
        watch_history: bounded_span(
            fields,
            "watch_history",
            message.watch_history,
            seconds(60),
            seconds(86_400),
        ),
        heartbeat_period: bounded_span(
            fields,
            "heartbeat_period",
            message.heartbeat_period,
            Duration::from_millis(100),
            seconds(300),
        ),
        down_after: bounded_span(
            fields,
            "down_after",
            message.down_after,
            seconds(1),
            seconds(3_600),
        ),
        orphan_after: bounded_span(
            fields,
            "orphan_after",
            message.orphan_after,
            seconds(60),
            seconds(2_592_000),
        ),
        snapshot_interval: message.snapshot_interval,
    };
    if let Some(count) = spec.task_history {
        fields.range("task_history", count.into(), 0, 100);
    }
    if let Some(count) = spec.snapshot_interval {
        fields.range("snapshot_interval", count.into(), 100, 10_000_000);
    }
    if spec.down_after() < spec.suspect_after() {
        fields.wrong("down_after", "is shorter than three times heartbeat_period");
    }
    spec
}
