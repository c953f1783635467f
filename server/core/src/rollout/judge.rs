// SPDX-License-Identifier: Apache-2.0
//! What comes of one step: the task that it made has to come to run, and to go on running.

use crate::model::{Outcome, RolloutStep, TaskState, Timestamp, UpdatePolicy};

/// What is known of the task of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proof {
    /// Its state.
    pub state: TaskState,
    /// Whether anything follows it, once it has ended.
    pub outcome: Outcome,
    /// It ended with its engine.
    pub is_engine_lost: bool,
}

impl Proof {
    /// Of a task that is only being made.
    pub const NONE: Proof = Proof {
        state: TaskState::Pending,
        outcome: Outcome::Open,
        is_engine_lost: false,
    };
}

/// What comes of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// It is not known yet; at this time, time alone will tell.
    Open(Option<Timestamp>),
    /// Its task runs, and did for long enough; or it did all that it should.
    Passed,
    /// Its task ended.
    Ended,
    /// Its task did not come to run in time.
    Late,
}

/// How a step is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watch {
    /// When its leg began.
    pub leg_time: Timestamp,
    /// Nothing moves: no step is late.
    pub is_paused: bool,
    /// Since when this leader hears the node of its task; nothing: it does not. What was heard
    /// before is old news: the task may have ended while nobody led.
    pub heard_since: Option<Timestamp>,
    /// When every node that is there has been heard by this leader.
    pub heard_by: Timestamp,
}

/// Judges a step. A task proves itself under the eyes of one leader, from the beginning to the
/// end of its trial.
#[must_use]
pub fn judge(
    policy: &UpdatePolicy,
    step: &RolloutStep,
    proof: Proof,
    watch: Watch,
    now: Timestamp,
) -> Judgement {
    match proof.state {
        TaskState::Completed if proof.outcome == Outcome::Finished => return Judgement::Passed,
        // What was stopped, or lost with its engine or its node, says nothing about what it was
        // made from: what follows it is on trial.
        TaskState::Failed if proof.is_engine_lost && proof.outcome == Outcome::Open => {
            return Judgement::Open(None);
        }
        TaskState::Stopped | TaskState::Orphaned => return Judgement::Open(None),
        TaskState::Completed | TaskState::Failed | TaskState::Rejected => return Judgement::Ended,
        _ => {}
    }
    let Some(heard_since) = watch.heard_since else {
        return Judgement::Open(None);
    };
    // A time ahead of the clock was written by one that was ahead: it counts from when this
    // leader heard of it.
    let known = |time: Timestamp| if time > now { heard_since } else { time };
    match proof.state {
        TaskState::Running => {
            let since = known(step.turn_over.unwrap_or(step.begun));
            let watched = if cfg!(skep_bug = "rollout_hurries") {
                policy.monitor() / 2
            } else {
                policy.monitor()
            };
            let passes = since.max(heard_since).after(watched);
            due(passes, now, Judgement::Passed)
        }
        _ if watch.is_paused => Judgement::Open(None),
        _ => {
            let since = known(step.begun.max(watch.leg_time));
            let late = since.after(policy.progress_deadline());
            due(late.max(watch.heard_by), now, Judgement::Late)
        }
    }
}

fn due(at: Timestamp, now: Timestamp, then: Judgement) -> Judgement {
    if now >= at {
        then
    } else {
        Judgement::Open(Some(at))
    }
}
