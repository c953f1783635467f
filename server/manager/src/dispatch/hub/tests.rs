// SPDX-License-Identifier: Apache-2.0
//! Who is expected, and who is forgotten.

use skep_core::testing::World;

use super::*;

#[test]
fn what_a_node_was_sent_is_forgotten_with_the_node() {
    let mut world = World::with_nodes(2);
    let hub = Hub::new(&world.state, world.now);
    for node in [NodeId(1), NodeId(2)] {
        let place = hub.sit(node);
        hub.leave(node, place.session, place.tracker);
    }
    world.apply([Write::DeleteNode { node: NodeId(2) }]);
    // It is not known what happened.
    hub.take(&world.state, None::<&[Step]>);
    let kept: Vec<NodeId> = hub.lock().trackers.keys().copied().collect();
    assert_eq!(kept, [NodeId(1)]);
}

#[test]
fn a_node_that_is_about_to_come_stays_ready() {
    let world = World::with_nodes(2);
    let hub = Hub::new(&world.state, world.now);
    hub.expect(&world.state, &[NodeId(1)], world.now);
    let (writes, _) = hub.look_after_nodes(&world.state, world.now);
    let nodes: Vec<_> = writes
        .iter()
        .map(|write| match write {
            Write::SetNodeState { node, state, .. } => (*node, *state),
            other => panic!("no state: {other:?}"),
        })
        .collect();
    assert_eq!(nodes, [(NodeId(2), skep_core::model::NodeState::Unknown)]);
}
