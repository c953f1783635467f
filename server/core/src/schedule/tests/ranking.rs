// SPDX-License-Identifier: Apache-2.0
//! Of several nodes that fit, the right one.

use std::time::Duration;

use crate::model::*;
use crate::schedule::{FAILURE_WINDOW, FAILURES_MAX};
use crate::state::Observation;
use crate::testing::{World, replicated, tcp};

use super::*;

#[test]
fn fewest_of_the_service_then_fewest_at_all_then_most_free_then_the_id() {
    let mut world = World::with_nodes(4);
    describe(&mut world, 3, |node| node.capacity.memory_bytes = 16 << 30);
    let other = world.create_service(replicated("other", 1));
    let busy = wait_for(&mut world, other, 1..=1)[0];
    world.apply([Write::AssignTask {
        task: busy,
        node: NodeId(2),
    }]);
    let web = world.create_service(replicated("web", 6));
    wait_for(&mut world, web, 1..=6);
    assert_eq!(
        plan(&mut world),
        "web.1 -> node-3\nweb.2 -> node-1\nweb.3 -> node-4\nweb.4 -> node-2\n\
         web.5 -> node-3\nweb.6 -> node-1\n"
    );
}

#[test]
fn labels_spread_before_anything_else() {
    let mut world = World::with_nodes(5);
    for (node, zone, rack) in [(1, "a", "1"), (2, "a", "1"), (3, "a", "2"), (4, "b", "1")] {
        label(&mut world, node, "zone", zone);
        label(&mut world, node, "rack", rack);
    }
    let web = world.create_service(with_template(replicated("web", 9), |template| {
        template.placement.spread = vec!["zone".to_owned(), "rack".to_owned()];
    }));
    wait_for(&mut world, web, 1..=9);
    // Zones a, b and none take turns; within a, racks 1 and 2; within a/1, nodes 1 and 2.
    assert_eq!(
        plan(&mut world),
        "web.1 -> node-1\nweb.2 -> node-4\nweb.3 -> node-5\n\
         web.4 -> node-3\nweb.5 -> node-4\nweb.6 -> node-5\n\
         web.7 -> node-2\nweb.8 -> node-4\nweb.9 -> node-5\n"
    );
}

#[test]
fn a_full_branch_leaves_its_share_to_the_others() {
    let mut world = World::with_nodes(2);
    label(&mut world, 1, "zone", "a");
    label(&mut world, 2, "zone", "b");
    describe(&mut world, 1, |node| node.capacity.memory_bytes = 1 << 30);
    let web = world.create_service(with_template(replicated("web", 3), |template| {
        template.placement.spread = vec!["zone".to_owned()];
        template.reservations.memory_bytes = 1 << 30;
    }));
    wait_for(&mut world, web, 1..=3);
    assert_eq!(
        plan(&mut world),
        "web.1 -> node-2\nweb.2 -> node-1\nweb.3 -> node-2\n"
    );
}

#[test]
fn tasks_on_their_way_out_do_not_count_for_the_service() {
    let mut world = World::with_nodes(2);
    let web = world.create_service(with_template(replicated("web", 1), |template| {
        template.placement.max_replicas_per_node = 1;
    }));
    let old = wait_for(&mut world, web, 1..=1)[0];
    plan(&mut world);
    describe(&mut world, 2, |node| node.capabilities.clear());
    world.apply([Write::SetDesired {
        task: old,
        desired: DesiredState::Stopped,
    }]);
    wait_for(&mut world, web, 2..=2);
    assert_eq!(plan(&mut world), "web.2 -> node-1\n");
}

/// Lets tasks of a service fail on a node.
fn fail_on(world: &mut World, service: ServiceId, node: u128, times: u32) {
    for _ in 0..times {
        let slot = u32::try_from(world.next_id()).expect("a small number");
        let task = wait_on(world, service, slot, None);
        world.apply([
            Write::AssignTask {
                task,
                node: NodeId(node),
            },
            Write::ObserveTask {
                task,
                observation: Observation::of(TaskState::Failed, world.now),
            },
        ]);
    }
}

#[test]
fn a_node_where_the_service_keeps_failing_is_the_last_resort() {
    let mut world = World::with_nodes(2);
    let web = world.create_service(ServiceSpec {
        ports: vec![tcp(80, 8080, PortMode::Host)],
        ..replicated("web", 2)
    });
    fail_on(&mut world, web, 1, FAILURES_MAX - 1);
    let mut lenient = world.clone();
    wait_for(&mut lenient, web, 1..=1);
    assert_eq!(plan(&mut lenient), "web.1 -> node-1\n");

    fail_on(&mut world, web, 1, 1);
    let mut later = world.clone();
    wait_for(&mut world, web, 1..=2);
    assert_eq!(plan(&mut world), "web.1 -> node-2\nweb.2 -> node-1\n");

    later.now = later.now.after(FAILURE_WINDOW + Duration::from_secs(1));
    wait_for(&mut later, web, 1..=1);
    assert_eq!(plan(&mut later), "web.1 -> node-1\n");
}

#[test]
fn services_wait_in_the_order_of_their_oldest_task() {
    let mut world = World::with_nodes(1);
    let need = |name| {
        with_template(replicated(name, 1), |template| {
            template.reservations.memory_bytes = 5 << 30;
        })
    };
    let (first, second) = (need("first"), need("second"));
    let second = world.create_service(second);
    let first = world.create_service(first);
    wait_for(&mut world, first, 1..=1);
    wait_for(&mut world, second, 1..=1);
    let text = plan(&mut world);
    assert!(
        text.starts_with("first.1 -> node-1\nsecond.1 waits"),
        "{text}"
    );
}
