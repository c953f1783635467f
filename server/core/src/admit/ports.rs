// SPDX-License-Identifier: Apache-2.0
//! Which port numbers a service publishes.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::model::{Name, Port, PortMode, Protocol, Service, ServiceId};
use crate::state::State;

use super::Rejection;

/// The numbers that ingress ports without one are given.
pub const INGRESS_POOL: RangeInclusive<u16> = 30_000..=32_767;

/// Ports of the swarm: a number for a protocol.
type Numbers<'a> = BTreeMap<(u16, Protocol), &'a Name>;

/// `wanted` with every ingress number chosen: those that `before`, the service as it is, was
/// given are kept. Numbers that hosts publish for their tasks are chosen on the node.
///
/// # Errors
/// If a number is taken, or none is left.
pub(super) fn choose(
    state: &State,
    id: ServiceId,
    wanted: &[Port],
    before: Option<&Service>,
) -> Result<Vec<Port>, Rejection> {
    check_among_themselves(wanted)?;
    let on_hosts = host_numbers(state, id, wanted);
    for port in wanted.iter().filter(|port| port.published != 0) {
        check_fixed(state, id, port, &on_hosts)?;
    }
    let mut kept = chosen_before(before);
    let mut ports = wanted.to_vec();
    for place in 0..ports.len() {
        let port = &ports[place];
        if port.mode != PortMode::Ingress || port.published != 0 {
            continue;
        }
        let (target, protocol) = (port.target, port.protocol);
        let free = |number: u16| {
            let taken_here = ports
                .iter()
                .any(|other| other.published == number && other.protocol == protocol);
            let owner = state.ingress_port(number, protocol);
            let taken_elsewhere = owner.is_some_and(|owner| owner != id);
            !taken_here && !taken_elsewhere && !on_hosts.contains_key(&(number, protocol))
        };
        let known = kept
            .iter()
            .position(|(old, number)| *old == (target, protocol) && free(*number))
            .map(|position| kept.remove(position).1);
        let number = known.or_else(|| from_pool(id, free));
        ports[place].published = number.ok_or(Rejection::PortPoolExhausted { protocol })?;
    }
    Ok(ports)
}

/// The first free number, beginning at a place that the id decides: services made at the same
/// moment seldom want the same one, and a number that was given back rests for a while.
fn from_pool(id: ServiceId, free: impl Fn(u16) -> bool) -> Option<u16> {
    let size = INGRESS_POOL.end() - INGRESS_POOL.start() + 1;
    let first = u16::try_from(id.0 % u128::from(size)).unwrap_or(0);
    (0..size)
        .map(|step| INGRESS_POOL.start() + (first + step) % size)
        .find(|number| free(*number))
}

/// An ingress port listens on every node, so a task cannot have the same one of its host.
fn check_among_themselves(wanted: &[Port]) -> Result<(), Rejection> {
    for (place, port) in wanted.iter().enumerate() {
        let clash = |other: &Port| {
            port.published != 0
                && (other.published, other.protocol) == (port.published, port.protocol)
        };
        if wanted[..place].iter().any(clash) {
            return Err(Rejection::Field {
                field: format!("spec.endpoint.ports[{place}].published"),
                description: format!(
                    "is {}/{}, as in an entry before",
                    port.published,
                    port.protocol.as_str()
                ),
            });
        }
    }
    Ok(())
}

fn check_fixed(
    state: &State,
    id: ServiceId,
    port: &Port,
    on_hosts: &Numbers<'_>,
) -> Result<(), Rejection> {
    let key = (port.published, port.protocol);
    let in_mesh = state
        .ingress_port(port.published, port.protocol)
        .filter(|owner| *owner != id)
        .and_then(|owner| state.service(owner))
        .map(|owner| &owner.spec.name);
    let on_host = match port.mode {
        PortMode::Ingress => on_hosts.get(&key).copied(),
        PortMode::Host => None,
    };
    match in_mesh.or(on_host) {
        None => Ok(()),
        Some(owner) => Err(Rejection::PortTaken {
            port: port.published,
            protocol: port.protocol,
            service: owner.clone(),
        }),
    }
}

/// The fixed host ports of all other services; none if no ingress port is wanted, which alone
/// cannot share them.
fn host_numbers<'a>(state: &'a State, id: ServiceId, wanted: &[Port]) -> Numbers<'a> {
    if !wanted.iter().any(|port| port.mode == PortMode::Ingress) {
        return Numbers::new();
    }
    state
        .services()
        .filter(|service| service.meta.id != id)
        .flat_map(|service| {
            let fixed = |port: &&Port| port.mode == PortMode::Host && port.published != 0;
            let ports = service.ports.iter().filter(fixed);
            ports.map(|port| ((port.published, port.protocol), &service.spec.name))
        })
        .collect()
}

/// The numbers that were chosen for a service: for which target and protocol, and the number.
fn chosen_before(before: Option<&Service>) -> Vec<((u16, Protocol), u16)> {
    let Some(service) = before else {
        return Vec::new();
    };
    let asked = service.spec.ports.iter().zip(&service.ports);
    asked
        .filter(|(asked, _)| asked.published == 0 && asked.mode == PortMode::Ingress)
        .map(|(_, given)| ((given.target, given.protocol), given.published))
        .collect()
}

/// Whether tasks made for one list of ports will not do for the other: they open other ports,
/// or in another order, which tells them their first one. What the mesh publishes and what a
/// port is called does not concern them.
pub(super) fn tasks_differ(before: &[Port], after: &[Port]) -> bool {
    let opened = |port: &Port| {
        let published = match port.mode {
            PortMode::Ingress => 0,
            PortMode::Host => port.published,
        };
        (port.target, port.protocol, port.mode, published)
    };
    !before.iter().map(opened).eq(after.iter().map(opened))
}
