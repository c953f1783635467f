// SPDX-License-Identifier: Apache-2.0
//! Objects for tests, as a swarm would show them at [`NOW`].

mod container;
mod node;
mod task;

use std::time::{Duration, SystemTime};

use skep_sdk::v1::condition::Status as Truth;
use skep_sdk::v1::port::{Mode as PortMode, Protocol};
use skep_sdk::v1::service_spec::Mode;
use skep_sdk::v1::task_template::Workload;
use skep_sdk::v1::*;

pub(crate) use container::*;
pub(crate) use node::*;
pub(crate) use task::*;

/// Seconds since 1970 at which the samples are looked at.
pub(crate) const NOW: i64 = 1_795_424_400;

/// [`NOW`] as the commands have it.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.unsigned_abs())
}

/// A time some seconds before [`NOW`].
pub(crate) fn ago(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp {
        seconds: NOW - seconds,
        nanos: 0,
    })
}

/// A span of whole seconds.
pub(crate) fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

/// An id of a kind that ends in a number.
pub(crate) fn id(prefix: &str, number: u32) -> String {
    format!("{prefix}_{number:08}k3v9x2m7q5w1t6h8d4")
}

pub(crate) fn meta(prefix: &str, number: u32) -> Meta {
    Meta {
        id: id(prefix, number),
        revision: 40,
        spec_revision: 12,
        create_revision: 12,
        create_time: ago(3_600),
        update_time: ago(60),
        delete_time: None,
    }
}

/// A replicated process service with all there is in its spec, 2 of 3 tasks up.
pub(crate) fn service() -> Service {
    let process = Process {
        command: vec!["/usr/local/bin/shop".into()],
        args: vec!["--serve".into(), "a b".into()],
        env: [("LEVEL".into(), "info".into()), ("A".into(), "1".into())].into(),
        dir: "/srv".into(),
        user: "www:www".into(),
        groups: vec!["adm".into()],
        ulimits: [(
            "nofile".into(),
            Ulimit {
                soft: 1_024,
                hard: 4_096,
            },
        )]
        .into(),
    };
    let template = TaskTemplate {
        workload: Some(Workload::Process(process)),
        reservations: Some(Resources {
            cpu_millis: 250,
            memory_bytes: 64 << 20,
        }),
        limits: Some(ResourceLimits {
            cpu_millis: 1_000,
            memory_bytes: 256 << 20,
            pids: 200,
        }),
        placement: Some(Placement {
            requirements: vec![requirement(
                "node.role",
                requirement::Operator::In,
                "worker",
            )],
            spread: vec!["node.labels.zone".into()],
            max_replicas_per_node: 2,
        }),
        restart: Some(RestartPolicy {
            condition: restart_policy::Condition::OnFailure.into(),
            delay: seconds(2),
            max_delay: seconds(60),
            max_attempts: 5,
            window: seconds(600),
        }),
        stop: Some(StopPolicy {
            signal: "SIGQUIT".into(),
            grace: seconds(20),
            drain: seconds(3),
        }),
        ..TaskTemplate::default()
    };
    Service {
        meta: Some(meta("svc", 1)),
        spec: Some(ServiceSpec {
            name: "web".into(),
            labels: [
                ("team".into(), "shop".into()),
                ("env".into(), "prod".into()),
            ]
            .into(),
            mode: Some(Mode::Replicated(Replicated { replicas: Some(3) })),
            template: Some(template),
            endpoint: Some(EndpointSpec {
                ports: vec![port(80, 8_080), host_port(9_100, 9_100)],
            }),
            ..ServiceSpec::default()
        }),
        status: Some(ServiceStatus {
            desired_tasks: 3,
            running_tasks: 2,
            updated_tasks: 2,
            pending_tasks: 1,
            failed_tasks: 0,
            template_revision: 12,
            conditions: vec![
                condition("CONVERGED", Truth::False, "UPDATING", "2 of 3 tasks run"),
                condition("STALLED", Truth::False, "", ""),
            ],
            ports: vec![port(80, 8_080), host_port(9_100, 9_100)],
            image: String::new(),
            ..ServiceStatus::default()
        }),
    }
}

/// A global service with nothing set that need not be.
pub(crate) fn global_service() -> Service {
    let process = Process {
        command: vec!["/opt/agent/bin/agent-of-a-long-name".into()],
        ..Process::default()
    };
    let template = TaskTemplate {
        workload: Some(Workload::Process(process)),
        ..TaskTemplate::default()
    };
    Service {
        meta: Some(meta("svc", 2)),
        spec: Some(ServiceSpec {
            name: "agent".into(),
            mode: Some(Mode::EveryNode(EveryNode {})),
            template: Some(template),
            ..ServiceSpec::default()
        }),
        status: Some(ServiceStatus {
            desired_tasks: 2,
            running_tasks: 2,
            updated_tasks: 2,
            template_revision: 12,
            conditions: vec![condition("CONVERGED", Truth::True, "", "")],
            ..ServiceStatus::default()
        }),
    }
}

pub(crate) fn condition(name: &str, status: Truth, reason: &str, message: &str) -> Condition {
    Condition {
        r#type: name.into(),
        status: status.into(),
        reason: reason.into(),
        message: message.into(),
        observed_spec_revision: 12,
        transition_time: ago(30),
    }
}

pub(crate) fn requirement(key: &str, operator: requirement::Operator, value: &str) -> Requirement {
    Requirement {
        key: key.into(),
        operator: operator.into(),
        values: vec![value.into()],
    }
}

pub(crate) fn port(target: u32, published: u32) -> Port {
    Port {
        target,
        published,
        protocol: Protocol::Tcp.into(),
        ..Port::default()
    }
}

pub(crate) fn host_port(target: u32, published: u32) -> Port {
    Port {
        mode: PortMode::Host.into(),
        ..port(target, published)
    }
}
