// SPDX-License-Identifier: Apache-2.0
//! The places of a service, with the attempts made at each.

use std::collections::BTreeMap;

use crate::model::{
    DesiredState, NodeId, Outcome, Revision, RolloutStep, Task, TaskId, TaskState, Verdict,
};
use crate::state::Write;

use super::desk::Desk;
use super::node_loss::Ground;

/// A slot, or a node with one task a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum PlaceKey {
    Slot(u32),
    Node(NodeId),
}

/// One task, as it will be once the plan so far is written.
pub(super) struct Attempt<'a> {
    pub(super) task: &'a Task,
    pub(super) ground: Ground,
    pub(super) desired: DesiredState,
    pub(super) state: TaskState,
    pub(super) outcome: Outcome,
    pub(super) step: Option<RolloutStep>,
    pub(super) deleted: bool,
}

impl Attempt<'_> {
    pub(super) fn id(&self) -> TaskId {
        self.task.meta.id
    }

    /// Whether its place is meant for it, ended or not.
    pub(super) fn holds(&self) -> bool {
        !self.deleted && self.desired <= DesiredState::Running
    }

    pub(super) fn has_ended(&self) -> bool {
        self.deleted || self.state.is_terminal()
    }

    /// Whether it may be running, or may start, on a node that can be asked to stop it: what
    /// [`crate::state::State::may_run`] will say.
    pub(super) fn may_run(&self) -> bool {
        !self.has_ended() && matches!(self.ground, Ground::Sound | Ground::Leaving)
    }

    /// Tells it where it is wanted.
    pub(super) fn tell(&mut self, desired: DesiredState) -> Write {
        self.desired = self.desired.max(desired);
        if desired > DesiredState::Running && self.state == TaskState::Pending {
            self.state = TaskState::Stopped;
        }
        Write::SetDesired {
            task: self.id(),
            desired,
        }
    }

    /// Forgets it.
    pub(super) fn delete(&mut self) -> Write {
        self.deleted = true;
        Write::DeleteTask { task: self.id() }
    }
}

/// The attempt that the plan makes at a place.
#[derive(Clone, Copy)]
pub(super) struct Made {
    pub(super) template: Revision,
    pub(super) step: Option<RolloutStep>,
}

/// One place.
pub(super) struct Place<'a> {
    pub(super) key: PlaceKey,
    /// The attempts at it, oldest first.
    pub(super) attempts: Vec<Attempt<'a>>,
    /// The attempt that the plan makes.
    pub(super) made: Option<Made>,
}

impl<'a> Place<'a> {
    pub(super) fn empty(key: PlaceKey) -> Place<'a> {
        Place {
            key,
            attempts: Vec::new(),
            made: None,
        }
    }

    /// The attempt that has the place.
    pub(super) fn holder(&self) -> Option<&Attempt<'a>> {
        self.attempts.iter().find(|attempt| attempt.holds())
    }

    pub(super) fn holder_mut(&mut self) -> Option<&mut Attempt<'a>> {
        self.attempts.iter_mut().find(|attempt| attempt.holds())
    }

    /// The attempt that a rollout made beside the holder, to take its place.
    pub(super) fn successor(&self) -> Option<&Attempt<'a>> {
        let mut holding = self.attempts.iter().filter(|attempt| attempt.holds());
        holding.next()?;
        holding.next_back()
    }

    pub(super) fn successor_mut(&mut self) -> Option<&mut Attempt<'a>> {
        let mut holding = self.attempts.iter_mut().filter(|attempt| attempt.holds());
        holding.next()?;
        holding.next_back()
    }

    /// The newest attempt that the place is meant for: the successor, or else the holder.
    pub(super) fn meant(&self) -> Option<&Attempt<'a>> {
        self.attempts.iter().rev().find(|attempt| attempt.holds())
    }

    pub(super) fn meant_mut(&mut self) -> Option<&mut Attempt<'a>> {
        let mut attempts = self.attempts.iter_mut().rev();
        attempts.find(|attempt| attempt.holds())
    }

    /// The newest attempt that is not to be forgotten.
    pub(super) fn newest(&self) -> Option<&Attempt<'a>> {
        self.attempts
            .iter()
            .rev()
            .find(|attempt| !attempt.deleted && attempt.desired < DesiredState::Removed)
    }

    /// The newest attempt that shows that a step to this template failed, unless what the plan
    /// makes will.
    pub(super) fn proof(&self, template: Revision) -> Option<&Attempt<'a>> {
        let failed = |step: RolloutStep| step.verdict == Some(Verdict::Failed);
        let made = self.made.filter(|made| made.template == template);
        if made.is_some_and(|made| made.step.is_some_and(failed)) {
            return None;
        }
        self.attempts.iter().rev().find(|attempt| {
            !attempt.deleted
                && attempt.desired < DesiredState::Removed
                && attempt.task.template_revision == template
                && attempt.step.is_some_and(failed)
        })
    }

    /// Whether anything is left that says what the place is for: not if all of it is to be
    /// forgotten.
    pub(super) fn is_used(&self) -> bool {
        self.made.is_some() || self.newest().is_some()
    }

    /// Whether something may still run there, less one attempt.
    pub(super) fn is_busy(&self, but: Option<TaskId>) -> bool {
        let mut others = self.attempts.iter().filter(|it| Some(it.id()) != but);
        others.any(Attempt::may_run)
    }

    /// The number of the next attempt.
    pub(super) fn next_attempt(&self) -> u32 {
        let last = self.attempts.last().map_or(0, |last| last.task.attempt);
        last.saturating_add(1)
    }
}

/// All places of a service that were ever used and are not forgotten.
pub(super) struct Places<'a>(BTreeMap<PlaceKey, Place<'a>>);

impl<'a> Places<'a> {
    pub(super) fn of(desk: &Desk<'a>) -> Places<'a> {
        let mut places = Places(BTreeMap::new());
        for task in desk.state.service_tasks(desk.service.meta.id) {
            let key = match &task.node {
                Some(node) if task.slot == 0 => PlaceKey::Node(node.id),
                _ => PlaceKey::Slot(task.slot),
            };
            places.at(key).attempts.push(Attempt {
                task,
                ground: Ground::of(desk, task),
                desired: task.desired,
                state: task.status.state,
                outcome: task.outcome,
                step: task.step,
                deleted: false,
            });
        }
        for place in places.all() {
            place
                .attempts
                .sort_by_key(|attempt| (attempt.task.attempt, attempt.id()));
        }
        places
    }

    /// One place; a new one if it was never used.
    pub(super) fn at(&mut self, key: PlaceKey) -> &mut Place<'a> {
        self.0.entry(key).or_insert_with(|| Place::empty(key))
    }

    pub(super) fn get(&self, key: PlaceKey) -> Option<&Place<'a>> {
        self.0.get(&key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Place<'a>> {
        self.0.values()
    }

    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut Place<'a>> {
        self.0.values_mut()
    }
}
