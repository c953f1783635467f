// SPDX-License-Identifier: Apache-2.0
//! What services say of ports that nodes cannot open.

use std::sync::Arc;

use crate::check;
use crate::model::*;
use crate::state::Write;
use crate::testing::{World, replicated, tcp};

fn says(world: &World, service: ServiceId) -> (bool, String, String) {
    let service = world.state.service(service).expect("it is there");
    let mut conditions = service.status.conditions.iter();
    let it = conditions.find(|it| it.kind == super::STALLED);
    let it = it.expect("a service has the condition");
    assert_eq!(check::invariants(&world.state), []);
    (it.holds, it.reason.to_string(), it.message.to_string())
}

/// Another program holds these TCP ports on the node.
fn hold(world: &mut World, node: u8, ports: &[u16]) {
    let node = NodeId(u128::from(node));
    let known = world.state.node(node).expect("it is there");
    let description = NodeDescription {
        ports_in_use: ports.iter().map(|port| (*port, Protocol::Tcp)).collect(),
        ..NodeDescription::clone(&known.status.description)
    };
    let description = Arc::new(description);
    world.apply([Write::DescribeNode { node, description }]);
}

fn web(port: Port) -> ServiceSpec {
    ServiceSpec {
        ports: vec![port],
        ..replicated("web", 1)
    }
}

#[test]
fn a_port_that_a_node_cannot_open_stalls_its_service_until_it_can() {
    let mut world = World::with_nodes(2);
    let service = world.create_service(web(tcp(80, 8080, PortMode::Ingress)));
    let other = world.create_service(replicated("other", 1));
    hold(&mut world, 2, &[8080, 9090]);
    let said = (
        true,
        "PORT_IN_USE".to_owned(),
        "another program holds port 8080/tcp on node node-2; stop that program or publish \
         another port"
            .to_owned(),
    );
    assert_eq!(says(&world, service), said);
    assert_eq!(says(&world, other).1, "");
    hold(&mut world, 1, &[8080]);
    let both = says(&world, service).2;
    assert!(both.contains("on node node-1 (and 1 more such);"), "{both}");
    hold(&mut world, 1, &[]);
    assert_eq!(says(&world, service), said);
    hold(&mut world, 2, &[9090]);
    assert_eq!(says(&world, service).1, "");
}

#[test]
fn a_service_that_comes_later_or_changes_its_ports_is_told_as_well() {
    let mut world = World::with_nodes(1);
    hold(&mut world, 1, &[8080]);
    let service = world.create_service(web(tcp(80, 8080, PortMode::Ingress)));
    assert_eq!(says(&world, service).1, "PORT_IN_USE");
    // On hosts the scheduler sees to it.
    for port in [
        tcp(80, 9090, PortMode::Ingress),
        tcp(80, 8080, PortMode::Host),
    ] {
        let spec = Arc::new(web(port.clone()));
        world.apply([Write::PutServiceSpec {
            service,
            spec,
            ports: vec![port],
            new_template: false,
        }]);
        assert_eq!(says(&world, service).1, "");
    }
}

#[test]
fn a_node_that_is_down_or_gone_says_nothing_of_ports() {
    let mut world = World::with_nodes(2);
    let service = world.create_service(web(tcp(80, 8080, PortMode::Ingress)));
    let node = NodeId(2);
    for state in [NodeState::Down, NodeState::Ready] {
        hold(&mut world, 2, &[8080]);
        world.apply([Write::SetNodeState {
            node,
            state,
            message: "".into(),
        }]);
        let reason = says(&world, service).1;
        assert_eq!(reason.is_empty(), state == NodeState::Down);
    }
    world.apply([Write::DeleteNode { node }]);
    assert_eq!(says(&world, service).1, "");
}
