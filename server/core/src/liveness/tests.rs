// SPDX-License-Identifier: Apache-2.0
//! Silence, and the end of it.

use super::*;
use crate::testing::World;

const SUSPECT: Duration = Duration::from_secs(3);
const DOWN: Duration = Duration::from_secs(15);

/// Looks, writes what there is to write, and gives the states written.
fn look(world: &mut World, liveness: &mut Liveness) -> Vec<(u128, NodeState)> {
    let tick = liveness.tick(&world.state, world.now);
    let states = tick
        .writes
        .iter()
        .map(|write| match write {
            Write::SetNodeState { node, state, .. } => (node.0, *state),
            other => panic!("not a state: {other:?}"),
        })
        .collect();
    world.apply(tick.writes);
    states
}

fn hear(world: &World, liveness: &mut Liveness, node: u128) -> bool {
    liveness.heard(&world.state, NodeId(node), world.now)
}

#[test]
fn silence_makes_suspect_and_then_down() {
    let mut world = World::with_nodes(2);
    let mut liveness = Liveness::new(&world.state, world.now);
    hear(&world, &mut liveness, 1);
    hear(&world, &mut liveness, 2);
    let start = world.now;
    assert_eq!(look(&mut world, &mut liveness), []);

    world.now = start.after(SUSPECT);
    assert!(!hear(&world, &mut liveness, 1), "nothing is different");
    let tick = liveness.tick(&world.state, world.now);
    assert_eq!(tick.turned, BTreeSet::from([NodeId(2)]));
    assert!(tick.writes.is_empty());
    assert_eq!(tick.wake_at, Some(start.after(SUSPECT * 2)));
    assert!(liveness.is_suspect(NodeId(2)) && !liveness.is_suspect(NodeId(1)));

    world.now = start.after(DOWN);
    hear(&world, &mut liveness, 1);
    assert_eq!(look(&mut world, &mut liveness), [(2, NodeState::Down)]);
    let known = &world.state.node(NodeId(2)).expect("it is there").status;
    assert_eq!(&*known.message, "nothing was heard from it for 15 s");
    assert_eq!(look(&mut world, &mut liveness), [], "once is enough");

    assert!(hear(&world, &mut liveness, 2), "this cannot wait");
    let tick = liveness.tick(&world.state, world.now);
    assert_eq!(tick.turned, BTreeSet::from([NodeId(2)]));
    assert_eq!(look(&mut world, &mut liveness), [(2, NodeState::Ready)]);
}

#[test]
fn a_new_leader_gives_everybody_time() {
    let mut world = World::with_nodes(3);
    world.apply([Write::SetNodeState {
        node: NodeId(3),
        state: NodeState::Down,
        message: "".into(),
    }]);
    let mut liveness = Liveness::new(&world.state, world.now);
    let unknown = [(1, NodeState::Unknown), (2, NodeState::Unknown)];
    assert_eq!(look(&mut world, &mut liveness), unknown);
    assert!(hear(&world, &mut liveness, 1));
    assert_eq!(look(&mut world, &mut liveness), [(1, NodeState::Ready)]);
    world.now = world.now.after(DOWN - Duration::from_nanos(1));
    hear(&world, &mut liveness, 1);
    assert_eq!(look(&mut world, &mut liveness), []);
    world.now = world.now.after(Duration::from_nanos(1));
    assert_eq!(look(&mut world, &mut liveness), [(2, NodeState::Down)]);
}

#[test]
fn the_times_are_those_of_the_swarm() {
    let mut world = World::with_nodes(1);
    let swarm = world.state.swarm().expect("it is there").meta.id;
    world.apply([Write::PutSwarm {
        id: swarm,
        spec: std::sync::Arc::new(SwarmSpec {
            heartbeat_period: Some(Duration::from_millis(100)),
            down_after: Some(Duration::from_millis(500)),
            ..SwarmSpec::default()
        }),
    }]);
    let mut liveness = Liveness::new(&world.state, world.now);
    hear(&world, &mut liveness, 1);
    let tick = liveness.tick(&world.state, world.now);
    let suspect_at = world.now.after(Duration::from_millis(300));
    assert_eq!(tick.wake_at, Some(suspect_at));
    world.now = suspect_at;
    let tick = liveness.tick(&world.state, world.now);
    assert_eq!(
        tick.wake_at,
        Some(suspect_at.after(Duration::from_millis(200)))
    );
}

#[test]
fn nodes_come_and_go() {
    let mut world = World::with_nodes(1);
    let mut liveness = Liveness::new(&world.state, world.now);
    world.apply([crate::testing::create_node(2)]);
    look(&mut world, &mut liveness);
    world.now = world.now.after(SUSPECT);
    liveness.tick(&world.state, world.now);
    assert!(
        liveness.is_suspect(NodeId(2)),
        "it counted as heard when it came"
    );
    world.apply([Write::DeleteNode { node: NodeId(2) }]);
    let tick = liveness.tick(&world.state, world.now);
    assert!(tick.writes.is_empty() && !liveness.is_suspect(NodeId(2)));
    assert!(!hear(&world, &mut liveness, 2));
}
