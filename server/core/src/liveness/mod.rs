// SPDX-License-Identifier: Apache-2.0
//! Which nodes are there: heartbeats, as the leader counts them.
//!
//! A node silent for three heartbeats is *suspect*: proxies avoid its tasks, and nothing is
//! written. One silent for longer is written DOWN, and its tasks are replaced. A leader that has
//! only just begun has heard nobody yet, so it writes READY nodes UNKNOWN and gives them the
//! same time to be heard as if they had spoken just now.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::{Node, NodeId, NodeState, SwarmSpec, Timestamp};
use crate::state::{State, Write};

/// What the passing of time did.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tick {
    /// Nodes that have become suspect, or are no longer: their endpoints are to be looked at.
    pub turned: BTreeSet<NodeId>,
    /// States of nodes to write.
    pub writes: Vec<Write>,
    /// When to look again.
    pub wake_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Beat {
    /// When the node was last heard.
    heard: Timestamp,
    /// Whether that was under this leader.
    spoke: bool,
}

/// When each node was last heard. It lives as long as its manager leads.
#[derive(Clone, Default, Debug)]
pub struct Liveness {
    beats: BTreeMap<NodeId, Beat>,
    suspects: BTreeSet<NodeId>,
}

impl Liveness {
    /// Begins to lead now.
    #[must_use]
    pub fn new(state: &State, now: Timestamp) -> Liveness {
        let beat = Beat {
            heard: now,
            spoke: false,
        };
        Liveness {
            beats: state.nodes().map(|node| (node.meta.id, beat)).collect(),
            suspects: BTreeSet::new(),
        }
    }

    /// A node was heard. What follows from it, the next [`Liveness::tick`] says; says whether
    /// that should be now, because the node counts as anything but ready.
    pub fn heard(&mut self, state: &State, node: NodeId, now: Timestamp) -> bool {
        let Some(known) = state.node(node) else {
            return false;
        };
        let beat = Beat {
            heard: now,
            spoke: true,
        };
        self.beats.insert(node, beat);
        known.status.state != NodeState::Ready || self.suspects.contains(&node)
    }

    /// Whether a node is silent, although it may not be down yet.
    #[must_use]
    pub fn is_suspect(&self, node: NodeId) -> bool {
        self.suspects.contains(&node)
    }

    /// Looks at all nodes. What it says to write is said again until it is in the state.
    pub fn tick(&mut self, state: &State, now: Timestamp) -> Tick {
        let mut tick = Tick::default();
        let Some(swarm) = state.swarm() else {
            return tick;
        };
        for node in state.nodes() {
            self.look_at(node, &swarm.spec, now, &mut tick);
        }
        let gone = |node: &NodeId| state.node(*node).is_none();
        self.beats.retain(|node, _| !gone(node));
        self.suspects.retain(|node| !gone(node));
        tick
    }

    fn look_at(&mut self, node: &Node, swarm: &SwarmSpec, now: Timestamp, tick: &mut Tick) {
        let id = node.meta.id;
        // A node that was only just created counts as heard.
        let fresh = Beat {
            heard: now,
            spoke: true,
        };
        let beat = *self.beats.entry(id).or_insert(fresh);
        let silent_for = now.since(beat.heard);
        let wanted = wanted_state(node.status.state, beat, silent_for, swarm);
        if wanted != node.status.state {
            tick.writes.push(Write::SetNodeState {
                node: id,
                state: wanted,
                message: message(wanted, silent_for).into(),
            });
        }
        let suspect = silent_for >= swarm.suspect_after();
        let turned = if suspect {
            self.suspects.insert(id)
        } else {
            self.suspects.remove(&id)
        };
        if turned {
            tick.turned.insert(id);
        }
        let next = if wanted != node.status.state {
            Some(now.after(swarm.heartbeat_period()))
        } else if wanted == NodeState::Down {
            None
        } else if suspect {
            Some(beat.heard.after(swarm.down_after()))
        } else {
            Some(
                beat.heard
                    .after(swarm.suspect_after().min(swarm.down_after())),
            )
        };
        tick.wake_at = tick.wake_at.into_iter().chain(next).min();
    }
}

fn wanted_state(
    present: NodeState,
    beat: Beat,
    silent_for: Duration,
    swarm: &SwarmSpec,
) -> NodeState {
    if silent_for >= swarm.down_after() {
        NodeState::Down
    } else if beat.spoke {
        NodeState::Ready
    } else if present == NodeState::Ready {
        NodeState::Unknown
    } else {
        present
    }
}

fn message(state: NodeState, silent_for: Duration) -> String {
    match state {
        NodeState::Ready => String::new(),
        NodeState::Down => format!("nothing was heard from it for {} s", silent_for.as_secs()),
        NodeState::Unknown => "this leader has not heard from it yet".to_owned(),
    }
}
