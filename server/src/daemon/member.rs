// SPDX-License-Identifier: Apache-2.0
//! A member of a swarm: its store, its manager and its nodes, started and stopped in order.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use skep_core::admit::{self, Admitted, Context};
use skep_core::model::{NodeId, Revision};
use skep_core::state::Change;
use skep_manager::cluster::Cluster;
use skep_manager::daemon::Founding;
use skep_manager::dispatch::Dispatch;
use skep_manager::facts::{LiveFacts, ManagerFacts, NodeFacts, RaftRole};
use skep_manager::logs::Logs;
use skep_manager::member::{Clock, LogClock, Manager, SystemClock};
use skep_manager::metrics::{self, Facts};
use skep_manager::stored::StoredCluster;
use skep_manager::waits::Waits;
use skep_manager::watch::Watches;
use skep_store::{Role, Store, StoreOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::identity::{Identity, NodeIdentity};

use super::Setup;
use super::nodes::Nodes;
use super::streams::AllStreams;

/// The directory of the store, within that of the daemon.
pub(super) const STORE_DIR: &str = "store";

/// How long the store may take to find out how far it was.
const RECOVERY_TIME_MAX: Duration = Duration::from_secs(60);

/// A member of a swarm that is up.
pub(super) struct Member {
    store: Store,
    cluster: Arc<dyn Cluster>,
    manager: Manager,
    watches: Watches,
    nodes: Nodes,
    loops: JoinHandle<()>,
    stop: CancellationToken,
}

impl Member {
    /// Founds a swarm.
    pub(super) async fn found(
        setup: &Setup,
        identity: &Identity,
        founding: Founding,
    ) -> Result<Member> {
        let store = open(&setup.data, identity).await?;
        let cluster: Arc<dyn Cluster> = Arc::new(StoredCluster::new(store.clone()));
        let founded = match write_foundation(&*cluster, identity, &founding).await {
            Ok(()) => Member::start(setup, identity, store.clone(), cluster, Some(founding)).await,
            Err(error) => Err(error),
        };
        if founded.is_err() {
            // What it wrote is removed next, and another founding may follow.
            store.shutdown().await;
        }
        founded
    }

    /// Goes on where it stopped; nothing if the swarm was never founded.
    pub(super) async fn resume(setup: &Setup, identity: &Identity) -> Result<Option<Member>> {
        if !Store::is_in(&skep_store::fs::RealFs, &setup.data.join(STORE_DIR)) {
            return Ok(None);
        }
        let store = open(&setup.data, identity).await?;
        store
            .recovered(RECOVERY_TIME_MAX)
            .await
            .context("the store does not come up")?;
        let cluster: Arc<dyn Cluster> = Arc::new(StoredCluster::new(store.clone()));
        if cluster.view().swarm().is_none() {
            store.shutdown().await;
            return Ok(None);
        }
        Member::start(setup, identity, store, cluster, None)
            .await
            .map(Some)
    }

    async fn start(
        setup: &Setup,
        identity: &Identity,
        store: Store,
        cluster: Arc<dyn Cluster>,
        founding: Option<Founding>,
    ) -> Result<Member> {
        let clock: Arc<dyn Clock> = Arc::new(LogClock::new(cluster.clone()));
        let stop = CancellationToken::new();
        let own: Vec<NodeId> = identity.nodes.iter().map(|node| node.id).collect();
        let dispatch = Dispatch::start(cluster.clone(), clock.clone(), &own, stop.clone());
        let ends_early = stop.clone().drop_guard();
        let nodes = Nodes::start(setup, identity, &dispatch, founding).await?;
        let limit = setup.config.watches_max;
        let watches = Watches::new(cluster.clone(), clock.clone(), limit, stop.clone());
        let logs = Logs::new(cluster.clone(), dispatch.clone(), stop.clone());
        let facts = Live {
            store: store.clone(),
            node: first(identity)?.id,
            dispatch,
        };
        let manager = Manager {
            cluster: cluster.clone(),
            facts: Arc::new(facts),
            streams: Arc::new(AllStreams {
                watches: watches.clone(),
                logs,
            }),
            clock: clock.clone(),
            waits: Waits::default(),
        };
        let loops = skep_manager::loops::run(cluster.clone(), clock, stop.clone());
        let loops = tokio::spawn(loops);
        ends_early.disarm();
        Ok(Member {
            store,
            cluster,
            manager,
            watches,
            nodes,
            loops,
            stop,
        })
    }

    /// What answers calls.
    pub(super) fn manager(&self) -> Manager {
        self.manager.clone()
    }

    /// Tells why the store stopped, if it did.
    pub(super) fn failures(&self) -> watch::Receiver<Option<skep_store::Failure>> {
        self.store.failures()
    }

    /// Cancelled as soon as it stops because it is told to.
    pub(super) fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// The metrics.
    pub(super) fn metrics(&self) -> Option<String> {
        let health = self.store.health();
        let facts = Facts {
            term: health.leadership.term,
            leads: health.leadership.leads(),
            store_failed: health.failure.is_some(),
            watches: self.watches.count(),
            waits: self.manager.waits.count(),
        };
        metrics::encode(&self.cluster.view(), facts).ok()
    }

    /// Stops: calls that wait first, since what they wait for comes no more. Then in the order
    /// opposite to the start: the nodes and, if they are to end, their tasks; the loops; the store.
    pub(super) async fn stop(self, end_tasks: bool) {
        self.manager.waits.stop();
        self.nodes.stop(end_tasks).await;
        self.stop.cancel();
        if let Err(error) = self.loops.await {
            tracing::error!(%error, "the loops did not end well");
        }
        self.store.shutdown().await;
    }
}

async fn open(data: &Path, identity: &Identity) -> Result<Store> {
    let store = Store::open(StoreOptions::new(data.join(STORE_DIR))).await?;
    let member = skep_store::Member {
        node: first(identity)?.id,
        address: String::new(),
    };
    if let Err(error) = store.found(member).await {
        store.shutdown().await;
        return Err(error.into());
    }
    Ok(store)
}

fn first(identity: &Identity) -> Result<&NodeIdentity> {
    identity
        .nodes
        .first()
        .context("a member is at least one node")
}

/// Writes the swarm into a store that is new.
async fn write_foundation(
    cluster: &dyn Cluster,
    identity: &Identity,
    founding: &Founding,
) -> Result<()> {
    let ctx = Context {
        now: SystemClock.now(),
        caller: "".into(),
        request: None,
    };
    let mut id = || identity.swarm.0;
    let admitted = admit::found_swarm(&cluster.view(), founding.spec.clone(), &ctx, &mut id);
    let change: Change = match admitted {
        Ok(Admitted::Change(change, _)) => change,
        Ok(_) | Err(_) => bail!("the store holds a swarm already"),
    };
    let proposed = cluster.propose(change).await?;
    match proposed.refusal {
        None => Ok(()),
        Some(_) => bail!("the store holds a swarm already"),
    }
}

/// What only this process knows.
struct Live {
    store: Store,
    node: NodeId,
    dispatch: Dispatch,
}

impl LiveFacts for Live {
    fn term(&self) -> u64 {
        self.store.leadership().borrow().term
    }

    fn managers(&self) -> Vec<ManagerFacts> {
        let health = self.store.health();
        let role = match health.leadership.role {
            Role::Leader => RaftRole::Leader,
            Role::Candidate => RaftRole::Candidate,
            Role::Follower | Role::Learner | Role::Stopped => RaftRole::Follower,
        };
        vec![ManagerFacts {
            node: self.node,
            raft_id: health.raft_id,
            role,
            reachable: health.failure.is_none(),
            match_revision: Revision(health.last_entry.unwrap_or(0)),
        }]
    }

    fn node(&self, node: NodeId) -> NodeFacts {
        self.dispatch.facts(node)
    }
}
