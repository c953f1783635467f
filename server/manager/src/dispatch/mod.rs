// SPDX-License-Identifier: Apache-2.0
//! The manager's end of the sessions with agents.
//!
//! Core decides what is said in a session and which nodes are there. Here is what surrounds
//! that: connections ([`connection`]), a task for each session ([`session`]), what sessions
//! share ([`hub`]), the one place where their reports are written ([`batch`]), and the loop that
//! lets tasks stop once no node sends them connections any more ([`drains`]).

mod batch;
pub mod connection;
mod drains;
mod hub;
mod service;
mod session;

use std::sync::Arc;

use skep_core::admit::join_node;
use skep_core::model::{Availability, Name, NodeDescription, NodeId, NodeRole, Timestamp};
use skep_core::session::LogSubscription;
use skep_core::state::Change;
use skep_proto::v1;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cluster::{Cluster, ClusterError};
use crate::facts::NodeFacts;
use crate::member::Clock;

use batch::Batch;
use connection::Gate;
use hub::Hub;

/// How often founding or joining looks again at a state that has moved on.
const JOIN_TRIES_MAX: usize = 100;

/// Serves agents. Clones serve the same ones.
#[derive(Clone)]
pub struct Dispatch {
    inner: Arc<Inner>,
}

/// What comes for a subscription of logs.
#[derive(Debug)]
pub(crate) enum Published {
    /// Some lines.
    Lines(v1::StreamLogsResponse),
    /// That was all. Without this, the lines were cut off.
    End,
}

/// A clock for waits: that of the machine at first, and then whatever somebody sets that one
/// to, time goes on here as it passes.
#[derive(Clone, Copy, Debug)]
struct Pace {
    began: Timestamp,
    since: Instant,
}

impl Pace {
    fn start(began: Timestamp) -> Pace {
        Pace {
            began,
            since: Instant::now(),
        }
    }

    fn now(&self) -> Timestamp {
        self.began.after(self.since.elapsed())
    }
}

struct Inner {
    cluster: Arc<dyn Cluster>,
    clock: Arc<dyn Clock>,
    pace: Pace,
    hub: Hub,
    batch: Batch,
    gate: Gate,
}

impl Dispatch {
    /// Serves the agents of this cluster until `stop`. `own` are the nodes of this process, whose
    /// agents are about to come.
    #[must_use]
    pub fn start(
        cluster: Arc<dyn Cluster>,
        clock: Arc<dyn Clock>,
        own: &[NodeId],
        stop: CancellationToken,
    ) -> Dispatch {
        let (gate, incoming) = connection::gate();
        let pace = Pace::start(clock.now());
        let (state, now) = (cluster.view(), pace.now());
        let hub = Hub::new(&state, now);
        hub.expect(&state, own, now);
        let batch = Batch::start(cluster.clone(), clock.clone(), stop.clone());
        let inner = Inner {
            cluster,
            clock,
            pace,
            hub,
            batch,
            gate,
        };
        let dispatch = Dispatch {
            inner: Arc::new(inner),
        };
        tokio::spawn(hub::run(dispatch.clone(), stop.clone()));
        tokio::spawn(drains::run(dispatch.clone(), stop.clone()));
        tokio::spawn(service::serve(dispatch.clone(), incoming, stop));
        dispatch
    }

    /// Takes a node into the swarm, or notes that it is back. `name` and `availability` are for
    /// one that is new.
    ///
    /// # Errors
    /// If that cannot be written.
    pub async fn join(
        &self,
        node: NodeId,
        role: NodeRole,
        description: Arc<NodeDescription>,
        name: Option<Name>,
        availability: Option<Availability>,
    ) -> Result<(), ClusterError> {
        for _ in 0..JOIN_TRIES_MAX {
            let state = self.inner.cluster.view();
            let described = description.clone();
            let writes = join_node(&state, node, role, described, name.clone(), availability);
            if writes.is_empty() {
                return Ok(());
            }
            let time = self.inner.clock.now();
            let change = Change {
                writes,
                time,
                ..Change::default()
            };
            if self.inner.cluster.propose(change).await?.refusal.is_none() {
                return Ok(());
            }
        }
        Err(ClusterError::NotReady(
            "too many nodes come at the same time".to_owned(),
        ))
    }

    /// The way in for the agent of a node: connections made here are known to be that node's.
    #[must_use]
    pub fn gate(&self) -> Gate {
        self.inner.gate.clone()
    }

    /// What the session with a node knows of it.
    #[must_use]
    pub fn facts(&self, node: NodeId) -> NodeFacts {
        self.inner.hub.facts(node)
    }

    /// The number of the session that a node has here; nothing: it has none.
    pub(crate) fn session_of(&self, node: NodeId) -> Option<u64> {
        self.inner.hub.session_of(node)
    }

    /// Tells when the nodes in session become others.
    pub(crate) fn sessions_changed(&self) -> watch::Receiver<u64> {
        self.inner.hub.sessions_changed()
    }

    /// Asks a node for logs, or for no more; says whether the node is in session.
    pub(crate) fn tell_logs(&self, node: NodeId, subscription: LogSubscription) -> bool {
        self.inner.hub.tell_logs(node, subscription)
    }

    /// From now on, what a node sends under this subscription goes to `sink`.
    pub(crate) fn open_logs(&self, id: Arc<str>, sink: mpsc::Sender<Published>) {
        self.inner.hub.open_logs(id, sink);
    }

    /// What a node sends under this subscription is not wanted any more.
    pub(crate) fn close_logs(&self, id: &str) {
        self.inner.hub.close_logs(id);
    }
}
