// SPDX-License-Identifier: Apache-2.0
//! Published ports.

use crate::testing::tcp;

use super::*;

fn with_ports(name: &str, ports: impl Into<Vec<Port>>) -> ServiceSpec {
    ServiceSpec {
        ports: ports.into(),
        ..replicated(name, 1)
    }
}

fn numbers(service: &Service) -> Vec<u16> {
    service.ports.iter().map(|port| port.published).collect()
}

#[test]
fn a_number_belongs_to_one_service() {
    let mut desk = Desk::new();
    let fixed = tcp(80, 8080, PortMode::Ingress);
    let on_host = tcp(80, 8080, PortMode::Host);
    let udp = Port {
        protocol: Protocol::Udp,
        ..fixed.clone()
    };
    let web = desk.create(with_ports("web", [fixed.clone()]));
    let service = web.expect("it is free").spec.name.clone();
    let taken = Rejection::PortTaken {
        port: 8080,
        protocol: Protocol::Tcp,
        service,
    };
    for port in [fixed, on_host] {
        let other = desk.create(with_ports("other", [port]));
        assert_eq!(other, Err(taken.clone()));
    }
    assert!(
        taken
            .to_string()
            .starts_with("port 8080/tcp is published by service \"web\"")
    );
    desk.create(with_ports("dns", [udp]))
        .expect("UDP is another thing");
}

#[test]
fn the_mesh_cannot_have_what_hosts_publish() {
    let mut desk = Desk::new();
    let on_host = tcp(80, 30_500, PortMode::Host);
    desk.create(with_ports("a", [on_host.clone()]))
        .expect("free");
    desk.create(with_ports("b", [on_host.clone()]))
        .expect("on other nodes");
    let in_mesh = tcp(80, 30_500, PortMode::Ingress);
    let refused = desk.create(with_ports("c", [in_mesh.clone()]));
    assert!(matches!(refused, Err(Rejection::PortTaken { .. })));
    let both = desk.create(with_ports("d", [in_mesh, on_host]));
    let Err(Rejection::Field { field, .. }) = both else {
        panic!("a service clashes with itself, not {both:?}");
    };
    assert_eq!(field, "spec.endpoint.ports[1].published");
}

#[test]
fn chosen_numbers_are_kept() {
    let mut desk = Desk::new();
    let any = |target| tcp(target, 0, PortMode::Ingress);
    let spec = with_ports("web", [any(80), any(80), any(90)]);
    let first = numbers(&desk.create(spec).expect("it is free"));
    let mut distinct = first.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 3);
    assert!(first.iter().all(|number| INGRESS_POOL.contains(number)));

    let fixed = tcp(70, 8080, PortMode::Ingress);
    let spec = with_ports("web", [fixed, any(90), any(80)]);
    desk.update(spec).expect("nothing is taken");
    let then = numbers(&desk.service("web"));
    assert_eq!(then, [8080, first[2], first[0]]);

    let claims = tcp(70, first[0], PortMode::Ingress);
    desk.update(with_ports("web", [any(80), claims]))
        .expect("it is its own");
    let now = numbers(&desk.service("web"));
    assert_eq!(now[1], first[0]);
    assert_ne!(now[0], first[0]);
}

#[test]
fn numbers_that_nodes_choose_stay_open() {
    let mut desk = Desk::new();
    let spec = with_ports("web", [tcp(80, 0, PortMode::Host)]);
    assert_eq!(numbers(&desk.create(spec).expect("it is free")), [0]);
}

#[test]
fn the_pool_ends() {
    let mut desk = Desk::new();
    let all: Vec<Port> = INGRESS_POOL
        .map(|number| tcp(80, number, PortMode::Ingress))
        .collect();
    let mut rest = all;
    let last = rest.pop().expect("the pool is not empty");
    desk.create(with_ports("most", rest))
        .expect("nothing is taken");
    let one = with_ports("one", [tcp(80, 0, PortMode::Ingress)]);
    assert_eq!(
        numbers(&desk.create(one).expect("one is left")),
        [last.published]
    );
    let none = desk.create(with_ports("none", [tcp(80, 0, PortMode::Ingress)]));
    let protocol = Protocol::Tcp;
    assert_eq!(none, Err(Rejection::PortPoolExhausted { protocol }));
}
