// SPDX-License-Identifier: Apache-2.0
//! How to tell that a task works.

use std::time::Duration;

/// How to tell that a task works. What is left out is the image's choice, else the default.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct HealthCheck {
    /// What is asked; none: the image's own check, if it has one.
    pub probe: Option<Probe>,
    /// Between two checks.
    pub interval: Option<Duration>,
    /// A check that takes longer has failed.
    pub timeout: Option<Duration>,
    /// Failures in a row before it counts as unhealthy; 0: the default.
    pub retries: u32,
    /// Failures do not count in this first time, until a first success. It is at least one
    /// interval.
    pub start_period: Option<Duration>,
    /// Between two checks in that first time, until a first success.
    pub start_interval: Option<Duration>,
}

/// What is known of a task's health.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum HealthState {
    /// It does not run.
    #[default]
    Unknown,
    /// It has no health check.
    Unchecked,
    /// No success yet.
    Starting,
    /// The last checks passed.
    Healthy,
    /// Too many checks failed.
    Unhealthy,
}

/// What a check asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Probe {
    /// A program in the task, which ends with code 0 when all is well.
    Exec {
        /// Program and arguments.
        command: Vec<String>,
    },
    /// An HTTP answer of 2xx or 3xx.
    Http {
        /// Port inside the task.
        port: u16,
        /// Path, with query.
        path: String,
    },
    /// A TCP connection.
    Tcp {
        /// Port inside the task.
        port: u16,
    },
    /// SERVING from `grpc.health.v1`.
    Grpc {
        /// Port inside the task.
        port: u16,
        /// Service asked about; empty: the server as a whole.
        service: String,
    },
    /// Nothing: no check, not even the image's own.
    Disabled,
}

impl Probe {
    /// The port inside the task that is asked from outside of it.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        match self {
            Probe::Http { port, .. } | Probe::Tcp { port } | Probe::Grpc { port, .. } => {
                Some(*port)
            }
            Probe::Exec { .. } | Probe::Disabled => None,
        }
    }
}

impl HealthCheck {
    /// Between two checks unless a spec says otherwise.
    pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
    /// The longest a check may take unless a spec says otherwise.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
    /// Failures in a row that count unless a spec says otherwise.
    pub const DEFAULT_RETRIES: u32 = 3;
    /// The longest time between two checks of a task that starts, unless a spec says otherwise.
    pub const DEFAULT_START_INTERVAL: Duration = Duration::from_secs(5);

    /// Between two checks.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval.unwrap_or(Self::DEFAULT_INTERVAL)
    }

    /// The longest a check may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(Self::DEFAULT_TIMEOUT)
    }

    /// Failures in a row that make it unhealthy.
    #[must_use]
    pub const fn retries(&self) -> u32 {
        if self.retries == 0 {
            Self::DEFAULT_RETRIES
        } else {
            self.retries
        }
    }

    /// The first time, in which failures do not count: the start period, and at least one
    /// interval.
    #[must_use]
    pub fn first_time(&self) -> Duration {
        self.start_period.unwrap_or_default().max(self.interval())
    }

    /// Between two checks in the first time; never more than an interval.
    #[must_use]
    pub fn start_interval(&self) -> Duration {
        self.start_interval
            .unwrap_or(Self::DEFAULT_START_INTERVAL)
            .min(self.interval())
    }
}
