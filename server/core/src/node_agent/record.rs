// SPDX-License-Identifier: Apache-2.0
//! What an agent remembers of a task, on disk.

use std::time::Duration;

use crate::model::{StopPolicy, TaskId, TaskTemplate, Timestamp, signal};
use crate::state::Observation;

/// What an agent remembers of a task. Plain data: it is kept on disk before anything that
/// follows from it is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaskRecord {
    /// The task.
    pub task: TaskId,
    /// What was last said of it.
    pub reported: Observation,
    /// It was started, or the order to start it may have been given: if nothing of it is there,
    /// it has failed, and must not be begun again.
    pub started: bool,
    /// How it is stopped.
    pub stop: StopHow,
    /// Since when it is sent no new connections, before it is stopped; nothing: as far as is
    /// known some may still be sent, or none ever were.
    pub drained_since: Option<Timestamp>,
    /// That it is being stopped.
    pub stopping: Option<Stopping>,
}

/// How a task is stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StopHow {
    /// Number of the first signal, or [`signal::OWN`].
    pub signal: i32,
    /// From the signal to SIGKILL.
    pub grace: Duration,
}

impl StopHow {
    /// As a template says; of a task whose template is not known, the usual way.
    #[must_use]
    pub fn of(template: Option<&TaskTemplate>) -> StopHow {
        let Some(template) = template else {
            return StopHow {
                signal: signal::TERM,
                grace: StopPolicy::DEFAULT_GRACE,
            };
        };
        StopHow {
            signal: template.stop.signal_number(&template.workload),
            grace: template.stop.grace(),
        }
    }

    /// At once.
    pub(super) const KILL: StopHow = StopHow {
        signal: signal::KILL,
        grace: Duration::ZERO,
    };
}

/// That a task is being stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stopping {
    /// Why.
    pub cause: StopCause,
    /// Since when.
    pub since: Timestamp,
    /// When to kill it, and to kill it again if that did not help.
    pub insist_at: Timestamp,
}

/// Why a task is being stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopCause {
    /// The managers want it so, or know it no longer.
    Wanted,
    /// It did not start in time.
    StartDeadline,
    /// Too many of its health checks failed.
    Unhealthy,
}
