// SPDX-License-Identifier: Apache-2.0
//! What an executor sees of a task.

use std::sync::Arc;

use crate::model::{Port, Timestamp};

/// A task as its executor sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observed {
    /// How far it is.
    pub phase: Phase,
    /// Ports opened for it on the node: `published` is the one it listens on.
    pub ports: Vec<Port>,
}

/// How far a task is. One that is being made ready is not seen yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Ready to be started; it never was.
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
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exit {
    /// Why.
    pub cause: ExitCause,
    /// Exit code of its main process, 128 + N if signal N ended it; none: there is none, or
    /// nobody knows it.
    pub code: Option<i32>,
    /// Number of the signal that ended its main process; 0: none.
    pub signal: u32,
    /// When.
    pub at: Timestamp,
    /// The cause in words, and of a failed task the last lines it printed.
    pub message: Arc<str>,
}

/// Why a task ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
}
