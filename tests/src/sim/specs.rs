// SPDX-License-Identifier: Apache-2.0
//! What users ask for: specs with short times, so that a short life sees a lot.

use std::sync::Arc;
use std::time::Duration;

use skep_core::model::{
    Container, HealthCheck, Mode, Name, NodeKey, OnFailure, Operator, Placement, Port, PortMode,
    Probe, Process, Protocol, Requirement, ResourceLimits, Resources, RestartCondition,
    RestartPolicy, ServiceSpec, StopPolicy, SwarmSpec, TaskTemplate, UpdateOrder, UpdatePolicy,
    Workload,
};

use super::dice::Dice;
use super::manner::Manner;

/// Names of services. There are few, so that users meet.
pub(crate) const SERVICES: [&str; 6] = ["ant", "bee", "cricket", "dragonfly", "earwig", "firefly"];

/// How many machines there are at most.
pub(crate) const MACHINES_MAX: u8 = 5;

/// The name of a node; perhaps of one that there is not.
pub(crate) fn node(dice: &mut Dice) -> String {
    format!("host-{}", dice.between(1, u64::from(MACHINES_MAX) + 1))
}

/// The settings of a swarm.
pub(crate) fn swarm(dice: &mut Dice) -> SwarmSpec {
    SwarmSpec {
        task_history: Some(dice.below(4) as u32),
        watch_history: Some(Duration::from_secs(dice.pick(&[5, 30, 600]))),
        heartbeat_period: Some(dice.millis(300, 1_000)),
        down_after: Some(dice.millis(2_000, 10_000)),
        orphan_after: Some(dice.millis(10_000, 60_000)),
        snapshot_interval: Some(dice.between(10, 120) as u32),
        ..SwarmSpec::default()
    }
}

/// A service.
pub(crate) fn service(name: &str, dice: &mut Dice) -> ServiceSpec {
    let every_node = name == "earwig";
    ServiceSpec {
        name: Name::parse(name).expect("the names of this room are good"),
        labels: Arc::default(),
        mode: if every_node {
            Mode::EveryNode
        } else {
            let replicas = Some(dice.below(5) as u32);
            Mode::Replicated { replicas }
        },
        template: Arc::new(template(dice)),
        update: Some(policy(dice)),
        rollback: dice.chance(500).then(|| UpdatePolicy {
            on_failure: dice.pick(&[None, Some(OnFailure::Continue)]),
            ..policy(dice)
        }),
        ports: ports(name, dice),
    }
}

fn policy(dice: &mut Dice) -> UpdatePolicy {
    UpdatePolicy {
        parallelism: dice.pick(&[None, Some(0), Some(2), Some(3)]),
        delay: dice.pick(&[None, None, Some(Duration::from_millis(400))]),
        order: dice.pick(&[None, Some(UpdateOrder::StartFirst)]),
        monitor: Some(dice.pick(&[0, 300, 2_000].map(Duration::from_millis))),
        progress_deadline: Some(dice.millis(3_000, 12_000)),
        max_failure_percent: dice.pick(&[0, 0, 34, 100]),
        on_failure: dice.pick(&[
            None,
            Some(OnFailure::Continue),
            Some(OnFailure::Rollback),
            Some(OnFailure::Rollback),
        ]),
    }
}

fn template(dice: &mut Dice) -> TaskTemplate {
    let drain = dice.millis(50, 3_000);
    let manner = dice.pick(&Manner::DRAWN);
    let insect = insect(manner, dice.chance(450));
    let asked = manner.shows_when_asked() || dice.chance(100);
    TaskTemplate {
        reservations: Resources {
            cpu_millis: dice.pick(&[0, 100, 900]),
            memory_bytes: dice.pick(&[0, 64 << 20, 2 << 30]),
        },
        limits: ResourceLimits::default(),
        placement: placement(dice),
        restart: RestartPolicy {
            condition: dice.pick(&[
                None,
                Some(RestartCondition::Any),
                Some(RestartCondition::OnFailure),
                Some(RestartCondition::None),
            ]),
            delay: Some(dice.millis(50, 1_000)),
            max_delay: Some(dice.millis(1_000, 4_000)),
            max_attempts: dice.pick(&[0, 0, 0, 3]),
            window: None,
        },
        stop: StopPolicy {
            signal: String::new(),
            grace: Some(dice.millis(100, 3_000)),
            drain: dice.pick(&[None, Some(Duration::ZERO), Some(drain)]),
        },
        restart_token: dice.below(4).to_string(),
        health_check: asked.then(|| health_check(dice)),
        ..TaskTemplate::of(insect)
    }
}

/// What a service runs, as a process or in a container.
pub(crate) fn insect(manner: Manner, in_engine: bool) -> Workload {
    let command = vec!["/bin/insect".to_owned()];
    let args = vec![manner.word().to_owned()];
    if in_engine {
        Workload::Container(Box::new(Container {
            image: "insect:1".to_owned(),
            command,
            args,
            ..Container::default()
        }))
    } else {
        Workload::Process(Process {
            command,
            args,
            ..Process::default()
        })
    }
}

/// A check: by a program beside the task, which an engine runs for a container, or by a call.
fn health_check(dice: &mut Dice) -> HealthCheck {
    let by_program = Probe::Exec {
        command: vec!["/bin/ask".to_owned()],
    };
    HealthCheck {
        probe: Some(if dice.chance(650) {
            by_program
        } else {
            Probe::Tcp { port: 80 }
        }),
        interval: Some(dice.millis(300, 1_200)),
        retries: dice.between(1, 4) as u32,
        start_period: Some(dice.millis(0, 2_500)),
        ..HealthCheck::default()
    }
}

fn placement(dice: &mut Dice) -> Placement {
    let mut placement = Placement::default();
    if dice.chance(100) {
        placement.requirements.push(Requirement {
            key: NodeKey::Label("zone".to_owned()),
            operator: Some(dice.pick(&[Operator::In, Operator::NotIn])),
            values: vec!["a".to_owned()],
        });
    }
    if dice.chance(200) {
        placement.spread.push("zone".to_owned());
    }
    if dice.chance(100) {
        placement.max_replicas_per_node = 1;
    }
    placement
}

fn ports(name: &str, dice: &mut Dice) -> Vec<Port> {
    let mode = match dice.below(4) {
        0 => PortMode::Host,
        1 => return Vec::new(),
        _ => PortMode::Ingress,
    };
    let published = 8_000 + u16::from(name.as_bytes()[0]);
    vec![Port {
        target: 80,
        published: if dice.chance(300) && mode == PortMode::Ingress {
            0
        } else {
            published
        },
        protocol: Protocol::Tcp,
        mode,
        name: "".into(),
    }]
}
