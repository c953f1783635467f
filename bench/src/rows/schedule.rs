// SPDX-License-Identifier: Apache-2.0
//! The scheduler alone: a pure function, called in this process.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use skep_core::model::{
    Name, NodeId, NodeKey, NodeSpec, Operator, Placement, Requirement, Resources,
};
use skep_core::schedule::place;
use skep_core::state::Write;
use skep_core::testing::{World, create_node, replicated};

use super::{Sample, Setup};
use crate::proc::Meter;
use crate::stats::median;

/// How many nodes there are.
const NODES: u32 = 1_000;
/// Nodes in a zone.
const ZONE_NODES: u32 = NODES / 10;

/// Measures how long one decision takes, of as many as there are tasks.
pub(super) fn measure(setup: &Setup, tasks: u32, demanding: bool) -> Result<Sample> {
    let world = world(tasks, demanding)?;
    let meter = Meter::start(std::process::id())?;
    let start = Instant::now();
    let mut times = Vec::new();
    while times.is_empty() || start.elapsed().as_secs_f64() < setup.seconds / 4.0 {
        let began = Instant::now();
        let placed = place(&world.state, world.now);
        times.push(began.elapsed().as_secs_f64() * 1e6 / f64::from(tasks));
        let assigned = |write: &&Write| matches!(write, Write::AssignTask { .. });
        let count = placed.iter().filter(assigned).count();
        ensure!(count == tasks as usize, "{count} of {tasks} were placed");
    }
    let calls = times.len();
    Ok(Sample {
        value: median(times),
        operations: calls as u64 * u64::from(tasks),
        usage: meter.stop()?,
        note: format!("median of {calls} calls of {tasks} decisions"),
    })
}

/// Nodes, and the tasks of one service that wait for one of them.
fn world(tasks: u32, demanding: bool) -> Result<World> {
    let mut world = World::with_nodes(0);
    world.apply((1..=NODES).map(node));
    let mut spec = replicated("many", tasks);
    let template = Arc::make_mut(&mut spec.template);
    template.reservations = Resources {
        cpu_millis: 100,
        memory_bytes: 64 << 20,
    };
    if demanding {
        template.placement = Placement {
            requirements: vec![Requirement {
                key: NodeKey::Label("disk".to_owned()),
                operator: Some(Operator::In),
                values: vec!["ssd".to_owned()],
            }],
            spread: vec!["zone".to_owned()],
            ..Placement::default()
        };
    }
    let service = world.create_service(spec);
    while !world.reconcile(service).is_empty() {}
    let waiting = world.state.pending_tasks().count();
    ensure!(waiting == tasks as usize, "{waiting} of {tasks} wait");
    Ok(world)
}

/// Every second node has a fast disk, and each is in one of ten zones.
fn node(number: u32) -> Write {
    let disk = if number.is_multiple_of(2) {
        "ssd"
    } else {
        "hdd"
    };
    let zone = format!("zone-{}", number / ZONE_NODES);
    let labels = [("disk", disk), ("zone", &zone)];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut write = create_node(2);
    if let Write::CreateNode { id, spec, .. } = &mut write {
        *id = NodeId(number.into());
        *spec = Arc::new(NodeSpec {
            name: Name::parse(&format!("node-{number}")).expect("it is a good name"),
            labels: Arc::new(labels.into()),
            availability: None,
        });
    }
    write
}
