// SPDX-License-Identifier: Apache-2.0
//! When to look for nodes for the tasks that wait for one.

use crate::model::{TaskState, Timestamp};
use crate::schedule::place;
use crate::session::backoff;
use crate::state::{Change, Event, State, Step};

/// Most writes of one change of the scheduler: a task that waits behind many others is placed
/// with the first ones, and agents begin while the rest is being decided.
const WRITES_PER_CHANGE_MAX: usize = 2_000;

/// Whether a look at the tasks that wait for a node is due.
#[derive(Clone, Debug)]
pub struct Placer {
    due: bool,
    /// How often in a row changes were refused.
    refusals: u32,
    /// No look before.
    not_before: Option<Timestamp>,
}

impl Default for Placer {
    fn default() -> Self {
        Placer {
            due: true,
            refusals: 0,
            not_before: None,
        }
    }
}

impl Placer {
    /// Notes what happened.
    pub fn observe<'a>(&mut self, steps: impl IntoIterator<Item = &'a Step>) {
        let matters = |step: &Step| step.events.iter().any(matters);
        self.due |= steps.into_iter().any(matters);
    }

    /// Makes a look due: it is not known what happened, or a change was refused.
    pub fn again(&mut self) {
        self.due = true;
    }

    /// Notes that a change was refused: what it was decided on has changed. Once that happens,
    /// and the next turn looks again; if it happens again and again, after a wait that grows.
    pub fn refused(&mut self, now: Timestamp, random: u64) {
        self.due = true;
        self.refusals = self.refusals.saturating_add(1);
        let repeated = self.refusals.checked_sub(2);
        self.not_before = repeated.map(|repeated| now.after(backoff(repeated, random)));
    }

    /// Notes that a change was written.
    pub fn accepted(&mut self) {
        self.refusals = 0;
        self.not_before = None;
    }

    /// Whether a turn now would look at something.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due && self.not_before.is_none_or(|time| time <= now)
    }

    /// When a turn looks by time alone: a look is due that waits.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.not_before.filter(|_| self.due)
    }

    /// Looks at all tasks that wait for a node, if that is due, and gives back the changes to
    /// propose, in order.
    pub fn turn(&mut self, state: &State, now: Timestamp) -> Vec<Change> {
        if !self.is_due(now) {
            return Vec::new();
        }
        (self.due, self.not_before) = (false, None);
        let writes = place(state, now);
        writes
            .chunks(WRITES_PER_CHANGE_MAX)
            .map(|writes| Change {
                writes: writes.to_vec(),
                time: now,
                ..Change::default()
            })
            .collect()
    }
}

/// Whether an event may let a task be placed, or wants one to be: a task that begins to wait,
/// one that leaves its node, a node or a service that is another than before.
fn matters(event: &Event) -> bool {
    match event {
        Event::Swarm(_) => false,
        Event::Node(delta) => match (&delta.before, &delta.after) {
            (Some(before), Some(after)) => {
                before.spec != after.spec
                    || before.status.state != after.status.state
                    || before.status.description != after.status.description
            }
            _ => true,
        },
        Event::Service(delta) => match (&delta.before, &delta.after) {
            (Some(before), Some(after)) => before.meta.spec_revision != after.meta.spec_revision,
            _ => false,
        },
        Event::Task(delta) => {
            let waits = delta
                .after
                .as_ref()
                .is_some_and(|task| task.status.state == TaskState::Pending && task.is_wanted());
            let occupied = |task: &crate::model::Task| task.occupies().is_some();
            let was = delta.before.as_deref().is_some_and(occupied);
            let is = delta.after.as_deref().is_some_and(occupied);
            (waits && delta.before.is_none()) || (was && !is)
        }
    }
}
