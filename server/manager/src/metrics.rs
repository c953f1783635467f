// SPDX-License-Identifier: Apache-2.0
//! Metrics for Prometheus: counted from the state whenever somebody asks, so that nothing has
//! to be kept in step.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use skep_core::model::{NodeState, TaskState};
use skep_core::state::State;

type Count = Gauge<u64, AtomicU64>;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ByState {
    state: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

/// What there is to say beside the state.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Facts {
    /// The Raft term.
    pub term: u64,
    /// This manager leads.
    pub leads: bool,
    /// The store stopped because of an error.
    pub store_failed: bool,
    /// Watches that are being served.
    pub watches: usize,
    /// Calls that wait for a service.
    pub waits: usize,
}

/// The metrics in Prometheus' text format.
///
/// # Errors
/// Never, in fact: writing to a text does not fail.
pub fn encode(state: &State, facts: Facts) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("skep");
    let one = |registry: &mut Registry, name: &str, help: &str, value: u64| {
        let gauge = Count::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    let build = Family::<Build, Count>::default();
    build
        .get_or_create(&Build {
            version: env!("CARGO_PKG_VERSION"),
        })
        .set(1);
    registry.register("build_info", "The version of the daemon", build);
    registry.register("tasks", "Tasks, by the state they are in", tasks(state));
    registry.register("nodes", "Nodes, by the state they are in", nodes(state));
    let services = state.services().count() as u64;
    one(&mut registry, "services", "Services", services);
    one(
        &mut registry,
        "revision",
        "The newest revision applied here",
        state.revision().0,
    );
    one(&mut registry, "raft_term", "The Raft term", facts.term);
    one(
        &mut registry,
        "raft_leader",
        "1 if this manager leads",
        facts.leads.into(),
    );
    let failed = facts.store_failed.into();
    one(
        &mut registry,
        "store_failed",
        "1 if the store stopped because of an error",
        failed,
    );
    one(
        &mut registry,
        "watches",
        "Watches that are being served",
        facts.watches as u64,
    );
    one(
        &mut registry,
        "waits",
        "Calls that wait for a service",
        facts.waits as u64,
    );
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

fn tasks(state: &State) -> Family<ByState, Count> {
    let family = Family::<ByState, Count>::default();
    for known in TaskState::ALL {
        family
            .get_or_create(&ByState {
                state: task_word(known),
            })
            .set(0);
    }
    for task in state.tasks() {
        family
            .get_or_create(&ByState {
                state: task_word(task.status.state),
            })
            .inc();
    }
    family
}

fn nodes(state: &State) -> Family<ByState, Count> {
    let family = Family::<ByState, Count>::default();
    for known in [NodeState::Ready, NodeState::Down, NodeState::Unknown] {
        family
            .get_or_create(&ByState {
                state: node_word(known),
            })
            .set(0);
    }
    for node in state.nodes() {
        family
            .get_or_create(&ByState {
                state: node_word(node.status.state),
            })
            .inc();
    }
    family
}

fn task_word(state: TaskState) -> &'static str {
    match state {
        TaskState::Pending => "pending",
        TaskState::Assigned => "assigned",
        TaskState::Accepted => "accepted",
        TaskState::Preparing => "preparing",
        TaskState::Ready => "ready",
        TaskState::Starting => "starting",
        TaskState::Running => "running",
        TaskState::Completed => "completed",
        TaskState::Stopped => "stopped",
        TaskState::Failed => "failed",
        TaskState::Rejected => "rejected",
        TaskState::Orphaned => "orphaned",
    }
}

fn node_word(state: NodeState) -> &'static str {
    match state {
        NodeState::Ready => "ready",
        NodeState::Down => "down",
        NodeState::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use skep_core::testing::{World, replicated};

    use super::*;

    #[test]
    fn everything_is_counted() {
        let mut world = World::with_nodes(2);
        world.create_service(replicated("web", 1));
        let text = encode(
            &world.state,
            Facts {
                watches: 3,
                waits: 2,
                ..Facts::default()
            },
        )
        .expect("text");
        for line in [
            "skep_nodes{state=\"ready\"} 2",
            "skep_nodes{state=\"down\"} 0",
            "skep_tasks{state=\"running\"} 0",
            "skep_services 1",
            "skep_watches 3",
            "skep_waits 2",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
    }
}
