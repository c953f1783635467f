// SPDX-License-Identifier: Apache-2.0
//! Counts over the tasks of one service, kept up to date task by task.

use crate::model::{DesiredState, Outcome, Revision, Task, TaskState};

/// Counts over tasks.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// In RUNNING, as far as the managers can know.
    pub running: u32,
    /// Of these, up to date.
    pub updated: u32,
    /// Wanted, and in PENDING.
    pub pending: u32,
    /// Up to date, and ended badly.
    pub failed: u32,
    /// Not ended, and not lost with its node.
    pub live: u32,
    /// In RUNNING, up to date, and meant to be.
    pub good: u32,
    /// Up to date, ended well, still in its place, and nothing follows.
    pub finished: u32,
    /// Up to date, ended badly, still in its place, and nothing follows.
    pub gave_up: u32,
    /// Meant to run, or ended and still in their places, whatever they were made from.
    pub held: u32,
    /// Up to date, and in a place whose attempts end again and again.
    pub looping: u32,
    /// Up to date, and on their way to run without having ended again and again before.
    pub coming: u32,
}

impl Tally {
    /// What one task counts for, when tasks made from `template` are up to date.
    #[must_use]
    pub fn of(task: &Task, template: Revision) -> Tally {
        let current = task.template_revision == template;
        let running = task.status.state == TaskState::Running && !task.is_lost();
        let holds = current && task.desired <= DesiredState::Running;
        let looping = current && task.is_in_crash_loop();
        let coming = holds && is_coming(task);
        let count = |yes: bool| u32::from(yes);
        Tally {
            running: count(running),
            updated: count(running && current),
            pending: count(task.status.state == TaskState::Pending && task.is_wanted()),
            failed: count(current && task.status.state.is_failure()),
            live: count(!task.is_terminal() && !task.is_lost()),
            good: count(running && current && task.desired == DesiredState::Running),
            finished: count(holds && task.outcome == Outcome::Finished),
            gave_up: count(holds && task.outcome == Outcome::GaveUp),
            held: count(task.desired <= DesiredState::Running),
            looping: count(looping),
            coming: count(coming),
        }
    }

    fn zip(self, other: Tally, with: impl Fn(u32, u32) -> u32) -> Tally {
        Tally {
            running: with(self.running, other.running),
            updated: with(self.updated, other.updated),
            pending: with(self.pending, other.pending),
            failed: with(self.failed, other.failed),
            live: with(self.live, other.live),
            good: with(self.good, other.good),
            finished: with(self.finished, other.finished),
            gave_up: with(self.gave_up, other.gave_up),
            held: with(self.held, other.held),
            looping: with(self.looping, other.looping),
            coming: with(self.coming, other.coming),
        }
    }

    /// With the tasks counted in `other`.
    #[must_use]
    pub fn plus(self, other: Tally) -> Tally {
        self.zip(other, |a, b| a + b)
    }

    /// Without the tasks counted in `other`, which were counted in before.
    #[must_use]
    pub fn minus(self, other: Tally) -> Tally {
        self.zip(other, |a, b| a - b)
    }
}

/// Whether something is on its way to run: not what runs, has done its work, or finds no node.
/// Of what has just ended it is open whether another attempt follows.
fn is_coming(task: &Task) -> bool {
    !task.restart.is_loop()
        && task.outcome == Outcome::Open
        && task.status.state != TaskState::Running
        && !task.has_no_node()
}
