// SPDX-License-Identifier: Apache-2.0
//! Going back: to which revision, and to what spec.

use std::sync::Arc;

use crate::model::{
    KeptTemplate, Name, Port, PortMode, Protocol, Revision, Service, ServiceId, ServiceSpec,
};
use crate::state::State;

/// The revision to go back to from the present one: the good one whose place it took, even if a
/// newer one was good once, for whoever went back from that did not want it; else the newest good
/// one before it; if none is good, the one before.
#[must_use]
pub fn back_to(state: &State, service: ServiceId, present: Revision) -> Option<Revision> {
    let is_good = |from: &Revision| state.template(service, *from).is_some_and(|it| it.good);
    let rollout = state.service(service).and_then(|it| it.rollout.as_ref());
    let came_from = rollout
        .filter(|rollout| rollout.target == present)
        .map(|rollout| rollout.from)
        .filter(|from| *from < present)
        .filter(is_good);
    if came_from.is_some() {
        return came_from;
    }
    let mut before: Vec<_> = state
        .templates(service)
        .filter(|(revision, _)| *revision < present)
        .collect();
    before.reverse();
    let good = before.iter().find(|(_, kept)| kept.good);
    good.or(before.first()).map(|(revision, _)| *revision)
}

/// The spec of a service with template and endpoint of a revision that is kept.
#[must_use]
pub fn spec_at(spec: &ServiceSpec, kept: &KeptTemplate) -> ServiceSpec {
    ServiceSpec {
        template: kept.template.clone(),
        ports: kept.asked.clone(),
        ..spec.clone()
    }
}

/// One of these ports that another service has meanwhile, and that service: an ingress port
/// listens on every node, so nobody else has it, in the mesh or on hosts.
#[must_use]
pub fn taken_port(state: &State, id: ServiceId, ports: &[Port]) -> Option<(u16, Protocol, Name)> {
    ports
        .iter()
        .filter(|port| port.published != 0)
        .find_map(|port| {
            let in_mesh = state.ingress_port(port.published, port.protocol);
            let in_mesh = in_mesh.filter(|owner| *owner != id);
            let owner = match (in_mesh, port.mode) {
                (Some(owner), _) => state.service(owner),
                (None, PortMode::Ingress) => on_hosts_of(state, id, port),
                (None, PortMode::Host) => None,
            }?;
            Some((port.published, port.protocol, owner.spec.name.clone()))
        })
}

/// Another service that publishes this port on hosts.
fn on_hosts_of<'a>(state: &'a State, id: ServiceId, port: &Port) -> Option<&'a Arc<Service>> {
    let same = |other: &Port| {
        other.mode == PortMode::Host
            && (other.published, other.protocol) == (port.published, port.protocol)
    };
    let mut others = state.services().filter(|service| service.meta.id != id);
    others.find(|service| service.ports.iter().any(same))
}
