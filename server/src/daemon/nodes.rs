// SPDX-License-Identifier: Apache-2.0
//! The nodes that this daemon is: an agent for each, with what it runs tasks with.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use async_trait::async_trait;
use futures::future::join_all;
use skep_agent::{Agent, AgentHandle, AgentOptions, Connection, Connector};
use skep_core::model::{Name, NodeId, NodeRole, SwarmId};
use skep_docker::Owner;
use skep_manager::daemon::Founding;
use skep_manager::dispatch::Dispatch;
use skep_manager::dispatch::connection::Gate;
use skep_network::{DataPlane, IdlePlane, Options, UserspacePlane, every_address};

use crate::config::ExecutorKind;
use crate::identity::{Identity, NodeIdentity};

use super::Setup;
use super::executors::Wanted;
use super::member::STORE_DIR;

/// The directory of the nodes, within that of the daemon.
const NODES_DIR: &str = "nodes";

/// The nodes, up.
pub(super) struct Nodes {
    agents: Vec<AgentHandle>,
}

impl Nodes {
    /// Makes the nodes known to the swarm and starts their agents.
    pub(super) async fn start(
        setup: &Setup,
        identity: &Identity,
        dispatch: &Dispatch,
        founding: Option<Founding>,
    ) -> Result<Nodes> {
        let mut agents = Vec::with_capacity(identity.nodes.len());
        for (number, node) in identity.nodes.iter().enumerate() {
            let options = options(setup, identity.swarm, node, dispatch.gate()).await?;
            let description = Arc::new(options.description());
            let role = if number == 0 {
                NodeRole::Manager
            } else {
                NodeRole::Worker
            };
            let name = Name::parse(&node.name).ok();
            let asked = founding.as_ref().filter(|_| number == 0);
            let availability = asked.and_then(|founding| founding.availability);
            let known = dispatch
                .join(node.id, role, description, name, availability)
                .await;
            known.context("cannot make this node known to the swarm")?;
            agents.push(Agent::start(options)?);
        }
        Ok(Nodes { agents })
    }

    /// Ends the agents; and their tasks, or these go on and are found again by the next start.
    pub(super) async fn stop(self, end_tasks: bool) {
        join_all(
            self.agents
                .into_iter()
                .map(|agent| agent.shutdown(end_tasks)),
        )
        .await;
    }
}

async fn options(
    setup: &Setup,
    swarm: SwarmId,
    node: &NodeIdentity,
    gate: Gate,
) -> Result<AgentOptions> {
    let dir = setup.data.join(NODES_DIR).join(node.id.to_string());
    let is_simulated = setup.config.executor.contains(&ExecutorKind::Simulated);
    let bind = node.address.unwrap_or_else(every_address);
    let address = node.address.unwrap_or_else(own_address);
    let wanted = Wanted {
        config: &setup.config,
        dir: &dir,
        owner: Owner {
            swarm,
            node: node.id,
        },
        address,
    };
    let executor = wanted.open().await?;
    let plane: Arc<dyn DataPlane> = if is_simulated {
        Arc::new(IdlePlane::default())
    } else {
        Arc::new(UserspacePlane::start(Options::new(bind)))
    };
    Ok(AgentOptions {
        address,
        dir: (!is_simulated).then(|| dir.join("agent")),
        capacity: None,
        executor,
        plane,
        connector: Arc::new(InProcess {
            gate,
            node: node.id,
        }),
    })
}

/// The address that this machine would be reached at: that of the interface it would use to
/// reach others, without sending anything. A machine without any other is reached at its own.
fn own_address() -> IpAddr {
    let probe = || -> io::Result<IpAddr> {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        // TEST-NET-1 (RFC 5737): never a real machine; connecting a UDP socket sends nothing.
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        Ok(socket.local_addr()?.ip())
    };
    probe().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// The way to the manager in this process.
struct InProcess {
    gate: Gate,
    node: NodeId,
}

#[async_trait]
impl Connector for InProcess {
    async fn connect(&self) -> io::Result<Box<dyn Connection>> {
        Ok(Box::new(self.gate.connect(self.node).await?))
    }
}

/// What the store is called while it is being removed: a store that is only half there must not
/// be taken for one.
const STORE_GONE_DIR: &str = "store.gone";

/// Refuses to found a swarm over one whose identity was lost.
///
/// # Errors
/// If there is a store.
pub(super) fn check_free(data: &Path) -> Result<()> {
    let store = data.join(STORE_DIR);
    anyhow::ensure!(
        !store.exists(),
        "{} holds a swarm, but identity.json beside it is missing. Put that back from a backup; \
         without one, move the data directory away and begin anew",
        store.display()
    );
    Ok(())
}

/// Refuses to take a daemon that lost its store for one that never founded its swarm.
///
/// # Errors
/// If there is anything of a task.
pub(super) fn check_unused(data: &Path) -> Result<()> {
    let entries = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten();
    let nodes = data.join(NODES_DIR);
    let used = entries(&nodes).any(|node| entries(&node.path().join("tasks")).next().is_some());
    anyhow::ensure!(
        !used,
        "{} has tasks, but the store beside it is missing. Put {} back, or mount what holds it; \
         without it, end these tasks, move the data directory away and begin anew",
        nodes.display(),
        data.join(STORE_DIR).display()
    );
    Ok(())
}

/// Removes everything that belongs to a swarm. The identity goes when nothing else is left that
/// needs it, so that a daemon that dies in between goes on with this at its next start.
///
/// # Errors
/// If something cannot be removed.
pub(super) fn erase(data: &Path) -> Result<()> {
    let (store, gone) = (data.join(STORE_DIR), data.join(STORE_GONE_DIR));
    remove(&gone)?;
    match std::fs::rename(&store, &gone) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        done => done.with_context(|| format!("cannot remove {}", store.display()))?,
    }
    remove(&data.join(NODES_DIR))?;
    remove(&gone)?;
    Identity::forget(data)
}

fn remove(dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.with_context(|| format!("cannot remove {}", dir.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_with(dirs: &[&str]) -> tempfile::TempDir {
        let data = tempfile::tempdir().expect("a directory");
        for dir in dirs {
            std::fs::create_dir_all(data.path().join(dir)).expect("it is made");
        }
        data
    }

    #[test]
    fn a_swarm_is_not_founded_over_another() {
        let data = data_with(&["store/log"]);
        let error = check_free(data.path())
            .expect_err("there is one")
            .to_string();
        assert!(
            error.contains("identity.json beside it is missing"),
            "{error}"
        );
        erase(data.path()).expect("it goes");
        assert!(check_free(data.path()).is_ok());
        assert_eq!(
            std::fs::read_dir(data.path()).expect("it is there").count(),
            0
        );
    }

    #[test]
    fn a_store_that_is_missed_is_not_taken_for_none() {
        let data = data_with(&["nodes/a/agent", "nodes/b/tasks"]);
        assert!(check_unused(data.path()).is_ok());
        let data = data_with(&["nodes/b/tasks/one"]);
        let error = check_unused(data.path())
            .expect_err("a task is there")
            .to_string();
        assert!(error.contains("has tasks, but the store"), "{error}");
    }
}
