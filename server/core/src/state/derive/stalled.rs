// SPDX-License-Identifier: Apache-2.0
//! Whether waiting for a service is of no use, and why.

use std::sync::Arc;

use crate::model::{
    Mode, NODE_PAUSED, Node, NodeState, Protocol, Rollout, RolloutState, Service, Task,
};
use crate::state::index::ingress_keys;
use crate::state::{State, Tally};

use super::{Fact, STALLED};

/// The reason of a service whose tasks end again and again.
pub const CRASH_LOOP: &str = "CRASH_LOOP";
/// The reason of a service one of whose ports another program holds on a node.
pub const PORT_IN_USE: &str = "PORT_IN_USE";

/// Every reason for which a service is stalled: a wait for it fails for the same.
pub const STALL_REASONS: [&str; 7] = [
    "ROLLOUT_PAUSED",
    "ROLLBACK_PAUSED",
    "ROLLED_BACK",
    NODE_PAUSED,
    "ATTEMPTS_EXHAUSTED",
    CRASH_LOOP,
    PORT_IN_USE,
];

/// Most characters of the last words of a task that are quoted.
const QUOTE_CHARS_MAX: usize = 300;

/// Why not to wait, and that in words.
type Reason = (&'static str, String);

/// While a rollout is going on, it alone judges.
pub(super) fn stalled(state: &State, service: &Service, tally: Tally, desired: u32) -> Fact {
    let reason = if service.is_deleting() {
        None
    } else {
        let rollout = service.rollout.as_ref();
        let is_going = rollout.is_some_and(|rollout| rollout.state.is_going());
        let at_rest = || {
            gave_up(service, tally)
                .or_else(|| crash_loop(state, service, tally, desired))
                .or_else(|| port_in_use(state, service))
        };
        let by_rollout = rollout.and_then(|rollout| of_rollout(service, rollout));
        by_rollout.or_else(|| if is_going { None } else { at_rest() })
    };
    let (reason, message) = reason.unwrap_or_default();
    debug_assert!(reason.is_empty() || STALL_REASONS.contains(&reason));
    Fact {
        kind: STALLED,
        holds: !reason.is_empty(),
        reason,
        message,
    }
}

/// Why a rollout goes no further by itself, if it does not. That a service was rolled back
/// stands until the next change of its spec.
fn of_rollout(service: &Service, rollout: &Rollout) -> Option<Reason> {
    let reason = match rollout.state {
        RolloutState::Paused => "ROLLOUT_PAUSED",
        RolloutState::RollbackPaused => "ROLLBACK_PAUSED",
        RolloutState::RolledBack => {
            let is_news = rollout.judged_spec == service.meta.spec_revision;
            (rollout.automatic && is_news).then_some("ROLLED_BACK")?
        }
        RolloutState::Updating | RolloutState::RollingBack if rollout.reason == NODE_PAUSED => {
            NODE_PAUSED
        }
        RolloutState::Updating | RolloutState::RollingBack | RolloutState::Completed => None?,
    };
    Some((reason, rollout.message.to_string()))
}

fn gave_up(service: &Service, tally: Tally) -> Option<Reason> {
    let count = tally.gave_up;
    let message = match service.spec.mode {
        _ if count == 0 => return None,
        Mode::Replicated { .. } if count == 1 => "1 slot failed and has no attempt left".to_owned(),
        Mode::Replicated { .. } => format!("{count} slots failed and have no attempt left"),
        Mode::EveryNode if count == 1 => "the task on 1 node failed, no attempt is left".to_owned(),
        Mode::EveryNode => format!("tasks on {count} nodes failed, no attempt is left"),
    };
    Some(("ATTEMPTS_EXHAUSTED", message))
}

/// Tasks end again and again, and nothing else is on its way.
fn crash_loop(state: &State, service: &Service, tally: Tally, desired: u32) -> Option<Reason> {
    if tally.looping == 0 || tally.coming > 0 || tally.held < desired {
        return None;
    }
    let count = tally.looping;
    let words = last_end(state, service).map_or_else(String::new, |last| {
        let words: String = last.end_in_words().chars().take(QUOTE_CHARS_MAX).collect();
        format!(": {}: {words}", last.name)
    });
    let message = format!("{count} of {desired} tasks end again and again{words}");
    Some((CRASH_LOOP, message))
}

/// The last attempt that ended in the first place that is in a crash loop, unless it is forgotten.
fn last_end<'a>(state: &'a State, service: &Service) -> Option<&'a Arc<Task>> {
    let is_current = |task: &&Arc<Task>| task.template_revision == service.template_revision;
    let mut looping = state.looping_tasks(service.meta.id).filter(is_current);
    let task = looping.find(|task| task.is_in_crash_loop())?;
    let ended = |other: &&Arc<Task>| {
        other.service == task.service
            && other.slot == task.slot
            && other.attempt <= task.attempt
            && other.ended_by_itself()
    };
    let newest = |other: &&Arc<Task>| other.attempt;
    match &task.node {
        Some(node) if task.slot == 0 => state
            .node_tasks(node.id)
            .filter(is_current)
            .filter(ended)
            .max_by_key(newest),
        _ => {
            let in_slot = state.slot_tasks(service.meta.id, task.slot);
            in_slot.filter(is_current).filter(ended).max_by_key(newest)
        }
    }
}

/// A node that is not down cannot open a port that is published on every node.
fn port_in_use(state: &State, service: &Service) -> Option<Reason> {
    let mut held = ingress_keys(&service.ports).flat_map(|key| {
        let nodes = state.nodes_without_port(key);
        nodes.map(move |node| (key, node))
    });
    let ((port, protocol), node) = held.next()?;
    let more = match held.count() {
        0 => String::new(),
        more => format!(" (and {more} more such)"),
    };
    let (name, protocol) = (&node.spec.name, Protocol::as_str(protocol));
    let message = format!(
        "another program holds port {port}/{protocol} on node {name}{more}; stop that program or \
         publish another port"
    );
    Some((PORT_IN_USE, message))
}

impl State {
    /// The nodes on which another program holds this port, of those that are not down.
    pub(in crate::state) fn nodes_without_port(
        &self,
        (port, protocol): (u16, Protocol),
    ) -> impl Iterator<Item = &Arc<Node>> {
        let nodes = self.ports_in_use_on(port, protocol);
        nodes.filter(|node| node.status.state != NodeState::Down)
    }
}
