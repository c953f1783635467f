// SPDX-License-Identifier: Apache-2.0
//! What only the memory of a manager knows, and the objects shown with it.

use std::sync::Arc;

use skep_core::model::{Node, NodeId, NodeState, Resources, Revision, Swarm};
use skep_core::state::State;
use skep_proto::v1;
use skep_wire::render;

/// The part that a manager plays in Raft.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RaftRole {
    /// It leads.
    Leader,
    /// It follows and votes.
    Follower,
    /// It asks for votes.
    Candidate,
}

/// A manager as a Raft member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ManagerFacts {
    /// Its node.
    pub node: NodeId,
    /// Raft id.
    pub raft_id: u64,
    /// The part it plays.
    pub role: RaftRole,
    /// It answers the leader.
    pub reachable: bool,
    /// The last revision it is known to have.
    pub match_revision: Revision,
}

/// What the session with a node knows of it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct NodeFacts {
    /// The revision of the assignments it has confirmed.
    pub assigned_revision: Revision,
    /// The revision of the endpoint table it balances by.
    pub endpoint_revision: Revision,
}

/// What only the memory of the leader knows.
pub trait LiveFacts: Send + Sync + 'static {
    /// The Raft term.
    fn term(&self) -> u64;
    /// The managers, by Raft id.
    fn managers(&self) -> Vec<ManagerFacts>;
    /// What is known of a node.
    fn node(&self, node: NodeId) -> NodeFacts;
}

/// A node, with what its session and Raft know of it.
#[must_use]
pub fn node(node: &Node, facts: &dyn LiveFacts) -> v1::Node {
    let id = node.meta.id;
    let session = facts.node(id);
    let manager = facts
        .managers()
        .into_iter()
        .find(|manager| manager.node == id);
    let mut message = render::node(node);
    if let Some(status) = &mut message.status {
        status.assigned_revision = session.assigned_revision.0;
        status.endpoint_revision = session.endpoint_revision.0;
        status.manager = manager.map(manager_status);
    }
    message
}

/// The swarm with its status, as seen in `state`.
#[must_use]
pub fn swarm(swarm: &Swarm, state: &State, facts: &dyn LiveFacts) -> v1::Swarm {
    let (capacity, reserved) = ready_resources(state);
    let managers = facts.managers();
    v1::Swarm {
        status: Some(v1::SwarmStatus {
            feature_version: feature_version(state, &managers),
            managers: managers
                .iter()
                .map(|manager| manager_info(state, *manager))
                .collect(),
            term: facts.term(),
            nodes: Some(node_counts(state)),
            capacity: Some(render::resources(capacity)),
            reserved: Some(render::resources(reserved)),
        }),
        ..render::swarm(swarm)
    }
}

fn manager_info(state: &State, manager: ManagerFacts) -> v1::ManagerInfo {
    let name = state.node(manager.node).map(|node| node.spec.name.shared());
    v1::ManagerInfo {
        node: Some(render::reference(
            manager.node,
            name.as_deref().unwrap_or_default(),
        )),
        status: Some(manager_status(manager)),
    }
}

fn manager_status(manager: ManagerFacts) -> v1::ManagerStatus {
    let state = match manager.role {
        RaftRole::Leader => v1::manager_status::State::Leader,
        RaftRole::Follower => v1::manager_status::State::Follower,
        RaftRole::Candidate => v1::manager_status::State::Candidate,
    };
    v1::ManagerStatus {
        raft_id: manager.raft_id,
        state: state.into(),
        reachable: manager.reachable,
        match_revision: manager.match_revision.0,
    }
}

/// The lowest version of any manager; of this daemon while none has said its own.
fn feature_version(state: &State, managers: &[ManagerFacts]) -> String {
    let number = |text: &str| -> Vec<u64> {
        let digits = text.split(|c: char| !c.is_ascii_digit());
        digits.map(|part| part.parse().unwrap_or(0)).collect()
    };
    let nodes = managers
        .iter()
        .filter_map(|manager| state.node(manager.node));
    let versions = nodes.map(|node: &Arc<Node>| node.status.description.version.as_str());
    versions
        .min_by_key(|version| number(version))
        .unwrap_or(env!("CARGO_PKG_VERSION"))
        .to_owned()
}

fn node_counts(state: &State) -> v1::NodeCounts {
    let mut counts = v1::NodeCounts::default();
    for node in state.nodes() {
        counts.total += 1;
        match node.status.state {
            NodeState::Ready => counts.ready += 1,
            NodeState::Down => counts.down += 1,
            NodeState::Unknown => counts.unknown += 1,
        }
    }
    counts
}

/// All there is on nodes that are ready, and what tasks have reserved of it.
fn ready_resources(state: &State) -> (Resources, Resources) {
    let ready = state
        .nodes()
        .filter(|node| node.status.state == NodeState::Ready);
    ready.fold(
        Default::default(),
        |(capacity, reserved): (Resources, Resources), node| {
            let status = &node.status;
            (
                capacity.plus(status.description.capacity),
                reserved.plus(status.reserved),
            )
        },
    )
}
