// SPDX-License-Identifier: Apache-2.0
//! Where services answer.
//!
//! A service is sent whole whenever one of its backends changes: a node then needs nothing but
//! the last message to know all of it, and what it keeps on disk is what it was sent. That costs
//! about 70 bytes a backend, so some 70 kB for a service of 1,000; a roll-out of it is sent at
//! most ten times a second, whatever happens in between. Single backends would need a name for
//! each within the step, and their order with the removal of the service.

use std::collections::BTreeMap;

use crate::model::{
    Backend, BackendState, DesiredState, HealthState, NodeId, NodeState, Port, ServiceEndpoints,
    ServiceId, Task,
};
use crate::state::State;

/// Where all services with ingress ports answer. `suspect` says of a node whether it is silent
/// although it is not down yet.
#[must_use]
pub fn endpoints(
    state: &State,
    suspect: &dyn Fn(NodeId) -> bool,
) -> BTreeMap<ServiceId, ServiceEndpoints> {
    state
        .services()
        .filter_map(|service| {
            let id = service.meta.id;
            Some((id, service_endpoints(state, id, suspect)?))
        })
        .collect()
}

/// Where one service answers; nothing if it has no ingress port.
#[must_use]
pub fn service_endpoints(
    state: &State,
    service: ServiceId,
    suspect: &dyn Fn(NodeId) -> bool,
) -> Option<ServiceEndpoints> {
    let service = state.service(service)?;
    let ports: Vec<Port> = service.mesh_ports().cloned().collect();
    if ports.is_empty() {
        return None;
    }
    let mut backends: Vec<_> = state
        .service_tasks(service.meta.id)
        .filter_map(|task| backend(state, task, suspect))
        .collect();
    backends.sort_by_key(|backend| backend.task);
    Some(ServiceEndpoints {
        service: service.meta.id,
        name: service.spec.name.shared(),
        ports,
        backends,
    })
}

/// Whether a task that answers is on its way out: it is to stop, or does not work any more and is
/// being stopped by its node.
pub(super) fn is_on_its_way_out(task: &Task) -> bool {
    task.desired >= DesiredState::Stopped || task.status.health == HealthState::Unhealthy
}

fn backend(state: &State, task: &Task, suspect: &dyn Fn(NodeId) -> bool) -> Option<Backend> {
    if !task.answers() {
        return None;
    }
    let node = state.node(task.node.as_ref()?.id)?;
    let silent = node.status.state != NodeState::Ready || suspect(node.meta.id);
    let backend_state = if is_on_its_way_out(task) {
        BackendState::Draining
    } else if silent {
        BackendState::Suspect
    } else {
        BackendState::Serving
    };
    Some(Backend {
        task: task.meta.id,
        state: backend_state,
        address: node.status.description.address,
        ports: task.mesh_ports().cloned().collect(),
    })
}
