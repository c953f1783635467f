// SPDX-License-Identifier: Apache-2.0
//! Nodes, the swarm, and the daemon.

use skep_sdk::v1::node_spec::Availability;
use skep_sdk::v1::*;

use super::{ago, id, meta};

pub(crate) fn node(name: &str) -> Node {
    Node {
        meta: Some(meta("nod", name.bytes().last().map_or(0, u32::from) - 48)),
        spec: Some(NodeSpec {
            name: name.into(),
            labels: [("zone".into(), "west".into())].into(),
            availability: Availability::Active.into(),
        }),
        status: Some(NodeStatus {
            state: node_status::State::Ready.into(),
            transition_time: ago(3_600),
            hostname: "box".into(),
            address: "127.0.0.1".into(),
            platform: Some(Platform {
                os: "linux".into(),
                architecture: "amd64".into(),
            }),
            version: "0.1.0".into(),
            capabilities: vec!["limits.memory".into(), "workload.process".into()],
            capacity: Some(Resources {
                cpu_millis: 2_000,
                memory_bytes: 8 << 30,
            }),
            reserved: Some(Resources {
                cpu_millis: 250,
                memory_bytes: 64 << 20,
            }),
            active_tasks: 1,
            assigned_revision: 40,
            endpoint_revision: 40,
            role: NodeRole::Manager.into(),
            manager: Some(ManagerStatus {
                raft_id: 1,
                state: manager_status::State::Leader.into(),
                reachable: true,
                match_revision: 40,
            }),
            ..NodeStatus::default()
        }),
    }
}

/// A worker that drains and cannot be reached.
pub(crate) fn lost_node(name: &str) -> Node {
    let mut node = node(name);
    node.spec.get_or_insert_default().availability = Availability::Drain.into();
    let status = node.status.get_or_insert_default();
    status.state = node_status::State::Down.into();
    status.message = "silent for 15s".into();
    status.role = NodeRole::Worker.into();
    status.manager = None;
    node
}

pub(crate) fn swarm() -> Swarm {
    Swarm {
        meta: Some(meta("swm", 1)),
        spec: Some(SwarmSpec {
            name: "default".into(),
            task_history: Some(7),
            ..Default::default()
        }),
        status: Some(SwarmStatus {
            managers: vec![ManagerInfo {
                node: Some(Ref {
                    id: id("nod", 1),
                    name: "node-1".into(),
                }),
                status: node("node-1").status.and_then(|status| status.manager),
            }],
            term: 3,
            feature_version: "0.1.0".into(),
            nodes: Some(NodeCounts {
                total: 3,
                ready: 2,
                down: 1,
                unknown: 0,
            }),
            capacity: Some(Resources {
                cpu_millis: 4_000,
                memory_bytes: 16 << 30,
            }),
            reserved: Some(Resources {
                cpu_millis: 250,
                memory_bytes: 64 << 20,
            }),
        }),
    }
}

pub(crate) fn daemon() -> Daemon {
    Daemon {
        version: "0.1.0".into(),
        start_time: ago(7_200),
        state: daemon::State::Member.into(),
        error: String::new(),
        node: id("nod", 1),
        swarm: id("swm", 1),
        role: NodeRole::Manager.into(),
        address: "127.0.0.1".into(),
        revision: 40,
    }
}
