// SPDX-License-Identifier: Apache-2.0
//! What comes of one step: the task that it made has to come to run, and to go on running.

use std::time::Duration;

use crate::model::{Outcome, RolloutStep, TaskState, Timestamp, UpdatePolicy};

/// What is known of the task of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proof {
    /// Its state.
    pub state: TaskState,
    /// Whether anything follows it, once it has ended.
    pub outcome: Outcome,
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

/// Judges a step of a leg that began at `leg_time`. Of a rollout that is `paused` no step is
/// late.
#[must_use]
pub fn judge(
    policy: &UpdatePolicy,
    step: &RolloutStep,
    proof: Proof,
    (leg_time, paused): (Timestamp, bool),
    now: Timestamp,
) -> Judgement {
    match proof.state {
        TaskState::Completed if proof.outcome == Outcome::Finished => Judgement::Passed,
        TaskState::Completed | TaskState::Failed | TaskState::Rejected => Judgement::Ended,
        // What was stopped, or lost with its node, says nothing about what it was made from.
        TaskState::Stopped | TaskState::Orphaned => Judgement::Open(None),
        TaskState::Running => {
            let since = step.turn_over.unwrap_or(step.begun);
            let watched = if cfg!(skep_bug = "rollout_hurries") {
                policy.monitor() / 2
            } else {
                policy.monitor()
            };
            due(since, watched, now, Judgement::Passed)
        }
        _ if paused => Judgement::Open(None),
        _ => {
            let since = step.begun.max(leg_time);
            due(since, policy.progress_deadline(), now, Judgement::Late)
        }
    }
}

/// What comes of a wait. One that begins only later was written by a clock that was ahead, before
/// the manager was started again or by another one: it counts from now, or not at all.
fn due(since: Timestamp, span: Duration, now: Timestamp, then: Judgement) -> Judgement {
    let at = since.after(span);
    if now >= at {
        return then;
    }
    match (since > now, then) {
        (true, Judgement::Passed) => then,
        (true, _) => Judgement::Open(Some(now.after(span))),
        (false, _) => Judgement::Open(Some(at)),
    }
}
