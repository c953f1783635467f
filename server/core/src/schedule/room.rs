// SPDX-License-Identifier: Apache-2.0
//! Whether one task could have the room of another.

use crate::model::Task;
use crate::state::{Load, State, host_keys};

use super::demand::Demand;

/// Whether a task that waits for a node could go to the node of another one of its service if
/// that were gone.
#[must_use]
pub fn would_fit(state: &State, task: &Task, instead_of: &Task) -> bool {
    let node = instead_of.occupies().and_then(|node| state.node(node));
    let kept = state.template(task.service, task.template_revision);
    let (Some(node), Some(kept)) = (node, kept) else {
        return false;
    };
    let demand = Demand::of(kept);
    if demand.shape().objection(node).is_some() {
        return false;
    }
    let id = node.meta.id;
    let old = state.template(instead_of.service, instead_of.template_revision);
    let used = state
        .load(id)
        .minus(Load::of(instead_of, old.map(AsRef::as_ref)));
    let has = node.status.description.capacity;
    let needed = used.reserved.plus(kept.template.reservations);
    let own_max = kept.template.placement.max_replicas_per_node;
    let mut ports = host_keys(Some(kept));
    needed.cpu_millis <= has.cpu_millis
        && needed.memory_bytes <= has.memory_bytes
        && (own_max == 0 || own_others(state, instead_of) < own_max as usize)
        && ports.all(|(port, protocol)| {
            let owner = state.host_port(id, port, protocol);
            owner.is_none_or(|owner| owner == instead_of.meta.id)
        })
}

/// How many tasks of the service are meant to be on the node of this one, beside it.
fn own_others(state: &State, task: &Task) -> usize {
    let Some(node) = task.occupies() else {
        return 0;
    };
    let others = state.node_tasks(node).filter(|other| {
        other.service == task.service
            && other.meta.id != task.meta.id
            && other.is_wanted()
            && other.occupies().is_some()
    });
    others.count()
}
