// SPDX-License-Identifier: Apache-2.0
//! Where services answer: published ports, and the backends behind them.

use std::net::IpAddr;
use std::sync::Arc;

use super::{ServiceId, TaskId};

/// A transport protocol that a port can be published for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// "tcp" or "udp", as people write it after a port.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}

/// Where a published port is reachable.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PortMode {
    /// On every node, balanced over all running tasks: the routing mesh.
    Ingress,
    /// On the nodes that run a task, straight to that task.
    Host,
}

/// A port of a service, or one opened for a task.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Port {
    /// Port inside the task.
    pub target: u16,
    /// Port outside; 0: still to be chosen.
    pub published: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Where it is reachable.
    pub mode: PortMode,
    /// For people; empty: none.
    pub name: Arc<str>,
}

/// Whether a backend gets new connections.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BackendState {
    /// Send it new connections.
    Serving,
    /// Send it none; let those it has go on.
    Draining,
    /// Its node is silent: send it new connections only if none is serving.
    Suspect,
}

/// Where one task answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Backend {
    /// The task.
    pub task: TaskId,
    /// Whether it gets new connections.
    pub state: BackendState,
    /// Address of its node.
    pub address: IpAddr,
    /// Ports opened for it there: `published` is the port on the node, `target` the port of
    /// the service it stands for.
    pub ports: Vec<Port>,
}

/// Where one service answers: what every node's proxy needs to know of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceEndpoints {
    /// The service.
    pub service: ServiceId,
    /// Its name.
    pub name: Arc<str>,
    /// Ingress ports every node listens on, with the published numbers chosen.
    pub ports: Vec<Port>,
    /// Its tasks that can answer, by id.
    pub backends: Vec<Backend>,
}
