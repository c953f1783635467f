// SPDX-License-Identifier: Apache-2.0
//! What one task of a service runs and what it needs.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    Container, HealthCheck, LogDriver, Mount, Placement, ResourceLimits, Resources, signal,
};

/// What a task runs and what it needs. Fields that a user left out stay empty here, so that
/// the spec reads back as it was written; the methods give what holds then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaskTemplate {
    /// What to run.
    pub workload: Workload,
    /// Set aside for the task.
    pub reservations: Resources,
    /// The most it may use.
    pub limits: ResourceLimits,
    /// Where it may run and should run.
    pub placement: Placement,
    /// What follows when it ends.
    pub restart: RestartPolicy,
    /// How it is stopped.
    pub stop: StopPolicy,
    /// How to tell that it works; none: the image's own check, if it has one.
    pub health_check: Option<HealthCheck>,
    /// File systems to mount.
    pub mounts: Vec<Mount>,
    /// Where the output of a container goes; none: its default.
    pub log_driver: Option<LogDriver>,
    /// Any new value replaces every task although nothing else changed; empty: none.
    pub restart_token: String,
}

impl TaskTemplate {
    /// That this runs, and everything else as usual.
    #[must_use]
    pub fn of(workload: Workload) -> TaskTemplate {
        TaskTemplate {
            workload,
            reservations: Resources::default(),
            limits: ResourceLimits::default(),
            placement: Placement::default(),
            restart: RestartPolicy::default(),
            stop: StopPolicy::default(),
            health_check: None,
            mounts: Vec::new(),
            log_driver: None,
            restart_token: String::new(),
        }
    }
}

/// What a task runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Workload {
    /// An OCI container.
    Container(Box<Container>),
    /// A program on the node itself.
    Process(Process),
}

impl Workload {
    /// The arguments that follow its command.
    #[must_use]
    pub fn args(&self) -> &[String] {
        match self {
            Workload::Container(container) => &container.args,
            Workload::Process(process) => &process.args,
        }
    }

    /// The capability a node needs to run it.
    #[must_use]
    pub const fn capability(&self) -> &'static str {
        match self {
            Workload::Container(_) => "workload.container",
            Workload::Process(_) => "workload.process",
        }
    }
}

/// A program on the node itself, in a process group or control group of its own.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Process {
    /// Program, by its absolute path, and leading arguments.
    pub command: Vec<String>,
    /// Arguments that follow.
    pub args: Vec<String>,
    /// Environment; values may hold placeholders.
    pub env: BTreeMap<String, String>,
    /// Working directory; empty: one made for the task.
    pub dir: String,
    /// `user` or `user:group`; empty: the daemon's own.
    pub user: String,
    /// Further groups.
    pub groups: Vec<String>,
    /// Kernel limits, by name.
    pub ulimits: BTreeMap<String, Ulimit>,
}

/// A kernel limit of a process; -1: unlimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ulimit {
    /// The soft limit.
    pub soft: i64,
    /// The hard limit.
    pub hard: i64,
}

/// When a new attempt follows a task that ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RestartCondition {
    /// Never.
    None,
    /// After a failure.
    OnFailure,
    /// However it ended.
    Any,
}

/// What follows when a task ends.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct RestartPolicy {
    /// When to make a new attempt.
    pub condition: Option<RestartCondition>,
    /// Wait before the first new attempt.
    pub delay: Option<Duration>,
    /// What the wait doubles up to.
    pub max_delay: Option<Duration>,
    /// Most new attempts in a slot on one spec; 0: no limit.
    pub max_attempts: u32,
    /// Only attempts within this time count for `max_attempts`; none or zero: all count.
    pub window: Option<Duration>,
}

impl RestartPolicy {
    /// The wait before the first new attempt unless a spec says otherwise.
    pub const DEFAULT_DELAY: Duration = Duration::from_secs(1);
    /// The longest wait unless a spec says otherwise.
    pub const DEFAULT_MAX_DELAY: Duration = Duration::from_secs(60);

    /// When to make a new attempt; by default always.
    #[must_use]
    pub fn condition(&self) -> RestartCondition {
        self.condition.unwrap_or(RestartCondition::Any)
    }

    /// The wait before the first new attempt.
    #[must_use]
    pub fn delay(&self) -> Duration {
        self.delay.unwrap_or(Self::DEFAULT_DELAY)
    }

    /// The longest wait; also the time after which a run counts as stable.
    #[must_use]
    pub fn max_delay(&self) -> Duration {
        self.max_delay
            .unwrap_or(Self::DEFAULT_MAX_DELAY.max(self.delay()))
    }

    /// The time within which attempts count; nothing: all count.
    #[must_use]
    pub fn window(&self) -> Option<Duration> {
        self.window.filter(|window| !window.is_zero())
    }
}

/// How a task is stopped.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct StopPolicy {
    /// The first signal, by name or number; empty: SIGTERM.
    pub signal: String,
    /// From the signal to SIGKILL.
    pub grace: Option<Duration>,
    /// Time for open connections to end, before the signal.
    pub drain: Option<Duration>,
}

impl StopPolicy {
    /// From the signal to SIGKILL unless a spec says otherwise.
    pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);
    /// Time for open connections to end unless a spec says otherwise. Requests that were on their
    /// way when the last node confirmed are answered within it, by programs that end at once when
    /// they are signalled as well; what takes longer has to be asked for, or is for programs that
    /// finish what they have.
    pub const DEFAULT_DRAIN: Duration = Duration::from_secs(1);

    /// The number of the first signal. If the text names none, a program gets SIGTERM, and a
    /// container what its image names.
    #[must_use]
    pub fn signal_number(&self, workload: &Workload) -> i32 {
        let usual = match workload {
            Workload::Container(_) => signal::OWN,
            Workload::Process(_) => signal::TERM,
        };
        signal::number(&self.signal).unwrap_or(usual)
    }

    /// From the signal to SIGKILL.
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.grace.unwrap_or(Self::DEFAULT_GRACE)
    }

    /// Time for open connections of a task that the mesh sent connections to.
    #[must_use]
    pub fn drain(&self) -> Duration {
        self.drain.unwrap_or(Self::DEFAULT_DRAIN)
    }
}
