// SPDX-License-Identifier: Apache-2.0
//! What the API needs of the daemon around it: what it is, and its way into and out of a swarm.

use async_trait::async_trait;
use skep_core::model::{
    Availability, Name, NodeId, NodeRole, Revision, SwarmId, SwarmSpec, Timestamp,
};

use crate::error::Failure;

/// A daemon's part in a swarm.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DaemonState {
    /// It is in none.
    Outside,
    /// It is in one.
    Member,
    /// It is in one and cannot take part.
    Error,
}

impl DaemonState {
    /// The name of the state in the contract, less its prefix.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            DaemonState::Outside => "OUTSIDE",
            DaemonState::Member => "MEMBER",
            DaemonState::Error => "ERROR",
        }
    }
}

/// What there is to say of this daemon.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DaemonFacts {
    /// Version of the daemon.
    pub version: String,
    /// When it started.
    pub start_time: Timestamp,
    /// Its part in a swarm.
    pub state: DaemonState,
    /// What last went wrong, in words; empty: nothing did.
    pub error: String,
    /// This node, in a swarm.
    pub node: Option<NodeId>,
    /// The swarm.
    pub swarm: Option<SwarmId>,
    /// This node's role in it.
    pub role: Option<NodeRole>,
    /// The address it advertises; empty: none yet.
    pub address: String,
    /// The last revision applied; 0: it is no manager.
    pub revision: Revision,
}

/// How to found a swarm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Founding {
    /// Settings of the swarm.
    pub spec: SwarmSpec,
    /// Name of this node; none: its host name.
    pub node_name: Option<Name>,
    /// Whether this node takes tasks; none: it does.
    pub availability: Option<Availability>,
}

/// The daemon that the API is served by.
#[async_trait]
pub trait DaemonControl: Send + Sync + 'static {
    /// What there is to say of it.
    fn describe(&self) -> DaemonFacts;

    /// Founds a swarm with this node as its manager.
    ///
    /// # Errors
    /// [`Failure::WrongSwarmState`] if it is in a swarm already.
    async fn init_swarm(&self, founding: Founding) -> Result<(NodeId, SwarmId), Failure>;

    /// Leaves the swarm.
    ///
    /// # Errors
    /// [`Failure::WrongSwarmState`] if it is in none, and [`Failure::QuorumAtRisk`] if that
    /// would erase the swarm and is not forced.
    async fn leave_swarm(&self, force: bool) -> Result<(), Failure>;
}
