// SPDX-License-Identifier: Apache-2.0
//! What an executor sees of a task.

use std::sync::Arc;

use crate::model::{HealthState, Port, Timestamp};

/// A task as its executor sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observed {
    /// How far it is.
    pub phase: Phase,
    /// Ports opened for it on the node: `published` is the one it listens on.
    pub ports: Vec<Port>,
    /// The engine's id of its container; empty: none.
    pub container: Arc<str>,
    /// The image with digest that it runs; empty: none, or not known.
    pub image: Arc<str>,
    /// What a person should know of it: how far its image is pulled, or that the pull failed
    /// and the node's own image is used.
    pub note: Option<Note>,
    /// What its checks say.
    pub health: Health,
}

impl Observed {
    /// A task of which nothing but the necessary is known.
    #[must_use]
    pub fn new(phase: Phase, ports: Vec<Port>) -> Observed {
        Observed {
            phase,
            ports,
            container: Arc::default(),
            image: Arc::default(),
            note: None,
            health: Health::Unchecked,
        }
    }
}

/// What a person should know of a task that is on its way or runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// UPPER_SNAKE: PULLING, LOCAL_IMAGE.
    pub reason: &'static str,
    /// In words.
    pub message: Arc<str>,
}

/// What the checks of a task say.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum Health {
    /// There is no check.
    #[default]
    Unchecked,
    /// No check has passed yet; what the last one said.
    Starting(Arc<str>),
    /// The last checks passed; after one that failed what it said.
    Healthy(Arc<str>),
    /// Too many checks failed; what the last one said.
    Unhealthy(Arc<str>),
}

impl Health {
    /// The state it is in.
    #[must_use]
    pub const fn state(&self) -> HealthState {
        match self {
            Health::Unchecked => HealthState::Unchecked,
            Health::Starting(_) => HealthState::Starting,
            Health::Healthy(_) => HealthState::Healthy,
            Health::Unhealthy(_) => HealthState::Unhealthy,
        }
    }

    /// What the last check that failed said; empty: nothing.
    #[must_use]
    pub fn message(&self) -> Arc<str> {
        match self {
            Health::Unchecked => Arc::default(),
            Health::Starting(said) | Health::Healthy(said) | Health::Unhealthy(said) => {
                said.clone()
            }
        }
    }
}

/// How far a task is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Phase {
    /// It is being made ready. An executor that has no more to say of such a task may leave it
    /// out of what it sees.
    Preparing,
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
    /// It ended while its engine was away, or went away, which ends what it runs.
    EngineLost,
}
