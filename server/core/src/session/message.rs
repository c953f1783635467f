// SPDX-License-Identifier: Apache-2.0
//! What agents and managers say to each other.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::assign::Assignments;
use crate::filter::TaskFilter;
use crate::model::{Labels, NodeDescription, NodeId, Revision, Timestamp};
use crate::node_agent::StatusReport;
use crate::state::State;

/// From agent to manager.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AgentMessage {
    /// The first message, and only that.
    Hello(Hello),
    /// Nothing but a sign of life.
    Heartbeat,
    /// What the node is; sent when it changes.
    Node(Arc<NodeDescription>),
    /// What became of tasks.
    Report(StatusReport),
    /// Assignments were put into effect.
    Ack(AssignmentsAck),
}

/// The agent introduces itself. Which node it is, the connection says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    /// What the node is.
    pub description: Arc<NodeDescription>,
    /// It has all assignments through this revision; 0: none.
    pub after: Revision,
    /// The last report that a manager acknowledged; 0: none.
    pub acked: u64,
}

/// Assignments were put into effect.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct AssignmentsAck {
    /// Tasks and templates are taken over, and remembered on disk, through this revision.
    pub tasks: Revision,
    /// The proxies balance by the endpoints of this revision.
    pub endpoints: Revision,
}

/// From manager to agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ManagerMessage {
    /// The first message, and again when something in it changes.
    Welcome(Welcome),
    /// A frame of what the node should have.
    Assignments(Assignments),
    /// All reports through this one are in the log.
    ReportAck(u64),
    /// Logs are wanted, or no more.
    Logs(LogSubscription),
    /// Nothing but a sign of life.
    Alive,
}

/// What an agent has to know before anything else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Welcome {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: Arc<str>,
    /// Its labels.
    pub labels: Arc<Labels>,
}

impl Welcome {
    /// For a node as it is now; nothing if there is no such node, or no swarm.
    #[must_use]
    pub fn of(state: &State, node: NodeId) -> Option<Welcome> {
        let known = state.node(node)?;
        Some(Welcome {
            heartbeat: state.swarm()?.spec.heartbeat_period(),
            node,
            name: known.spec.name.shared(),
            labels: known.spec.labels.clone(),
        })
    }
}

/// Logs are wanted, or no more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogSubscription {
    /// Its id, under which lines are to be sent.
    pub id: Arc<str>,
    /// What is wanted; nothing: no more.
    pub request: Option<LogRequest>,
}

/// Which lines are wanted.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct LogRequest {
    /// Of which tasks; in it are ids only.
    pub filter: TaskFilter,
    /// Go on with new lines.
    pub follow: bool,
    /// Begin with this many last lines of each task; nothing: all there are.
    pub tail: Option<u32>,
    /// Only lines at or after this time.
    pub since: Option<Timestamp>,
}

/// Why a session ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionEnd {
    /// Nothing was heard from the other end for three heartbeats.
    Silent,
    /// The other end could not be reached in time.
    NoConnection,
    /// The swarm does not know the node.
    UnknownNode,
    /// The other end did not keep to the protocol.
    Protocol(&'static str),
}

impl fmt::Display for SessionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionEnd::Silent => f.write_str("nothing was heard for three heartbeats"),
            SessionEnd::NoConnection => f.write_str("no connection was made in time"),
            SessionEnd::UnknownNode => f.write_str("the swarm does not know this node"),
            SessionEnd::Protocol(what) => write!(f, "the protocol was broken: {what}"),
        }
    }
}

impl std::error::Error for SessionEnd {}
