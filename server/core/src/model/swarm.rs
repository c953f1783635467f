// SPDX-License-Identifier: Apache-2.0
//! The swarm as a whole.

use std::sync::Arc;
use std::time::Duration;

use super::{Labels, Meta, Name, SwarmId};

/// What is wanted of the swarm as a whole.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SwarmSpec {
    /// Its name; none: "default".
    pub name: Option<Name>,
    /// For people.
    pub labels: Arc<Labels>,
    /// Ended tasks kept for each slot.
    pub task_history: Option<u32>,
    /// History kept for watches, at least this long.
    pub watch_history: Option<Duration>,
    /// Between two heartbeats of a node.
    pub heartbeat_period: Option<Duration>,
    /// A node silent for this long is down.
    pub down_after: Option<Duration>,
    /// A task on a node that is down for this long is orphaned.
    pub orphan_after: Option<Duration>,
    /// Log entries between two snapshots.
    pub snapshot_interval: Option<u32>,
}

impl SwarmSpec {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_ref().map_or("default", Name::as_str)
    }

    /// Ended tasks kept for each slot.
    #[must_use]
    pub fn task_history(&self) -> u32 {
        self.task_history.unwrap_or(5)
    }

    /// History kept for watches, at least this long.
    #[must_use]
    pub fn watch_history(&self) -> Duration {
        self.watch_history.unwrap_or(Duration::from_secs(600))
    }

    /// Between two heartbeats of a node.
    #[must_use]
    pub fn heartbeat_period(&self) -> Duration {
        self.heartbeat_period.unwrap_or(Duration::from_secs(1))
    }

    /// A node silent for this long is suspect: it gets no new connections while other tasks
    /// are there.
    #[must_use]
    pub fn suspect_after(&self) -> Duration {
        self.heartbeat_period() * 3
    }

    /// A node silent for this long is down.
    #[must_use]
    pub fn down_after(&self) -> Duration {
        self.down_after.unwrap_or(Duration::from_secs(15))
    }

    /// A task on a node that is down for this long is orphaned.
    #[must_use]
    pub fn orphan_after(&self) -> Duration {
        self.orphan_after.unwrap_or(Duration::from_secs(86_400))
    }

    /// Log entries between two snapshots.
    #[must_use]
    pub fn snapshot_interval(&self) -> u32 {
        self.snapshot_interval.unwrap_or(10_000)
    }
}

/// The swarm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Swarm {
    /// Common facts.
    pub meta: Meta<SwarmId>,
    /// What is wanted.
    pub spec: Arc<SwarmSpec>,
}
