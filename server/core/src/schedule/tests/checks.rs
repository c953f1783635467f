// SPDX-License-Identifier: Apache-2.0
//! Every check refuses, and says why.

use std::collections::BTreeSet;

use crate::model::*;
use crate::testing::{World, every_node, replicated, tcp};

use super::*;

fn requirement(key: NodeKey, values: &[&str]) -> Requirement<NodeKey> {
    Requirement {
        key,
        operator: None,
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    }
}

/// Nine nodes, of which each has another fault, and two tasks that find none without.
fn nine_faults() -> World {
    let mut world = World::with_nodes(9);
    set_state(&mut world, 1, NodeState::Down);
    set_state(&mut world, 2, NodeState::Unknown);
    edit_spec(&mut world, 3, |spec| {
        spec.availability = Some(Availability::Pause);
    });
    edit_spec(&mut world, 4, |spec| {
        spec.availability = Some(Availability::Drain);
    });
    describe(&mut world, 5, |node| node.capabilities.clear());
    for node in 6..=9 {
        describe(&mut world, node, |node| {
            node.capabilities.push("limits.memory".to_owned());
        });
    }
    for node in 7..=9 {
        label(&mut world, node, "disk", "ssd");
    }
    describe(&mut world, 7, |node| node.capacity.cpu_millis = 1_250);
    describe(&mut world, 8, |node| {
        node.capacity.memory_bytes = (2 << 30) + 5
    });
    let mut spec = with_template(replicated("web", 2), |template| {
        template.limits.memory_bytes = 8 << 30;
        template.reservations = Resources {
            cpu_millis: 2_500,
            memory_bytes: 4 << 30,
        };
        template.placement.requirements =
            vec![requirement(NodeKey::Label("disk".to_owned()), &["ssd"])];
    });
    spec.ports = vec![tcp(80, 8080, PortMode::Host)];
    let web = world.create_service(spec);
    wait_for(&mut world, web, 1..=2);
    let other = world.create_service(ServiceSpec {
        ports: vec![tcp(80, 8080, PortMode::Host)],
        ..replicated("other", 1)
    });
    let taken = wait_for(&mut world, other, 1..=1)[0];
    world.apply([Write::AssignTask {
        task: taken,
        node: NodeId(9),
    }]);
    world
}

#[test]
fn every_check_in_its_order() {
    let mut world = nine_faults();
    let causes = "\
web.1 waits: 2 tasks, 9 nodes
  Ready on 2: down (1); not heard from since the leader changed (1)
  Availability on 2: paused (1); draining (1)
  Platform on 1: does not run a process workload: \"workload.process\" is missing
  Requirement on 1: needs node.labels.disk to be ssd
  Cpu on 1: needs 2.5 CPU, most free is 1.25
  Memory on 1: needs 4096 MiB, most free is 2048 MiB
  Port on 1: host port 8080/tcp is taken
";
    let want = format!("{causes}{}", causes.replace("web.1", "web.2"));
    assert_eq!(plan(&mut world), want);
    assert_eq!(plan(&mut world), "");
}

#[test]
fn a_limit_needs_a_node_that_enforces_it() {
    let mut world = World::with_nodes(2);
    describe(&mut world, 2, |node| {
        node.capabilities.push("limits.pids".to_owned());
    });
    let cpu = world.create_service(with_template(replicated("cpu", 1), |template| {
        template.limits.cpu_millis = 500;
    }));
    let pids = world.create_service(with_template(replicated("pids", 1), |template| {
        template.limits.pids = 50;
    }));
    wait_for(&mut world, cpu, 1..=1);
    wait_for(&mut world, pids, 1..=1);
    assert_eq!(
        plan(&mut world),
        "pids.1 -> node-2\n\
         cpu.1 waits: 1 tasks, 2 nodes\n  \
         Platform on 2: cannot enforce a cpu limit: \"limits.cpu\" is missing\n"
    );
}

#[test]
fn who_has_no_engine_is_told_apart() {
    let lacking = super::super::explain::lacking("workload.container");
    assert_eq!(
        lacking,
        "no Docker engine runs containers there (see \"skep node inspect\"): \"workload.container\" is missing"
    );
}

#[test]
fn resources_and_replicas_run_out_within_a_pass() {
    let mut world = World::with_nodes(2);
    let big = world.create_service(with_template(replicated("big", 5), |template| {
        template.reservations.memory_bytes = 4 << 30;
    }));
    let two = world.create_service(with_template(replicated("two", 3), |template| {
        template.placement.max_replicas_per_node = 1;
    }));
    wait_for(&mut world, big, 1..=5);
    wait_for(&mut world, two, 1..=3);
    assert_eq!(
        plan(&mut world),
        "big.1 -> node-1\nbig.2 -> node-2\nbig.3 -> node-1\nbig.4 -> node-2\n\
         two.1 -> node-1\ntwo.2 -> node-2\n\
         big.5 waits: 1 tasks, 2 nodes\n  \
         Memory on 2: needs 4096 MiB, most free is 0 MiB\n\
         two.3 waits: 1 tasks, 2 nodes\n  \
         MaxReplicas on 2: has 1, the most that max_replicas_per_node allows\n"
    );
    assert_eq!(plan(&mut world), "");
}

#[test]
fn host_ports_are_given_once_a_node_within_a_pass() {
    let mut world = World::with_nodes(2);
    let dns = |name, protocol| ServiceSpec {
        ports: vec![Port {
            protocol,
            ..tcp(53, 53, PortMode::Host)
        }],
        ..replicated(name, 3)
    };
    let first = world.create_service(dns("tcp", Protocol::Tcp));
    let second = world.create_service(dns("udp", Protocol::Udp));
    let chosen_by_node = world.create_service(ServiceSpec {
        ports: vec![tcp(53, 0, PortMode::Host)],
        ..replicated("any", 3)
    });
    for service in [first, second, chosen_by_node] {
        wait_for(&mut world, service, 1..=3);
    }
    let text = plan(&mut world);
    let waits: Vec<_> = text.lines().filter(|line| line.contains("waits")).collect();
    assert_eq!(
        waits,
        [
            "tcp.3 waits: 1 tasks, 2 nodes",
            "udp.3 waits: 1 tasks, 2 nodes"
        ]
    );
}

#[test]
fn a_task_for_one_node_looks_at_that_node_alone() {
    let mut world = World::with_nodes(3);
    let agent = world.create_service(with_template(every_node("agent"), |template| {
        template.reservations.memory_bytes = 6 << 30;
    }));
    describe(&mut world, 2, |node| node.capacity.memory_bytes = 5 << 30);
    for node in 1..=3 {
        wait_on(&mut world, agent, 0, Some(NodeId(node)));
    }
    assert_eq!(
        plan(&mut world),
        "agent.node-1 -> node-1\nagent.node-3 -> node-3\n\
         agent.node-2 waits: 1 tasks, 1 nodes\n  \
         Memory on 1: needs 6144 MiB, most free is 5120 MiB\n"
    );
    describe(&mut world, 2, |node| node.capacity.memory_bytes = 7 << 30);
    assert_eq!(plan(&mut world), "agent.node-2 -> node-2\n");
}

#[test]
fn tasks_for_one_node_come_before_others() {
    let mut world = World::with_nodes(1);
    let web = world.create_service(with_template(replicated("web", 1), |template| {
        template.reservations.memory_bytes = 6 << 30;
    }));
    wait_for(&mut world, web, 1..=1);
    let agent = world.create_service(with_template(every_node("agent"), |template| {
        template.reservations.memory_bytes = 6 << 30;
    }));
    wait_on(&mut world, agent, 0, Some(NodeId(1)));
    let text = plan(&mut world);
    assert!(
        text.starts_with("agent.node-1 -> node-1\nweb.1 waits"),
        "{text}"
    );
}

#[test]
fn without_nodes_there_is_nothing_to_hold_against_them() {
    let mut world = World::with_nodes(0);
    let web = world.create_service(replicated("web", 1));
    wait_for(&mut world, web, 1..=1);
    assert_eq!(plan(&mut world), "web.1 waits: 1 tasks, 0 nodes\n");
}

#[test]
fn what_is_not_wanted_is_not_placed() {
    let mut world = World::with_nodes(1);
    let web = world.create_service(replicated("web", 1));
    let task = wait_for(&mut world, web, 1..=1)[0];
    world.apply([Write::SetDesired {
        task,
        desired: DesiredState::Removed,
    }]);
    assert_eq!(plan(&mut world), "");
}

#[test]
fn of_many_tasks_only_the_first_follow_the_numbers() {
    let mut world = World::with_nodes(2);
    let web = world.create_service(with_template(replicated("web", 150), |template| {
        template.reservations.memory_bytes = 9 << 30;
    }));
    wait_for(&mut world, web, 1..=150);
    assert_eq!(plan(&mut world).matches("waits").count(), 150);
    describe(&mut world, 1, |node| node.capacity.memory_bytes = 7 << 30);
    assert_eq!(plan(&mut world), "");
    describe(&mut world, 2, |node| node.capacity.memory_bytes = 7 << 30);
    let again = plan(&mut world);
    assert_eq!(
        again.matches("most free is 7168 MiB").count(),
        crate::schedule::REFRESHED_MAX
    );
    set_state(&mut world, 2, NodeState::Down);
    assert_eq!(plan(&mut world).matches("waits").count(), 150);
}

#[test]
fn each_way_to_require_a_label_leaves_its_nodes() {
    for (operator, values, fitting) in [
        (None, &["ssd"][..], &["node-1"][..]),
        (Some(Operator::In), &["ssd", "tape"], &["node-1"]),
        (Some(Operator::NotIn), &["ssd"], &["node-2", "node-3"]),
        (Some(Operator::Exists), &[], &["node-1", "node-2"]),
        (Some(Operator::NotExists), &[], &["node-3"]),
        (Some(Operator::Prefix), &["s"], &["node-1"]),
    ] {
        let mut world = World::with_nodes(3);
        label(&mut world, 1, "disk", "ssd");
        label(&mut world, 2, "disk", "hdd");
        let web = world.create_service(with_template(replicated("web", 6), |template| {
            template.placement.requirements = vec![Requirement {
                key: NodeKey::Label("disk".to_owned()),
                operator,
                values: values.iter().map(|&value| value.to_owned()).collect(),
            }];
        }));
        wait_for(&mut world, web, 1..=6);
        let text = plan(&mut world);
        let nodes = text.lines().filter_map(|line| line.split(" -> ").nth(1));
        let nodes: BTreeSet<_> = nodes.collect();
        let fitting: BTreeSet<_> = fitting.iter().copied().collect();
        assert_eq!(nodes, fitting, "{operator:?} {values:?}");
    }
}
