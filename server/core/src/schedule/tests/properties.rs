// SPDX-License-Identifier: Apache-2.0
//! What holds for every plan, and that plans for large swarms are made step by step.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::model::*;
use crate::testing::{World, replicated, tcp};

use super::*;

#[derive(Clone, Debug)]
struct Wish {
    tasks: u32,
    cpu_millis: u32,
    memory_gib: u64,
    own_max: u32,
    host_port: bool,
    zone: Option<&'static str>,
    spread: bool,
}

fn wish() -> impl Strategy<Value = Wish> {
    let zone = prop_oneof![Just(None), Just(Some("a")), Just(Some("b"))];
    (
        0..9u32,
        0..3u32,
        0..4u64,
        0..3u32,
        any::<bool>(),
        zone,
        any::<bool>(),
    )
        .prop_map(
            |(tasks, cpus, memory_gib, own_max, host_port, zone, spread)| Wish {
                tasks,
                cpu_millis: cpus * 1_000,
                memory_gib,
                own_max,
                host_port,
                zone,
                spread,
            },
        )
}

fn world_of(wishes: &[Wish], zones: &[bool]) -> World {
    let mut world = World::with_nodes(u8::try_from(zones.len()).expect("few"));
    for (place, in_a) in zones.iter().enumerate() {
        let node = place as u128 + 1;
        label(&mut world, node, "zone", if *in_a { "a" } else { "b" });
    }
    for (place, wish) in wishes.iter().enumerate() {
        let mut spec = with_template(replicated(&format!("s{place}"), wish.tasks), |template| {
            template.reservations = Resources {
                cpu_millis: wish.cpu_millis,
                memory_bytes: wish.memory_gib << 30,
            };
            template.placement.max_replicas_per_node = wish.own_max;
            template.placement.spread =
                wish.spread.then(|| "zone".to_owned()).into_iter().collect();
            template.placement.requirements = wish
                .zone
                .map(|zone| Requirement {
                    key: NodeKey::Label("zone".to_owned()),
                    operator: None,
                    values: vec![zone.to_owned()],
                })
                .into_iter()
                .collect();
        });
        if wish.host_port {
            spec.ports = vec![tcp(80, 8080, PortMode::Host)];
        }
        let service = world.create_service(spec);
        wait_for(&mut world, service, 1..=wish.tasks);
    }
    world
}

/// Everything on a node at once is allowed there.
fn assert_legal(world: &World, wishes: &[Wish]) {
    for node in world.state.nodes() {
        let mut used = Resources::default();
        let mut of_service: BTreeMap<&str, u32> = BTreeMap::new();
        let mut port_holders = 0;
        for task in world.state.node_tasks(node.meta.id) {
            let place: usize = task.service_name[1..].parse().expect("a number");
            let wish = &wishes[place];
            used = used.plus(Resources {
                cpu_millis: wish.cpu_millis,
                memory_bytes: wish.memory_gib << 30,
            });
            port_holders += u32::from(wish.host_port);
            let own = of_service.entry(&task.service_name).or_default();
            *own += 1;
            assert!(wish.own_max == 0 || *own <= wish.own_max);
            let zone = node.spec.labels.get("zone").map(String::as_str);
            assert!(wish.zone.is_none() || wish.zone == zone);
        }
        let capacity = node.status.description.capacity;
        assert!(
            used.cpu_millis <= capacity.cpu_millis && used.memory_bytes <= capacity.memory_bytes
        );
        assert!(port_holders <= 1);
        assert_eq!(node.status.reserved, used);
    }
}

proptest! {
    #[test]
    fn plans_are_legal_complete_and_stable(
        wishes in prop::collection::vec(wish(), 0..8),
        zones in prop::collection::vec(any::<bool>(), 0..6),
    ) {
        let mut world = world_of(&wishes, &zones);
        let again = world.clone();
        let first = plan(&mut world);
        prop_assert_eq!(&first, &plan(&mut again.clone()), "the same state gives the same plan");
        assert_legal(&world, &wishes);
        // What still waits was refused by every node, and nothing more can be done for it.
        for task in world.state.pending_tasks() {
            let unplaced = task.status.unplaced.as_ref().expect("a reason");
            let refused: u32 = unplaced.causes.iter().map(|cause| cause.nodes).sum();
            prop_assert_eq!(refused as usize, zones.len());
        }
        prop_assert_eq!(plan(&mut world), "");
    }
}

#[test]
fn a_large_swarm_is_filled_evenly() {
    let mut world = World::with_nodes(0);
    world.apply((1..=300).map(numbered_node));
    let services: Vec<_> = (0..30)
        .map(|place| world.create_service(replicated(&format!("s{place}"), 100)))
        .collect();
    for service in &services {
        wait_for(&mut world, *service, 1..=100);
    }
    let writes = place(&world.state, world.now);
    assert_eq!(writes.len(), 3_000);
    world.apply(writes);
    for node in world.state.nodes() {
        assert_eq!(node.status.active_tasks, 10);
        let mut services: Vec<_> = world
            .state
            .node_tasks(node.meta.id)
            .map(|task| task.service)
            .collect();
        services.dedup();
        services.sort_unstable();
        services.dedup();
        assert_eq!(services.len(), 10, "no service twice on a node");
    }
}
