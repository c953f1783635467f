// SPDX-License-Identifier: Apache-2.0
//! Rollouts: how a change reaches the tasks of a service, and how far it has come.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::{Revision, TaskId, Timestamp};

/// Which comes first, the end of the old task or the start of the new one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum UpdateOrder {
    /// The old task stops once the new one is ready, then the new one starts.
    StopFirst,
    /// The new task runs, then the old one stops.
    StartFirst,
}

/// What follows too many failures.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OnFailure {
    /// Change no further task and wait for a person.
    Pause,
    /// Go on.
    Continue,
    /// Go back to the newest good revision.
    Rollback,
}

/// How a change is rolled out. Fields that a user left out stay empty; the methods give what
/// holds then.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct UpdatePolicy {
    /// Tasks changed at a time; 0: all.
    pub parallelism: Option<u32>,
    /// Wait after a task was changed.
    pub delay: Option<Duration>,
    /// Which comes first.
    pub order: Option<UpdateOrder>,
    /// A new task that ends within this time of running counts as failed.
    pub monitor: Option<Duration>,
    /// A new task that does not run by then counts as failed.
    pub progress_deadline: Option<Duration>,
    /// Failures borne, in percent of the tasks to be changed.
    pub max_failure_percent: u32,
    /// What follows one failure more.
    pub on_failure: Option<OnFailure>,
}

impl UpdatePolicy {
    /// How long a new task is watched unless a spec says otherwise.
    pub const DEFAULT_MONITOR: Duration = Duration::from_secs(5);
    /// How long a new task has to come to run unless a spec says otherwise.
    pub const DEFAULT_PROGRESS_DEADLINE: Duration = Duration::from_secs(600);

    /// How many tasks may be changed at a time.
    #[must_use]
    pub fn parallelism(&self) -> usize {
        match self.parallelism.unwrap_or(1) {
            0 => usize::MAX,
            count => count as usize,
        }
    }

    /// Wait after a task was changed.
    #[must_use]
    pub fn delay(&self) -> Duration {
        self.delay.unwrap_or_default()
    }

    /// Which comes first.
    #[must_use]
    pub fn order(&self) -> UpdateOrder {
        self.order.unwrap_or(UpdateOrder::StopFirst)
    }

    /// How long a new task that runs is watched.
    #[must_use]
    pub fn monitor(&self) -> Duration {
        self.monitor.unwrap_or(Self::DEFAULT_MONITOR)
    }

    /// How long a new task has to come to run.
    #[must_use]
    pub fn progress_deadline(&self) -> Duration {
        self.progress_deadline
            .unwrap_or(Self::DEFAULT_PROGRESS_DEADLINE)
    }

    /// What follows too many failures.
    #[must_use]
    pub fn on_failure(&self) -> OnFailure {
        self.on_failure.unwrap_or(OnFailure::Pause)
    }
}

/// How far a rollout is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RolloutState {
    /// Going on.
    Updating,
    /// Stopped by failures or by a person.
    Paused,
    /// Done.
    Completed,
    /// Going back.
    RollingBack,
    /// Stopped on the way back.
    RollbackPaused,
    /// Gone back.
    RolledBack,
}

impl RolloutState {
    /// Every state.
    pub const ALL: [RolloutState; 6] = [
        RolloutState::Updating,
        RolloutState::Paused,
        RolloutState::Completed,
        RolloutState::RollingBack,
        RolloutState::RollbackPaused,
        RolloutState::RolledBack,
    ];

    /// Its name in the contract: "UPDATING".
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            RolloutState::Updating => "UPDATING",
            RolloutState::Paused => "PAUSED",
            RolloutState::Completed => "COMPLETED",
            RolloutState::RollingBack => "ROLLING_BACK",
            RolloutState::RollbackPaused => "ROLLBACK_PAUSED",
            RolloutState::RolledBack => "ROLLED_BACK",
        }
    }

    /// Whether it changes tasks.
    #[must_use]
    pub const fn is_going(self) -> bool {
        matches!(self, RolloutState::Updating | RolloutState::RollingBack)
    }

    /// Whether it waits for a person.
    #[must_use]
    pub const fn is_paused(self) -> bool {
        matches!(self, RolloutState::Paused | RolloutState::RollbackPaused)
    }

    /// Whether it is done.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, RolloutState::Completed | RolloutState::RolledBack)
    }

    /// Whether it goes, or went, back.
    #[must_use]
    pub const fn is_back(self) -> bool {
        matches!(
            self,
            RolloutState::RollingBack | RolloutState::RollbackPaused | RolloutState::RolledBack
        )
    }
}

/// How many slots, or nodes, a rollout has to do with.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct RolloutCounts {
    /// It has to change.
    pub total: u32,
    /// Of these, changed and past monitor.
    pub updated: u32,
    /// Of these, being changed, or not past monitor.
    pub updating: u32,
    /// Of these, failed in the present leg.
    pub failed: u32,
}

/// A rollout of one revision over the tasks of a service.
///
/// It has legs: the first from its beginning to its first pause, another from each time it was
/// resumed. Failures count within a leg.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rollout {
    /// How far it is.
    pub state: RolloutState,
    /// The revision that is rolled out.
    pub target: Revision,
    /// The one it takes the place of.
    pub from: Revision,
    /// The change that began it.
    pub began: Revision,
    /// The change that began the present leg; in a write, [`Revision::THIS`] begins one.
    pub leg: Revision,
    /// When the present leg began.
    pub leg_time: Timestamp,
    /// The change that last wrote this; of no meaning in a write.
    pub revision: Revision,
    /// The spec revision of the service when `state` last changed; of no meaning in a write.
    pub judged_spec: Revision,
    /// UPPER_SNAKE cause of the state; empty: none.
    pub reason: Cow<'static, str>,
    /// The cause in words.
    pub message: Arc<str>,
    /// When it began.
    pub start_time: Timestamp,
    /// When it ended or was paused.
    pub end_time: Option<Timestamp>,
    /// When time alone lets it go on.
    pub next_step_time: Option<Timestamp>,
    /// Slots, or nodes.
    pub counts: RolloutCounts,
    /// The newest task that failed.
    pub last_failed_task: Option<TaskId>,
    /// It is a rollback that failures began.
    pub automatic: bool,
}

/// The reason of what a person asked for.
pub const REQUESTED: &str = "REQUESTED";
/// The reason of a rollout in which tasks ended that should not have.
pub const TASK_FAILED: &str = "TASK_FAILED";
/// The reason of a rollout in which tasks did not come to run in time.
pub const NO_PROGRESS: &str = "NO_PROGRESS";
/// The reason of a rollout that has only tasks on paused nodes left to change.
pub const NODE_PAUSED: &str = "NODE_PAUSED";

impl Rollout {
    /// One that begins with this change.
    #[must_use]
    pub fn begin(
        state: RolloutState,
        (from, target): (Revision, Revision),
        revision: Revision,
        time: Timestamp,
    ) -> Rollout {
        Rollout {
            state,
            target,
            from,
            began: revision,
            leg: revision,
            leg_time: time,
            revision,
            judged_spec: revision,
            reason: Cow::Borrowed(""),
            message: "".into(),
            start_time: time,
            end_time: None,
            next_step_time: None,
            counts: RolloutCounts::default(),
            last_failed_task: None,
            automatic: false,
        }
    }
}

/// What came of a step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verdict {
    /// The new task runs, and did for the time of monitor.
    Passed,
    /// It failed.
    Failed,
}

/// The step of a rollout by which a place came to its task. Attempts that follow in that place
/// inherit it once it is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RolloutStep {
    /// The leg in which it was made or judged.
    pub leg: Revision,
    /// When it was made.
    pub begun: Timestamp,
    /// When its task ran first, or failed before that: then the next may have its turn.
    pub turn_over: Option<Timestamp>,
    /// Its task may run while the one before, of another template, still does.
    pub overlaps: bool,
    /// What came of it; nothing: not known yet.
    pub verdict: Option<Verdict>,
}
