// SPDX-License-Identifier: Apache-2.0
//! Which ports to listen on: from one endpoint table to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use skep_core::model::{Port, PortMode, Protocol, ServiceEndpoints, ServiceId};

use crate::changes::Changes;

/// A port that the node listens on for a service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct PortKey {
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
}

/// What must be done so that the table in effect is the new one, in the order of the fields.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Plan {
    /// Stop listening.
    pub(crate) close: Vec<PortKey>,
    /// End all connections of these services: they are gone.
    pub(crate) end: Vec<ServiceId>,
    /// Start listening.
    pub(crate) open: Vec<PortKey>,
    /// Go on listening, with other backends.
    pub(crate) reroute: Vec<PortKey>,
}

/// The endpoint table, and which service each port belongs to.
///
/// Managers publish a port for one service at a time. Should two claim one all the same, it
/// stays with the one that has it, and is otherwise that of the smaller id, until one lets go.
#[derive(Default, Debug)]
pub(crate) struct Table {
    services: BTreeMap<ServiceId, Arc<ServiceEndpoints>>,
    claims: BTreeMap<PortKey, BTreeSet<ServiceId>>,
    owners: BTreeMap<PortKey, ServiceId>,
}

impl Table {
    /// Makes the changes, and tells what follows from them. The work is in proportion to the
    /// changes, not to the table.
    pub(crate) fn apply(&mut self, mut changes: Changes) -> Plan {
        if changes.whole {
            for service in self.services.keys() {
                changes.services.entry(*service).or_insert(None);
            }
        }
        let mut plan = Plan::default();
        let mut touched = BTreeSet::new();
        for (service, after) in changes.services {
            if let Some(before) = self.services.get(&service) {
                match &after {
                    Some(after) if after == before => continue,
                    Some(_) => {}
                    None => plan.end.push(service),
                }
            }
            self.replace(service, after, &mut touched);
        }
        for key in touched {
            self.settle(key, &mut plan);
        }
        plan
    }

    /// The service that a port belongs to, and the port as it publishes it.
    pub(crate) fn owner(&self, key: PortKey) -> Option<(&Arc<ServiceEndpoints>, &Port)> {
        let endpoints = self.services.get(self.owners.get(&key)?)?;
        let port = endpoints
            .ports
            .iter()
            .find(|port| key_of(port) == Some(key))?;
        Some((endpoints, port))
    }

    fn replace(
        &mut self,
        service: ServiceId,
        after: Option<Arc<ServiceEndpoints>>,
        touched: &mut BTreeSet<PortKey>,
    ) {
        let before = match &after {
            Some(after) => self.services.insert(service, Arc::clone(after)),
            None => self.services.remove(&service),
        };
        for key in before.iter().flat_map(|endpoints| keys(endpoints)) {
            touched.insert(key);
            if let Some(claims) = self.claims.get_mut(&key) {
                claims.remove(&service);
                if claims.is_empty() {
                    self.claims.remove(&key);
                }
            }
        }
        for key in after.iter().flat_map(|endpoints| keys(endpoints)) {
            touched.insert(key);
            self.claims.entry(key).or_default().insert(service);
        }
    }

    fn settle(&mut self, key: PortKey, plan: &mut Plan) {
        let before = self.owners.get(&key).copied();
        let claims = self.claims.get(&key);
        let after = claims.and_then(|claims| match before {
            Some(before) if claims.contains(&before) => Some(before),
            _ => claims.first().copied(),
        });
        match (before, after) {
            (None, Some(_)) => plan.open.push(key),
            (Some(_), Some(_)) => plan.reroute.push(key),
            (Some(_), None) => plan.close.push(key),
            (None, None) => {}
        }
        match after {
            Some(after) => self.owners.insert(key, after),
            None => self.owners.remove(&key),
        };
    }
}

/// What a port of a service makes every node listen on: nothing if it bypasses the mesh, or if
/// its number is still to be chosen.
fn key_of(port: &Port) -> Option<PortKey> {
    let listens = port.mode == PortMode::Ingress && port.published != 0;
    listens.then_some(PortKey {
        port: port.published,
        protocol: port.protocol,
    })
}

fn keys(endpoints: &ServiceEndpoints) -> impl Iterator<Item = PortKey> + '_ {
    endpoints.ports.iter().filter_map(key_of)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::changes::tests::{calls, changes};
    use proptest::prelude::*;

    pub(crate) fn port(published: u16, protocol: Protocol, mode: PortMode) -> Port {
        Port {
            target: 80,
            published,
            protocol,
            mode,
            name: "".into(),
        }
    }

    pub(crate) fn endpoints(id: u128, ports: &[u16]) -> Arc<ServiceEndpoints> {
        Arc::new(ServiceEndpoints {
            service: ServiceId(id),
            name: format!("s{id}").into(),
            ports: ports
                .iter()
                .map(|number| port(*number, Protocol::Tcp, PortMode::Ingress))
                .collect(),
            backends: vec![],
        })
    }

    /// Services with the ports they publish.
    pub(crate) fn table_of(table: &Table) -> Vec<(ServiceId, Vec<u16>)> {
        table
            .services
            .iter()
            .map(|(id, endpoints)| (*id, endpoints.ports.iter().map(|p| p.published).collect()))
            .collect()
    }

    fn tcp(port: u16) -> PortKey {
        PortKey {
            port,
            protocol: Protocol::Tcp,
        }
    }

    fn put(list: &[(u128, &[u16])]) -> Changes {
        let mut changes = Changes::default();
        for (id, ports) in list {
            changes.put(endpoints(*id, ports));
        }
        changes
    }

    #[test]
    fn ports_open_change_and_close_with_their_service() {
        let mut table = Table::default();
        let plan = table.apply(put(&[(1, &[80, 81])]));
        assert_eq!(
            plan,
            Plan {
                open: vec![tcp(80), tcp(81)],
                ..Plan::default()
            }
        );

        let plan = table.apply(put(&[(1, &[81, 82])]));
        let expected = Plan {
            close: vec![tcp(80)],
            open: vec![tcp(82)],
            reroute: vec![tcp(81)],
            ..Plan::default()
        };
        assert_eq!(plan, expected);

        let mut gone = Changes::default();
        gone.remove(ServiceId(1));
        let plan = table.apply(gone);
        let expected = Plan {
            close: vec![tcp(81), tcp(82)],
            end: vec![ServiceId(1)],
            ..Plan::default()
        };
        assert_eq!(plan, expected);
    }

    #[test]
    fn an_equal_table_needs_nothing() {
        let mut table = Table::default();
        table.apply(put(&[(1, &[80]), (2, &[81])]));
        let mut again = put(&[(1, &[80]), (2, &[81])]);
        again.whole = true;
        assert_eq!(table.apply(again), Plan::default());
    }

    #[test]
    fn a_port_that_changes_hands_stays_open() {
        let mut table = Table::default();
        table.apply(put(&[(1, &[80])]));
        let mut whole = put(&[(2, &[80])]);
        whole.whole = true;
        let plan = table.apply(whole);
        let expected = Plan {
            end: vec![ServiceId(1)],
            reroute: vec![tcp(80)],
            ..Plan::default()
        };
        assert_eq!(plan, expected);
        assert_eq!(
            table.owner(tcp(80)).map(|(owner, _)| owner.service),
            Some(ServiceId(2))
        );
    }

    #[test]
    fn who_has_a_port_keeps_it_until_it_lets_go() {
        let mut table = Table::default();
        table.apply(put(&[(2, &[80])]));
        table.apply(put(&[(1, &[80])]));
        assert_eq!(
            table.owner(tcp(80)).map(|(owner, _)| owner.service),
            Some(ServiceId(2))
        );
        table.apply(put(&[(2, &[])]));
        assert_eq!(
            table.owner(tcp(80)).map(|(owner, _)| owner.service),
            Some(ServiceId(1))
        );
    }

    #[test]
    fn host_ports_and_unchosen_ports_are_not_listened_on() {
        let mut table = Table::default();
        let mut service = (*endpoints(1, &[0])).clone();
        service.ports.push(port(90, Protocol::Tcp, PortMode::Host));
        service
            .ports
            .push(port(91, Protocol::Udp, PortMode::Ingress));
        let mut changes = Changes::default();
        changes.put(Arc::new(service));
        let plan = table.apply(changes);
        assert_eq!(
            plan.open,
            vec![PortKey {
                port: 91,
                protocol: Protocol::Udp
            }]
        );
    }

    proptest! {
        #[test]
        fn following_the_plans_listens_on_exactly_the_published_ports(
            steps in prop::collection::vec(calls(), 1..8)
        ) {
            let mut table = Table::default();
            let mut listening = BTreeSet::new();
            let mut services = BTreeSet::new();
            for step in steps {
                let plan = table.apply(changes(&step));
                for key in &plan.close {
                    prop_assert!(listening.remove(key), "closes what is not open: {:?}", key);
                }
                for key in &plan.open {
                    prop_assert!(listening.insert(*key), "opens twice: {:?}", key);
                }
                for key in &plan.reroute {
                    prop_assert!(listening.contains(key), "reroutes what is closed: {:?}", key);
                }
                let wanted: BTreeSet<PortKey> =
                    table.services.values().flat_map(|e| keys(e)).collect();
                prop_assert_eq!(&listening, &wanted);
                for key in &listening {
                    let (owner, port) = table.owner(*key).expect("an open port has an owner");
                    prop_assert!(owner.ports.contains(port));
                }
                let now: BTreeSet<ServiceId> = table.services.keys().copied().collect();
                let ended: BTreeSet<ServiceId> = plan.end.iter().copied().collect();
                prop_assert_eq!(ended, services.difference(&now).copied().collect());
                services = now;
            }
        }
    }
}
