// SPDX-License-Identifier: Apache-2.0
//! Rules about what nodes carry.

use std::collections::BTreeMap;

use crate::model::{NodeId, Protocol, TaskId};
use crate::state::{State, host_keys};

use super::Violation;

pub(super) fn check(state: &State, found: &mut Vec<Violation>) {
    let mut held: BTreeMap<(NodeId, u16, Protocol), TaskId> = BTreeMap::new();
    for task in state.tasks() {
        let Some(node) = task.occupies() else {
            continue;
        };
        let template = state.template(task.service, task.template_revision);
        for (port, protocol) in host_keys(template.map(AsRef::as_ref)) {
            if let Some(other) = held.insert((node, port, protocol), task.meta.id) {
                let message = format!(
                    "{}/{} of {node}: {other} and {}",
                    port,
                    protocol.as_str(),
                    task.meta.id
                );
                found.push(Violation::new("a host port has one task", message));
            }
        }
    }
}

/// That no node was given more than it has. A node that shrinks may end up with too much; it
/// may not be given more then.
pub(super) fn check_step(before: &State, after: &State, found: &mut Vec<Violation>) {
    for node in after.nodes() {
        let (old, new) = (
            before.load(node.meta.id).reserved,
            after.load(node.meta.id).reserved,
        );
        let has = node.status.description.capacity;
        let too_much = (new.cpu_millis > old.cpu_millis && new.cpu_millis > has.cpu_millis)
            || (new.memory_bytes > old.memory_bytes && new.memory_bytes > has.memory_bytes);
        if too_much {
            let message = format!("{}: {new:?} of {has:?}", node.meta.id);
            found.push(Violation::new(
                "a node is given no more than it has",
                message,
            ));
        }
    }
}
