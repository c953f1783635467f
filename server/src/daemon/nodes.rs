// SPDX-License-Identifier: Apache-2.0
//! The nodes that this daemon is: an agent for each, with what it runs tasks with.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use anyhow::{Context, Result};
use async_trait::async_trait;
use futures::future::join_all;
use skep_agent::{Agent, AgentHandle, AgentOptions, Connection, Connector, share_of_machine};
use skep_core::model::{Name, NodeId, NodeRole, Resources, SwarmId};
use skep_docker::Owner;
use skep_manager::daemon::Founding;
use skep_manager::dispatch::Dispatch;
use skep_manager::dispatch::connection::Gate;
use skep_network::{DataPlane, IdlePlane, Options, UserspacePlane, every_address};

use crate::config::ExecutorKind;
use crate::identity::{Identity, NodeIdentity};

use super::Setup;
use super::executors::Wanted;

/// The directory of the nodes, within that of the daemon.
pub(super) const NODES_DIR: &str = "nodes";

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
        let capacity = capacity(setup, identity.nodes.len());
        let mut agents = Vec::with_capacity(identity.nodes.len());
        for (number, node) in identity.nodes.iter().enumerate() {
            let options = options(setup, identity.swarm, node, capacity, dispatch.gate()).await?;
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

/// Whether its nodes are machines that are not there.
fn is_simulated(setup: &Setup) -> bool {
    setup.config.executor.contains(&ExecutorKind::Simulated)
}

/// What each of so many nodes has. Simulated ones are machines that are not there, each like
/// this one; others share it.
fn capacity(setup: &Setup, nodes: usize) -> Resources {
    let sharing = if is_simulated(setup) {
        1
    } else {
        u32::try_from(nodes).unwrap_or(u32::MAX)
    };
    share_of_machine(sharing)
}

async fn options(
    setup: &Setup,
    swarm: SwarmId,
    node: &NodeIdentity,
    capacity: Resources,
    gate: Gate,
) -> Result<AgentOptions> {
    let dir = setup.data.join(NODES_DIR).join(node.id.to_string());
    let is_simulated = is_simulated(setup);
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
        capacity: Some(capacity),
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
