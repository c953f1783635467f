// SPDX-License-Identifier: Apache-2.0
//! The agent of one node: a session with the managers, and a worker.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use skep_core::model::{NodeDescription, Resources};
use skep_network::DataPlane;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::executor::Executor;
use crate::node;
use crate::session::{self, Connector, SessionParts};
use crate::worker::{MemoryError, Worker, WorkerParts};

/// Steps of assignments that wait for the worker, which takes them at once.
const NEWS: usize = 16;

/// What an agent needs.
pub struct AgentOptions {
    /// The address that others reach the node at, and that its tasks listen on.
    pub address: IpAddr,
    /// Where it remembers what it was given and did, for itself alone; none: it remembers
    /// nothing, which is for nodes whose tasks do not outlive it either.
    pub dir: Option<PathBuf>,
    /// What the node has; none: what this machine has.
    pub capacity: Option<Resources>,
    /// What runs its tasks.
    pub executor: Arc<dyn Executor>,
    /// What carries its traffic.
    pub plane: Arc<dyn DataPlane>,
    /// The way to the managers.
    pub connector: Arc<dyn Connector>,
}

impl AgentOptions {
    /// What the agent says of its node when it starts: also for the one who makes the node known
    /// to the swarm.
    #[must_use]
    pub fn description(&self) -> NodeDescription {
        node::describe(self.address, self.capacity, self.executor.as_ref())
    }
}

/// The agent of one node. Two tasks of the runtime and no thread, so that one process can be
/// thousands of nodes.
#[derive(Debug)]
pub struct Agent;

impl Agent {
    /// Starts an agent. It adopts the tasks that its executor has, and goes by what it remembers
    /// until a manager can be reached. Needs a tokio runtime.
    ///
    /// # Errors
    /// If what it remembers cannot be read.
    pub fn start(options: AgentOptions) -> Result<AgentHandle, MemoryError> {
        let description = Arc::new(options.description());
        let (news, heard) = mpsc::channel(NEWS);
        let (words, told) = mpsc::unbounded_channel();
        let end_tasks = watch::Sender::new(false);
        let parts = WorkerParts {
            executor: options.executor.clone(),
            plane: options.plane,
            description: description.clone(),
            words,
        };
        let worker = Worker::open(parts, options.dir.as_deref())?;
        let worker = worker.run(heard, end_tasks.subscribe());
        let session = session::run(SessionParts {
            connector: options.connector,
            executor: options.executor,
            description,
            news,
            words: told,
        });
        let span = tracing::info_span!("agent", address = %options.address);
        Ok(AgentHandle {
            session: AbortOnDropHandle::new(tokio::spawn(session.instrument(span.clone()))),
            worker: AbortOnDropHandle::new(tokio::spawn(worker.instrument(span))),
            end_tasks,
        })
    }
}

/// A running agent. When it is dropped the agent ends at once, as if its process had died: its
/// tasks go on, and the next agent adopts them.
#[derive(Debug)]
#[must_use = "the agent ends when its handle is dropped"]
pub struct AgentHandle {
    session: AbortOnDropHandle<()>,
    worker: AbortOnDropHandle<()>,
    end_tasks: watch::Sender<bool>,
}

impl AgentHandle {
    /// Ends the agent. Its tasks go on and are adopted by the next one; or, with `end_tasks`,
    /// they are stopped, each with its own signal and grace, of which at most 10 s are granted,
    /// and what is left of them is removed.
    pub async fn shutdown(self, end_tasks: bool) {
        self.end_tasks.send_replace(end_tasks);
        // With the session the worker's news ends, and with that the worker.
        self.session.abort();
        for part in [self.session, self.worker] {
            match part.await {
                Err(error) if error.is_panic() => tracing::error!(%error, "an agent broke"),
                _ => {}
            }
        }
    }
}
