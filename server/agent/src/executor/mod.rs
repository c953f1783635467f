// SPDX-License-Identifier: Apache-2.0
//! Executors: what really runs tasks on a node.
//!
//! An [`Executor`] does what it is told and says what is; it decides nothing. The worker asks
//! it for the truth with [`Executor::list`], compares that with what the managers want, and
//! gives orders. Every order may be given again: one that is fulfilled already is no error.

pub mod combined;
mod error;
mod hints;
pub mod idle;
pub mod process;
pub mod simulated;
mod work;

use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use skep_core::model::{Port, TaskId, Timestamp};
use skep_core::node_agent::{Health, Note, StopHow};

use crate::logs::{LogItems, LogQuery};

pub use error::ExecutorError;
pub use hints::{Hint, HintSender};
pub use work::{ContainerWork, Limits, TaskWork, Ulimit, Work};

/// The most characters of a message about a task.
pub const MESSAGE_CHARS: usize = 4_096;

/// What a task needs on its way through a node.
///
/// Orders for one task are carried out one after the other. A caller that gives up waiting
/// for an order does not take it back.
#[async_trait::async_trait]
pub trait Executor: Send + Sync + 'static {
    /// What tasks may ask for here, as a node's capabilities name it: "workload.process",
    /// "workload.container", "limits.cpu", "limits.memory", "limits.pids".
    fn capabilities(&self) -> Vec<&'static str>;

    /// Makes everything ready so that [`Executor::start`] has only to start. A task that is
    /// known already stays as it is.
    ///
    /// # Errors
    /// [`ExecutorError::Refused`] if the work asks for what this node cannot give.
    async fn prepare(&self, work: Work) -> Result<(), ExecutorError>;

    /// Starts a prepared task, once and never again: one that was started, ended ones
    /// included, stays as it is. Returns when the task runs.
    ///
    /// # Errors
    /// [`ExecutorError::Refused`] if it cannot be run; the list says so too then, as
    /// [`ExitCause::NotStarted`]. After other errors the task may be started again.
    async fn start(&self, task: TaskId) -> Result<(), ExecutorError>;

    /// Orders a task to end: `signal` to its main process, SIGKILL to all of it after `grace`.
    /// [`signal::OWN`](skep_core::model::signal::OWN) is the signal that the task's image names.
    /// Returns when the order is recorded; the end shows in the list. A further order can only
    /// bring the end nearer. A task that was not started ends at once.
    ///
    /// # Errors
    /// If the order could not be recorded, or the task is not known.
    async fn stop(&self, task: TaskId, signal: i32, grace: Duration) -> Result<(), ExecutorError>;

    /// Removes everything of a task, its logs too. One that still runs is killed. A task that
    /// is not known is removed already.
    ///
    /// # Errors
    /// If something of it is left; the task stays known then.
    async fn remove(&self, task: TaskId) -> Result<(), ExecutorError>;

    /// Runs a program beside a task that runs, as its user and in its surroundings, to ask how
    /// the task is: it passes if it ends with code 0 in time. Of tasks whose engine does that
    /// itself nobody asks here.
    ///
    /// # Errors
    /// [`ExecutorError::CheckFailed`] with what it said.
    async fn check(
        &self,
        task: TaskId,
        _command: &[String],
        _patience: Duration,
    ) -> Result<(), ExecutorError> {
        let words = format!("task {task} cannot be asked by a program beside it");
        Err(ExecutorError::CheckFailed(words))
    }

    /// Takes up which container was that of which task in an earlier life of the agent, by the
    /// engine's ids: it may be called otherwise now. Comes before all orders.
    async fn recall(&self, _containers: Vec<(TaskId, Arc<str>)>) {}

    /// All tasks there are, in order of their ids: the truth.
    fn list(&self) -> Vec<Observed>;

    /// Workloads of which the list says nothing yet, as [`Executor::capabilities`] names them:
    /// that a task of them is not in the list does not mean that it is not there.
    fn unseen(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// What keeps it from running tasks for now, or may disturb them: one of a kind at most. A
    /// change of this, or of what it is capable of, comes with a hint.
    fn troubles(&self) -> Vec<Trouble> {
        Vec::new()
    }

    /// One task as the list has it.
    fn get(&self, task: TaskId) -> Option<Observed>;

    /// Where to look again, from now on. Hints may come without a change, and several changes
    /// may make one hint, but after a change there is always a hint.
    fn hints(&self) -> BoxStream<'static, Hint>;

    /// What a task printed.
    ///
    /// # Errors
    /// If the task is not known.
    fn logs(&self, task: TaskId, query: LogQuery) -> Result<LogItems, ExecutorError>;
}

/// What keeps an executor from running tasks for now, or may disturb them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    /// The kind of the node's condition that says so, in UPPER_SNAKE.
    pub kind: &'static str,
    /// In words.
    pub message: String,
}

/// What is known of a task on its node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observed {
    /// The task.
    pub task: TaskId,
    /// Ports opened for it on the node: `published` is the one it listens on.
    pub ports: Vec<Port>,
    /// How it wants to be stopped.
    pub stop: StopHow,
    /// How far it is.
    pub phase: Phase,
    /// The engine's id of its container; empty: none.
    pub container: Arc<str>,
    /// The image with digest that it runs; empty: none, or not known.
    pub image: Arc<str>,
    /// What a person should know of it: how far its image is pulled, or that the pull failed
    /// and the node's own image is used.
    pub note: Option<Note>,
    /// What the check of its image says, if it has one.
    pub health: Health,
}

impl Observed {
    /// A task of which nothing but the necessary is known.
    #[must_use]
    pub fn new(task: TaskId, stop: StopHow, phase: Phase) -> Observed {
        Observed {
            task,
            ports: Vec::new(),
            stop,
            phase,
            container: Arc::default(),
            image: Arc::default(),
            note: None,
            health: Health::Unchecked,
        }
    }
}

/// How far a task is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Phase {
    /// It is being made ready.
    Preparing,
    /// Ready to be started.
    Prepared,
    /// It runs.
    Running {
        /// Process id of its main process; 0: not known.
        pid: u32,
        /// Since when.
        since: Timestamp,
    },
    /// It has ended, and nothing of it runs.
    Exited(Exit),
}

/// How a task ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Exit {
    /// Why.
    pub cause: ExitCause,
    /// Exit code of its main process, 128 + N if signal N ended it; none: there is none, or
    /// nobody knows it.
    pub code: Option<i32>,
    /// Number of the signal that ended its main process.
    pub signal: Option<i32>,
    /// When.
    #[serde(with = "nanos")]
    pub at: Timestamp,
    /// The cause in words, and of a failed task the last lines it printed. At most
    /// [`MESSAGE_CHARS`] characters; empty: it ended by itself with code 0.
    pub message: String,
}

/// Why a task ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitCause {
    /// By itself, or by a signal that did not come from here.
    Exited,
    /// It was ordered to end.
    Stopped,
    /// It used more memory than its limit.
    OutOfMemory,
    /// It could not be started.
    NotStarted,
    /// Nobody knows how: the node was restarted, or the task's supervisor was killed.
    Lost,
    /// It ended while its engine was away, or went away, which ends what it runs.
    EngineLost,
}

mod nanos {
    use serde::{Deserialize, Deserializer, Serializer};
    use skep_core::model::Timestamp;

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(time.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp)
    }
}
