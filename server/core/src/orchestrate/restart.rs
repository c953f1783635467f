// SPDX-License-Identifier: Apache-2.0
//! What follows when a task ends by itself: another attempt, and when, or none.

use std::time::Duration;

use crate::model::{
    Outcome, RestartCondition, RestartMemory, RestartPolicy, Task, TaskState, Timestamp,
};
use crate::state::Write;

use super::desk::Desk;
use super::place::Places;

/// What follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// A new attempt, with leave to run from then on.
    Again {
        restart_time: Timestamp,
        memory: RestartMemory,
    },
    /// Nothing.
    Settled(Outcome),
}

/// What follows a task that has ended, and was not told to. The time that counts is the one at
/// which the managers learned of the end, by their own clock.
pub(super) fn verdict(policy: &RestartPolicy, task: &Task, now: Timestamp) -> Verdict {
    let state = task.status.state;
    let ended = task.meta.update_time.min(now);
    let mut memory = remembered(policy, task, ended);
    if memory.window_attempts == 0 {
        memory.window_start = ended;
    }
    // An end with the engine is no failed attempt: it neither counts nor lengthens the wait.
    let counts = !task.ended_with_engine();
    if !allows(policy.condition(), state) || (counts && is_exhausted(policy, memory)) {
        return Verdict::Settled(outcome(state));
    }
    let restart_time = ended.after(delay(policy, memory.streak));
    if counts {
        memory.streak = memory.streak.saturating_add(1);
        memory.window_attempts = memory.window_attempts.saturating_add(1);
        memory.early_ends = memory.early_ends.saturating_add(u32::from(is_early(task)));
    }
    Verdict::Again {
        restart_time,
        memory,
    }
}

/// Whether a task ended by itself before it was stable.
fn is_early(task: &Task) -> bool {
    let was_stable = ran_for(task, task.status.transition_time)
        .is_some_and(|span| span >= RestartMemory::STABLE_AFTER);
    task.ended_by_itself() && !was_stable
}

/// What the place of a task remembers at this time: a stable run ends a row of failures, and a
/// window that is over counts no more.
pub(super) fn remembered(policy: &RestartPolicy, task: &Task, now: Timestamp) -> RestartMemory {
    let mut memory = task.restart;
    let ran = ran_for(task, now);
    if ran.is_some_and(|span| span >= policy.max_delay()) {
        memory.streak = 0;
    }
    if ran.is_some_and(|span| span >= RestartMemory::STABLE_AFTER) {
        memory.early_ends = 0;
    }
    let is_over = policy
        .window()
        .is_some_and(|window| now.since(memory.window_start) >= window);
    if is_over {
        memory.window_attempts = 0;
        memory.window_start = Timestamp::default();
    }
    memory
}

/// Notes of the attempts after a crash loop that they have become stable.
pub(super) fn calm(desk: &mut Desk<'_>, places: &Places<'_>) {
    let attempts = places.iter().flat_map(|place| &place.attempts);
    let wanted = attempts.filter(|it| it.holds() && it.state == TaskState::Running);
    for attempt in wanted.filter(|it| it.task.restart.is_loop()) {
        if desk.heard_since(attempt.task).is_none() {
            continue;
        }
        // When the managers learned of it, by their own clock: that of the node may be ahead.
        let task = &attempt.task;
        let since = task.running_since.unwrap_or(task.meta.update_time);
        let stable_at = since.after(RestartMemory::STABLE_AFTER);
        if stable_at > desk.now {
            desk.wake_at(stable_at);
        } else {
            desk.write([Write::MarkStable { task: attempt.id() }]);
        }
    }
}

/// How long a task was RUNNING, until now if it still is; nothing: it never was.
fn ran_for(task: &Task, now: Timestamp) -> Option<Duration> {
    let status = &task.status;
    if status.state == TaskState::Running {
        return Some(now.since(status.transition_time));
    }
    let started = status
        .history
        .iter()
        .find(|past| past.state == TaskState::Running)?;
    Some(status.transition_time.since(started.time))
}

fn allows(condition: RestartCondition, state: TaskState) -> bool {
    match condition {
        RestartCondition::None => false,
        RestartCondition::OnFailure => state != TaskState::Completed,
        RestartCondition::Any => true,
    }
}

fn is_exhausted(policy: &RestartPolicy, memory: RestartMemory) -> bool {
    policy.max_attempts > 0 && memory.window_attempts >= policy.max_attempts
}

fn outcome(state: TaskState) -> Outcome {
    if state.is_failure() {
        Outcome::GaveUp
    } else {
        Outcome::Finished
    }
}

/// The wait before the attempt that follows `streak` others: twice the one before, up to the
/// longest.
fn delay(policy: &RestartPolicy, streak: u32) -> Duration {
    let longest = policy.max_delay();
    let factor = 1u32.checked_shl(streak).unwrap_or(u32::MAX);
    policy
        .delay()
        .checked_mul(factor)
        .unwrap_or(longest)
        .min(longest)
}
