// SPDX-License-Identifier: Apache-2.0
//! Where a plan is put together: what may be looked at, and what was decided so far.

use std::sync::Arc;

use crate::model::{
    IdSource, KeptTemplate, NodeState, ObjectId, RestartPolicy, Revision, Service, SwarmSpec, Task,
    TaskId, Timestamp,
};
use crate::state::{CHANGE_WRITES_MAX, Precondition, State, Write, rollout_revision};

use super::{Moment, Plan};

/// Writes for which room is always left: how far the rollout is, and that it is good.
const RESERVED_WRITES: usize = 2;

/// The state a service is judged by, and the plan in the making.
pub(super) struct Desk<'a> {
    pub(super) state: &'a State,
    pub(super) service: &'a Service,
    pub(super) swarm: Arc<SwarmSpec>,
    pub(super) now: Timestamp,
    /// Since when this leader leads.
    pub(super) led_since: Timestamp,
    ids: &'a mut dyn IdSource,
    plan: Plan,
    again: bool,
}

impl<'a> Desk<'a> {
    pub(super) fn new(
        state: &'a State,
        service: &'a Service,
        moment: Moment,
        ids: &'a mut dyn IdSource,
    ) -> Desk<'a> {
        Desk {
            state,
            service,
            swarm: state
                .swarm()
                .map(|swarm| swarm.spec.clone())
                .unwrap_or_default(),
            now: moment.now,
            led_since: moment.led_since,
            ids,
            plan: Plan::default(),
            again: false,
        }
    }

    /// Adds writes that belong together. After the first that do not fit any more, none are
    /// taken: the next look decides about what is left.
    pub(super) fn write(&mut self, writes: impl IntoIterator<Item = Write>) {
        if self.plan.more {
            return;
        }
        let before = self.plan.writes.len();
        self.plan.writes.extend(writes);
        if self.plan.writes.len() > CHANGE_WRITES_MAX - RESERVED_WRITES {
            self.plan.writes.truncate(before);
            self.plan.more = true;
        }
    }

    /// Asks for another look as soon as the plan is written.
    pub(super) fn look_again(&mut self) {
        self.again = true;
    }

    /// Whether anything is to be written so far.
    pub(super) fn has_writes(&self) -> bool {
        !self.plan.writes.is_empty()
    }

    /// Begins the plan with a write for which room was left.
    pub(super) fn write_first(&mut self, write: Write) {
        self.plan.writes.insert(0, write);
    }

    /// Asks for another look at this time.
    pub(super) fn wake_at(&mut self, time: Timestamp) {
        let earliest = self.plan.wake_at.map_or(time, |known| known.min(time));
        self.plan.wake_at = Some(earliest);
    }

    /// Since when this leader hears the node of a task, if the task has one; nothing: it does not,
    /// and nobody knows what its tasks do.
    pub(super) fn heard_since(&self, task: &Task) -> Option<Timestamp> {
        let Some(node) = &task.node else {
            return Some(self.led_since);
        };
        let status = &self.state.node(node.id)?.status;
        // A time ahead of the clock was written by one that was ahead, under an earlier leader.
        let known = Some(status.transition_time).filter(|time| *time <= self.now);
        let since = known.map_or(self.led_since, |time| time.max(self.led_since));
        (status.state == NodeState::Ready).then_some(since)
    }

    pub(super) fn next_task_id(&mut self) -> TaskId {
        TaskId(self.ids.next_id())
    }

    /// The template that new tasks are made from.
    pub(super) fn current(&self) -> Revision {
        self.service.template_revision
    }

    /// What tasks of one template revision of this service are made from.
    pub(super) fn template(&self, revision: Revision) -> Option<&'a KeptTemplate> {
        self.state
            .template(self.service.meta.id, revision)
            .map(Arc::as_ref)
    }

    /// What follows when a task of one template revision ends.
    pub(super) fn restart_policy(&self, revision: Revision) -> RestartPolicy {
        self.template(revision)
            .map_or(self.service.spec.template.restart, |kept| {
                kept.template.restart
            })
    }

    /// The plan: it holds for the spec and the rollout that it was made for.
    pub(super) fn finish(mut self) -> Plan {
        if !self.plan.is_empty() {
            let meta = &self.service.meta;
            self.plan.preconditions = vec![
                Precondition::SpecRevision(ObjectId::Service(meta.id), meta.spec_revision),
                Precondition::RolloutRevision(meta.id, rollout_revision(self.service)),
            ];
            self.plan.more |= self.again;
        }
        self.plan
    }
}
