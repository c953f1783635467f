// SPDX-License-Identifier: Apache-2.0
//! Which tasks are to stop and may still be sent connections, and when that is over.
//!
//! A task that is to stop is a draining endpoint in the table from that revision on. A node that
//! says that it balances by it, or by a later one, sends it nothing new. When all nodes have said
//! so the task is released: its own node is told, lets the time for open connections pass, and
//! then stops it. A node that cannot be reached does not keep others waiting for long, and one
//! that is down not at all.
//!
//! A request always finds somebody who serves while the service has anybody: proxies balance by
//! the endpoints of one revision as a whole, so one that knows that a task leaves knows everybody
//! who had begun to run before that.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::{Drain, NodeId, NodeState, ObjectId, Revision, Task, TaskId, Timestamp};
use crate::state::{CHANGE_WRITES_MAX, Change, Event, Precondition, State, Step, Write};

/// The longest that nodes are waited for to confirm that they send a task nothing new. A node is
/// suspect after three heartbeats and down a while later; this lies between the two, so that one
/// that is only slow is waited for, and one that was cut off hardly delays anything.
pub const CONFIRM_TIME_MAX: Duration = Duration::from_secs(5);

/// The tasks that wait to be released. At the beginning it is not known which they are.
#[derive(Clone, Default, Debug)]
pub struct Drainer {
    known: bool,
    waiting: BTreeSet<TaskId>,
    wake_at: Option<Timestamp>,
    /// When it began to look: nobody can have confirmed anything to it before.
    began: Option<Timestamp>,
}

impl Drainer {
    /// Notes what happened.
    pub fn observe<'a>(&mut self, steps: impl IntoIterator<Item = &'a Step>) {
        let events = steps.into_iter().flat_map(|step| step.events.iter());
        let told = events.filter_map(|event| match event {
            Event::Task(delta) => delta.after.as_ref().filter(|task| task.is_leaving()),
            _ => None,
        });
        self.waiting.extend(told.map(|task| task.meta.id));
    }

    /// Notes that it is not known what happened.
    pub fn missed(&mut self) {
        self.known = false;
    }

    /// Whether any task may be waiting: then it matters what nodes confirm.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.known || !self.waiting.is_empty()
    }

    /// When time alone releases a task.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.wake_at
    }

    /// The change that releases those whose wait is over, if there are any. `confirmed` says by
    /// the endpoints of which revision a node balances, as far as is known. What is given is given
    /// again until it is in the state.
    pub fn turn(
        &mut self,
        state: &State,
        confirmed: &dyn Fn(NodeId) -> Revision,
        now: Timestamp,
    ) -> Option<Change> {
        self.look_at_all(state);
        self.wake_at = None;
        let began = *self.began.get_or_insert(now);
        let waits = |id: &TaskId| state.task(*id).is_some_and(|task| task.is_leaving());
        self.waiting.retain(waits);
        if self.waiting.is_empty() {
            return None;
        }
        let by_all = confirmed_by_all(state, confirmed);
        let mut writes = Vec::new();
        for (task, drain) in self.waiting.iter().filter_map(|id| drain(state, *id)) {
            let given_up_at = drain.told.max(began).after(CONFIRM_TIME_MAX);
            let unconfirmed = by_all < drain.told_revision;
            if unconfirmed && now < given_up_at && !cfg!(skep_bug = "drain_hurries") {
                self.wake_at = Some(self.wake_at.map_or(given_up_at, |at| at.min(given_up_at)));
            } else if writes.len() < CHANGE_WRITES_MAX {
                let task = task.meta.id;
                writes.push(Write::ReleaseTask { task, unconfirmed });
            }
        }
        (!writes.is_empty()).then(|| Change {
            preconditions: still_down(state),
            writes,
            time: now,
            ..Change::default()
        })
    }

    fn look_at_all(&mut self, state: &State) {
        if !std::mem::replace(&mut self.known, true) {
            let leaving = state.tasks().filter(|task| task.is_leaving());
            self.waiting.extend(leaving.map(|task| task.meta.id));
        }
    }
}

fn drain(state: &State, task: TaskId) -> Option<(&Task, Drain)> {
    let task = state.task(task)?;
    Some((task, task.drain?))
}

/// The newest revision that every node has confirmed which may send connections to anybody.
fn confirmed_by_all(state: &State, confirmed: &dyn Fn(NodeId) -> Revision) -> Revision {
    let nodes = state.nodes();
    let there = nodes.filter(|node| node.status.state != NodeState::Down);
    let least = there.map(|node| confirmed(node.meta.id)).min();
    least.unwrap_or(Revision(u64::MAX))
}

/// That the nodes nobody waited for are as they were: one that comes back meanwhile goes on by the
/// endpoints that it had.
fn still_down(state: &State) -> Vec<Precondition> {
    let nodes = state.nodes();
    let down = nodes.filter(|node| node.status.state == NodeState::Down);
    let same = down.map(|node| {
        let object = ObjectId::Node(node.meta.id);
        Precondition::Revision(object, node.meta.revision)
    });
    same.collect()
}

#[cfg(test)]
mod tests;
