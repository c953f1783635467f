// SPDX-License-Identifier: Apache-2.0
//! Ports of tasks: which are chosen, kept and refused.

use super::Reach::{Direct, Forwarded};
use super::*;
use PortMode::{Host, Ingress};
use Protocol::{Tcp, Udp};
use proptest::prelude::*;
use skep_core::model::PortMode;
use std::net::{Ipv4Addr, TcpListener};

const NODE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const FIRST: u16 = *BACKEND_PORTS.start();
const LAST: u16 = *BACKEND_PORTS.end();

fn port(target: u16, published: u16, protocol: Protocol, mode: PortMode) -> Port {
    Port {
        target,
        published,
        protocol,
        mode,
        name: "".into(),
    }
}

fn all_free(_: IpAddr, _: u16, _: Protocol) -> io::Result<bool> {
    Ok(true)
}

fn choose(
    ports: &mut BackendPorts,
    wanted: &[Port],
    reach: Reach,
    probe: &Probe<'_>,
) -> Result<Vec<Port>, PortError> {
    let chosen = ports.choose(needs(wanted, reach)?, probe, probe)?;
    Ok(opened(wanted, &chosen))
}

fn allocate(
    ports: &mut BackendPorts,
    task: u128,
    wanted: &[Port],
    probe: &Probe<'_>,
) -> Result<Vec<u16>, PortError> {
    ports.release(TaskId(task));
    let chosen = choose(ports, wanted, Direct, probe)?;
    ports.adopt(TaskId(task), &chosen);
    Ok(chosen.iter().map(|port| port.published).collect())
}

#[test]
fn a_target_has_one_number_for_all_its_protocols() {
    let mut ports = BackendPorts::new(NODE, 0);
    let wanted = [
        port(53, 5300, Udp, Ingress),
        port(80, 8080, Tcp, Ingress),
        port(53, 5300, Tcp, Ingress),
        port(80, 8081, Tcp, Ingress),
    ];
    // The first number is free for one of the protocols only.
    let probe = |_, number, protocol| Ok(number != FIRST || protocol == Udp);
    let chosen = choose(&mut ports, &wanted, Direct, &probe).unwrap();
    let expected = [
        port(53, FIRST + 1, Udp, Ingress),
        port(80, FIRST + 2, Tcp, Ingress),
        port(53, FIRST + 1, Tcp, Ingress),
    ];
    assert_eq!(chosen, expected);
}

#[test]
fn numbers_are_used_again_only_after_all_others() {
    let mut ports = BackendPorts::new(NODE, u64::from(LAST - FIRST));
    let wanted = [port(80, 0, Tcp, Ingress)];
    assert_eq!(allocate(&mut ports, 1, &wanted, &all_free).unwrap(), [LAST]);
    assert_eq!(
        allocate(&mut ports, 1, &wanted, &all_free).unwrap(),
        [FIRST]
    );
    assert_eq!(
        allocate(&mut ports, 2, &wanted, &all_free).unwrap(),
        [FIRST + 1]
    );
}

#[test]
fn a_host_port_is_kept_and_guarded() {
    let mut ports = BackendPorts::new(NODE, 0);
    let wanted = [port(80, 8080, Tcp, Ingress), port(80, 9000, Tcp, Host)];
    let chosen = choose(&mut ports, &wanted, Direct, &all_free).unwrap();
    let one_number = [port(80, 9000, Tcp, Ingress), port(80, 9000, Tcp, Host)];
    assert_eq!(chosen, one_number);
    ports.adopt(TaskId(1), &chosen);

    let error = allocate(&mut ports, 2, &wanted, &all_free).unwrap_err();
    let by = Some(TaskId(1));
    assert!(
        matches!(error, PortError::Taken { by: holder, .. } if holder == by),
        "{error}"
    );
    ports.release(TaskId(1));
    let again = allocate(&mut ports, 2, &wanted, &all_free).unwrap();
    assert_eq!(again, [9000, 9000]);
}

#[test]
fn a_container_is_reached_on_each_host_port_and_by_the_mesh() {
    let mut ports = BackendPorts::new(NODE, 0);
    let wanted = [
        port(80, 9000, Tcp, Host),
        port(80, 8080, Tcp, Ingress),
        port(80, 9001, Tcp, Host),
        port(80, 8081, Tcp, Ingress),
        port(80, 0, Tcp, Host),
        port(53, 9001, Udp, Host),
    ];
    let chosen = choose(&mut ports, &wanted, Forwarded, &all_free).unwrap();
    let expected = [
        port(80, 9000, Tcp, Host),
        port(80, FIRST, Tcp, Ingress),
        port(80, 9001, Tcp, Host),
        port(80, FIRST + 1, Tcp, Host),
        port(53, 9001, Udp, Host),
    ];
    assert_eq!(chosen, expected);
    ports.adopt(TaskId(1), &chosen);

    let error = choose(&mut ports, &wanted[2..3], Forwarded, &all_free).unwrap_err();
    assert!(
        matches!(error, PortError::Taken { by: Some(task), .. } if task == TaskId(1)),
        "{error}"
    );
}

#[test]
fn a_host_port_without_a_number_is_chosen() {
    let mut ports = BackendPorts::new(NODE, 5);
    let wanted = [port(80, 0, Tcp, Host)];
    let chosen = choose(&mut ports, &wanted, Direct, &all_free).unwrap();
    assert_eq!(chosen, [port(80, FIRST + 5, Tcp, Host)]);
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let mut ports = BackendPorts::new(NODE, 0);
    let twice = [port(80, 9000, Tcp, Host), port(80, 9001, Tcp, Host)];
    let error = allocate(&mut ports, 1, &twice, &all_free).unwrap_err();
    assert_eq!(
        error.to_string(),
        "target port 80 is published in host mode on 9000 and on 9001, but a process \
         listens on one port; publish it once"
    );

    let none = |_, _, _| Ok(false);
    let error = allocate(&mut ports, 1, &[port(80, 9000, Udp, Host)], &none).unwrap_err();
    assert_eq!(
        error.to_string(),
        "host port 10.0.0.1:9000/udp is already held by another program; stop that or \
         publish another port"
    );
    let error = allocate(&mut ports, 1, &[port(80, 0, Tcp, Ingress)], &none).unwrap_err();
    assert!(
        matches!(error, PortError::NoneFree { target: 80, .. }),
        "{error}"
    );

    let both = [port(80, 9000, Tcp, Host), port(81, 9000, Tcp, Host)];
    let error = allocate(&mut ports, 1, &both, &all_free).unwrap_err();
    assert!(matches!(error, PortError::Taken { .. }), "{error}");
    assert!(ports.held.is_empty(), "a refused task holds nothing");
}

#[test]
fn other_failures_are_passed_on() {
    let mut ports = BackendPorts::new(NODE, 0);
    let denied = |_, _, _| Err(io::Error::from(io::ErrorKind::PermissionDenied));
    for wanted in [port(80, 80, Tcp, Host), port(80, 0, Tcp, Ingress)] {
        let error = allocate(&mut ports, 1, &[wanted], &denied).unwrap_err();
        assert!(matches!(error, PortError::Probe { .. }), "{error}");
    }
}

#[test]
fn real_ports_are_free_to_open() {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut ports = BackendPorts::new(local, u64::from(std::process::id()));
    let wanted = [port(80, 0, Tcp, Ingress), port(80, 0, Udp, Ingress)];
    let first = ports.allocate(TaskId(1), &wanted, Direct).unwrap();
    let held = TcpListener::bind((local, first[0].published)).unwrap();
    assert_eq!(first[0].published, first[1].published);

    let fixed = [port(80, first[0].published, Tcp, Host)];
    ports.release(TaskId(1));
    let error = ports.allocate(TaskId(2), &fixed, Direct).unwrap_err();
    assert!(
        matches!(error, PortError::Taken { by: None, .. }),
        "{error}"
    );
    drop(held);
    assert_eq!(ports.allocate(TaskId(2), &fixed, Direct).unwrap(), fixed);
}

proptest! {
    #[test]
    fn no_two_tasks_share_a_port(
        steps in prop::collection::vec((0u128..6, any::<bool>(), 1u16..4, any::<bool>()), 0..40)
    ) {
        let mut ports = BackendPorts::new(NODE, 0);
        let mut holders: BTreeMap<u128, BTreeSet<(u16, Protocol)>> = BTreeMap::new();
        for (task, ends, targets, udp) in steps {
            if ends {
                ports.release(TaskId(task));
                holders.remove(&task);
            } else {
                let protocol = if udp { Udp } else { Tcp };
                let wanted: Vec<Port> =
                    (1..=targets).map(|target| port(target, 0, protocol, Ingress)).collect();
                let chosen = allocate(&mut ports, task, &wanted, &all_free).unwrap();
                let chosen = chosen.into_iter().map(|number| (number, protocol));
                holders.insert(task, chosen.collect());
            }
            let mut seen = BTreeSet::new();
            for (number, protocol) in holders.values().flatten() {
                prop_assert!(BACKEND_PORTS.contains(number));
                prop_assert!(seen.insert((number, protocol)), "{} is held twice", number);
            }
        }
    }
}
