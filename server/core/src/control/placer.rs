// SPDX-License-Identifier: Apache-2.0
//! When to look for nodes for the tasks that wait for one.

use crate::model::{TaskState, Timestamp};
use crate::schedule::place;
use crate::state::{Change, Event, State, Step};

/// Most writes of one change of the scheduler: a task that waits behind many others is placed
/// with the first ones, and agents begin while the rest is being decided.
const WRITES_PER_CHANGE_MAX: usize = 2_000;

/// Whether a look at the tasks that wait for a node is due.
#[derive(Clone, Debug)]
pub struct Placer {
    due: bool,
}

impl Default for Placer {
    fn default() -> Self {
        Placer { due: true }
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

    /// Whether a turn now would look at something.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.due
    }

    /// Looks at all tasks that wait for a node, if that is due, and gives back the changes to
    /// propose, in order.
    pub fn turn(&mut self, state: &State, now: Timestamp) -> Vec<Change> {
        if !std::mem::take(&mut self.due) {
            return Vec::new();
        }
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
