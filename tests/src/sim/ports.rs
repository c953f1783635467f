// SPDX-License-Identifier: Apache-2.0
//! Which ports a task listens on, on a node without a system to ask.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use skep_core::model::{Port, PortMode, Protocol};

/// Where ports that are not fixed are chosen from.
const BACKEND_PORTS: RangeInclusive<u16> = 20_000..=29_999;

/// Why a task cannot have its ports here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PortProblem {
    /// The host port is in use already.
    Taken(u16, Protocol),
    /// Every port of [`BACKEND_PORTS`] is in use.
    NoneFree,
    /// Two host ports for one target port: a process listens on one.
    TwoForOne(u16),
}

impl fmt::Display for PortProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortProblem::Taken(port, protocol) => write!(
                f,
                "host port {port}/{} is in use on this node by another program",
                protocol.as_str()
            ),
            PortProblem::NoneFree => write!(
                f,
                "no port from {} to {} is free on this node",
                BACKEND_PORTS.start(),
                BACKEND_PORTS.end()
            ),
            PortProblem::TwoForOne(target) => write!(
                f,
                "target port {target} is published on two host ports, but a process listens on \
                 one for it: give each its own target"
            ),
        }
    }
}

impl std::error::Error for PortProblem {}

/// The ports a task listens on, in the order of the ports it is to open: `published` is the
/// number on the node. A target port has one number, for all its entries: the fixed host port
/// if there is one, else the next from `from` on in [`BACKEND_PORTS`] that `is_free` says is
/// free for all its protocols.
///
/// # Errors
/// If a port cannot be had.
pub(super) fn choose_ports(
    wanted: &[Port],
    from: u16,
    mut is_free: impl FnMut(u16, Protocol) -> bool,
) -> Result<Vec<Port>, PortProblem> {
    let mut chosen: BTreeMap<u16, u16> = BTreeMap::new();
    let mut next = from;
    for port in wanted {
        if chosen.contains_key(&port.target) {
            continue;
        }
        let same: Vec<&Port> = wanted
            .iter()
            .filter(|other| other.target == port.target)
            .collect();
        let number = match fixed(&same)? {
            Some(number) => {
                check_fixed(&same, number, &mut is_free)?;
                number
            }
            None => {
                let number = free(&same, next, &chosen, &mut is_free)?;
                next = number.wrapping_add(1);
                number
            }
        };
        chosen.insert(port.target, number);
    }
    let opened = wanted.iter().map(|port| Port {
        published: chosen[&port.target],
        ..port.clone()
    });
    Ok(opened.collect())
}

/// The fixed host port among the entries of one target port.
fn fixed(entries: &[&Port]) -> Result<Option<u16>, PortProblem> {
    let mut numbers = entries
        .iter()
        .filter(|port| port.mode == PortMode::Host && port.published != 0)
        .map(|port| port.published);
    let first = numbers.next();
    match numbers.find(|number| Some(*number) != first) {
        Some(_) => Err(PortProblem::TwoForOne(entries[0].target)),
        None => Ok(first),
    }
}

fn check_fixed(
    entries: &[&Port],
    number: u16,
    is_free: &mut impl FnMut(u16, Protocol) -> bool,
) -> Result<(), PortProblem> {
    let taken = entries.iter().find(|port| !is_free(number, port.protocol));
    taken.map_or(Ok(()), |port| {
        Err(PortProblem::Taken(number, port.protocol))
    })
}

fn free(
    entries: &[&Port],
    from: u16,
    chosen: &BTreeMap<u16, u16>,
    is_free: &mut impl FnMut(u16, Protocol) -> bool,
) -> Result<u16, PortProblem> {
    let (first, last) = (*BACKEND_PORTS.start(), *BACKEND_PORTS.end());
    let from = from.clamp(first, last);
    (from..=last)
        .chain(first..from)
        .filter(|number| chosen.values().all(|other| other != number))
        .find(|number| entries.iter().all(|port| is_free(*number, port.protocol)))
        .ok_or(PortProblem::NoneFree)
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_core::testing::tcp;

    fn udp(target: u16, published: u16, mode: PortMode) -> Port {
        Port {
            protocol: Protocol::Udp,
            ..tcp(target, published, mode)
        }
    }

    fn numbers(
        wanted: &[Port],
        from: u16,
        taken: &[(u16, Protocol)],
    ) -> Result<Vec<u16>, PortProblem> {
        let chosen = choose_ports(wanted, from, |port, protocol| {
            !taken.contains(&(port, protocol))
        })?;
        Ok(chosen.iter().map(|port| port.published).collect())
    }

    #[test]
    fn each_target_port_gets_one_number() {
        use PortMode::{Host, Ingress};
        let taken = [(20_001, Protocol::Udp), (20_002, Protocol::Tcp)];
        let wanted = [
            tcp(53, 5353, Ingress),
            udp(53, 5353, Ingress),
            tcp(80, 8080, Host),
            tcp(80, 80, Ingress),
            tcp(90, 0, Host),
        ];
        let want = Ok(vec![20_003, 20_003, 8_080, 8_080, 20_004]);
        assert_eq!(numbers(&wanted, 20_001, &taken), want);
        assert_eq!(numbers(&[], 0, &taken), Ok(vec![]));
    }

    #[test]
    fn the_search_goes_round() {
        let wanted = [tcp(80, 80, PortMode::Ingress)];
        let taken = [(29_999, Protocol::Tcp), (20_000, Protocol::Tcp)];
        assert_eq!(numbers(&wanted, 29_999, &taken), Ok(vec![20_001]));
        assert_eq!(numbers(&wanted, 0, &[]), Ok(vec![20_000]));
        let none = choose_ports(&wanted, 0, |_, _| false);
        assert_eq!(none, Err(PortProblem::NoneFree));
    }

    #[test]
    fn fixed_ports_must_be_free_and_one() {
        use PortMode::Host;
        let taken = [(8_080, Protocol::Tcp)];
        assert_eq!(
            numbers(&[tcp(80, 8_080, Host)], 0, &taken),
            Err(PortProblem::Taken(8_080, Protocol::Tcp))
        );
        assert_eq!(numbers(&[udp(80, 8_080, Host)], 0, &taken), Ok(vec![8_080]));
        assert_eq!(
            numbers(&[tcp(80, 1, Host), tcp(80, 2, Host)], 0, &taken),
            Err(PortProblem::TwoForOne(80))
        );
    }
}
