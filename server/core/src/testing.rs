// SPDX-License-Identifier: Apache-2.0
//! Fixtures for tests: small specs, nodes and a state that changes are applied to one by one.

use std::sync::Arc;

use crate::model::{
    Mode, Name, NodeDescription, NodeId, NodeRole, NodeSpec, Platform, Port, PortMode, Process,
    Protocol, Resources, Revision, ServiceId, ServiceSpec, SwarmId, SwarmSpec, TaskId, TaskState,
    TaskTemplate, Timestamp, Workload,
};
use crate::orchestrate::{Moment, Plan, reconcile_service};
use crate::state::{Applied, Change, Observation, State, Write};

/// A template that runs a program for ever.
#[must_use]
pub fn template() -> TaskTemplate {
    TaskTemplate::of(Workload::Process(Process {
        command: vec!["/bin/sleep".to_owned(), "600".to_owned()],
        ..Process::default()
    }))
}

/// A service with this many replicas of [`template`].
#[must_use]
pub fn replicated(name: &str, replicas: u32) -> ServiceSpec {
    ServiceSpec {
        name: Name::parse(name).expect("a test uses a good name"),
        labels: Arc::default(),
        mode: Mode::Replicated {
            replicas: Some(replicas),
        },
        template: Arc::new(template()),
        update: None,
        rollback: None,
        ports: Vec::new(),
    }
}

/// A service with one task of [`template`] on every node.
#[must_use]
pub fn every_node(name: &str) -> ServiceSpec {
    ServiceSpec {
        mode: Mode::EveryNode,
        ..replicated(name, 0)
    }
}

/// A TCP port.
#[must_use]
pub fn tcp(target: u16, published: u16, mode: PortMode) -> Port {
    Port {
        target,
        published,
        protocol: Protocol::Tcp,
        mode,
        name: "".into(),
    }
}

/// A node named "node-N" with id N, at 127.0.0.N, with 4 CPUs and 8 GiB.
#[must_use]
pub fn create_node(number: u8) -> Write {
    Write::CreateNode {
        id: NodeId(u128::from(number)),
        spec: Arc::new(NodeSpec {
            name: Name::parse(&format!("node-{number}")).expect("a test uses a good name"),
            labels: Arc::default(),
            availability: None,
        }),
        role: if number == 1 {
            NodeRole::Manager
        } else {
            NodeRole::Worker
        },
        description: Arc::new(NodeDescription {
            hostname: format!("host-{number}"),
            address: [127, 0, 0, number].into(),
            platform: Platform {
                os: "linux".to_owned(),
                architecture: "amd64".to_owned(),
            },
            version: "0.1.0".to_owned(),
            capabilities: vec!["workload.process".to_owned()],
            capacity: Resources {
                cpu_millis: 4_000,
                memory_bytes: 8 << 30,
            },
            conditions: Vec::new(),
            ports_in_use: Vec::new(),
        }),
    }
}

/// A state, the next revision and a clock that only moves when told to.
#[derive(Clone, Default, Debug)]
pub struct World {
    /// The state.
    pub state: State,
    /// The clock.
    pub now: Timestamp,
    /// Since when the leader leads; by default for very long.
    pub led_since: Timestamp,
    ids: u128,
}

impl World {
    /// A swarm with this many nodes, all ready.
    #[must_use]
    pub fn with_nodes(nodes: u8) -> World {
        let mut world = World {
            now: Timestamp::from_millis(1_000_000),
            ids: 1_000,
            ..World::default()
        };
        world.apply([Write::PutSwarm {
            id: SwarmId(1),
            spec: Arc::new(SwarmSpec::default()),
        }]);
        for number in 1..=nodes {
            world.apply([create_node(number)]);
        }
        world
    }

    /// 128 bits that were not given out before, counting up.
    pub fn next_id(&mut self) -> u128 {
        self.ids += 1;
        self.ids
    }

    /// Applies these writes as one change.
    pub fn apply(&mut self, writes: impl IntoIterator<Item = Write>) -> Applied {
        self.apply_change(Change {
            writes: writes.into_iter().collect(),
            time: self.now,
            ..Change::default()
        })
    }

    /// Applies a change at the next revision.
    pub fn apply_change(&mut self, change: Change) -> Applied {
        let revision = Revision(self.state.revision().0 + 1);
        self.state.apply(revision, &change)
    }

    /// Creates a service and gives back its id.
    pub fn create_service(&mut self, spec: ServiceSpec) -> ServiceId {
        let id = ServiceId(self.next_id());
        let ports = spec.ports.clone();
        let applied = self.apply([Write::CreateService {
            id,
            spec: Arc::new(spec),
            ports,
        }]);
        assert_eq!(applied.refusal, None);
        id
    }

    /// Lets a task be seen in this state.
    pub fn observe(&mut self, task: TaskId, state: TaskState) -> Applied {
        self.apply([Write::ObserveTask {
            task,
            observation: Observation::of(state, self.now),
        }])
    }

    /// What the orchestrator would do about a service now.
    pub fn plan(&mut self, service: ServiceId) -> Plan {
        let ids = &mut self.ids;
        let mut source = || {
            *ids += 1;
            *ids
        };
        let moment = Moment {
            now: self.now,
            led_since: self.led_since,
        };
        reconcile_service(&self.state, service, moment, &mut source)
    }

    /// Lets the orchestrator do it.
    pub fn reconcile(&mut self, service: ServiceId) -> Plan {
        let plan = self.plan(service);
        if !plan.is_empty() {
            let applied = self.apply_change(plan.clone().into_change(self.now));
            assert_eq!(applied.refusal, None, "{plan:?}");
        }
        plan
    }
}
