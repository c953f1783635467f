// SPDX-License-Identifier: Apache-2.0
//! The one who knows everything: what was applied, what was acknowledged, and what must
//! therefore be there.

use std::collections::BTreeMap;
use std::sync::Arc;

use skep_core::check::{Violation, invariants, step};
use skep_core::model::{NodeId, NodeState, ObjectId, Revision, TaskId, TaskState, Timestamp};
use skep_core::state::{Applied, Change, Event, State};

use super::consensus::{Consensus, Found};
use super::machine::Machine;
use super::process::place;
use super::user::Answer;

/// What is known of the life of a swarm so far, beyond all crashes.
#[derive(Default)]
pub(crate) struct Oracle {
    /// Every state that anyone may have seen.
    states: BTreeMap<Revision, State>,
    newest: State,
    /// What was on its way into the log when the manager died.
    in_flight: BTreeMap<Revision, Change>,
    /// What each request did.
    effects: BTreeMap<Arc<str>, Revision>,
    /// What users were told of theirs.
    acknowledged: BTreeMap<Arc<str>, (Revision, ObjectId)>,
    /// When each node was last written down or deleted, by the time of the log.
    down: BTreeMap<NodeId, Timestamp>,
}

impl Oracle {
    /// The newest state that anyone may have seen.
    pub(crate) fn newest(&self) -> &State {
        &self.newest
    }

    /// The state at a revision.
    pub(crate) fn state_at(&self, revision: Revision) -> Option<&State> {
        self.states.get(&revision)
    }

    /// How many requests were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// A change was applied; says what is wrong with that.
    pub(crate) fn applied(
        &mut self,
        change: &Change,
        applied: &Applied,
        state: &State,
    ) -> Vec<String> {
        let revision = applied.step.revision;
        let mut wrong = self.judge(state);
        if let Some(request) = change
            .request
            .as_ref()
            .filter(|_| applied.refusal.is_none())
            && let Some(first) = self.effects.insert(request.id.clone(), revision)
        {
            wrong.push(format!(
                "{} took effect at {first} and at {revision}",
                request.id
            ));
        }
        for event in applied.step.events.iter() {
            if let Event::Node(delta) = event
                && let Some(node) = delta.after.as_ref().or(delta.before.as_ref())
                && (delta.after.is_none() || node.status.state == NodeState::Down)
            {
                self.down.insert(node.meta.id, applied.step.time);
            }
        }
        self.remember(state);
        wrong
    }

    fn judge(&self, state: &State) -> Vec<String> {
        let found = invariants(state)
            .into_iter()
            .chain(step(&self.newest, state));
        found
            .map(|violation: Violation| violation.to_string())
            .collect()
    }

    fn remember(&mut self, state: &State) {
        self.states.insert(state.revision(), state.clone());
        self.newest = state.clone();
    }

    /// The manager died with these on their way.
    pub(crate) fn crashed(&mut self, in_flight: impl Iterator<Item = (Revision, Change)>) {
        self.in_flight.extend(in_flight);
    }

    /// A manager started and found this; says what is wrong with it.
    pub(crate) fn recovered(&mut self, log: &Consensus, found: &[Found]) -> Vec<String> {
        let mut wrong = Vec::new();
        let known = self.newest.revision();
        if log.state.revision() < known {
            wrong.push(format!("what was acknowledged up to {known} is lost"));
            return wrong;
        }
        for entry in found.iter().filter(|entry| entry.revision > known) {
            wrong.extend(self.found(entry));
        }
        self.in_flight.clear();
        for part in log.state.differences(&self.newest) {
            wrong.push(format!(
                "after the start, {part} differ from what they were"
            ));
        }
        for (id, (revision, object)) in &self.acknowledged {
            let record = log.state.request(id);
            let same =
                record.is_some_and(|r| r.revision == *revision && r.request.object == *object);
            if !same {
                wrong.push(format!("{id}, acknowledged at {revision}, is forgotten"));
            }
        }
        wrong
    }

    /// An entry was found that nobody was told of: it must have been on its way.
    fn found(&mut self, entry: &Found) -> Vec<String> {
        let mut state = self.newest.clone();
        let Some(change) = &entry.change else {
            state.skip(entry.revision);
            self.remember(&state);
            return Vec::new();
        };
        let mut wrong = Vec::new();
        if self.in_flight.get(&entry.revision) != Some(change) {
            wrong.push(format!("entry {} was never proposed so", entry.revision));
        }
        let applied = state.apply(entry.revision, change);
        wrong.extend(self.applied(change, &applied, &state));
        wrong
    }

    /// A user was answered; says what is wrong with that.
    pub(crate) fn answered(&mut self, id: &Arc<str>, answer: &Answer) -> Option<String> {
        let Answer::Done(revision, object) = answer else {
            return None;
        };
        self.acknowledged.insert(id.clone(), (*revision, *object));
        let effect = self.effects.get(id);
        (effect != Some(revision))
            .then(|| format!("{id} was told {revision}, and took effect at {effect:?}"))
    }

    /// Whether a task was started for all that managers know: then it must not be again, even by
    /// a node that remembers nothing.
    pub(crate) fn knows_of_start(&self, task: TaskId) -> bool {
        let task = self.newest.task(task);
        task.is_none_or(|task| task.status.state >= TaskState::Starting)
    }

    /// Whether a node was declared down, or deleted, since a task was made: then the task was replaced, and
    /// its agent may go by what it remembers until it hears of that.
    fn is_given_up(&self, node: NodeId, task: TaskId) -> bool {
        self.down.get(&node).is_some_and(|down| {
            let task = self.newest.task(task);
            task.is_none_or(|task| task.meta.create_time <= *down)
        })
    }

    /// Whether one of two tasks was made to take the place of the other while that runs.
    fn overlap(&self, one: TaskId, other: TaskId) -> bool {
        let (Some(one), Some(other)) = (self.newest.task(one), self.newest.task(other)) else {
            return false;
        };
        let newer = if one.attempt > other.attempt {
            one
        } else {
            other
        };
        let overlaps = newer.step.is_some_and(|step| step.overlaps);
        overlaps && one.template_revision != other.template_revision
    }

    /// What must not be of the processes on all machines: that two fill the same place, unless
    /// one was given up with its node, or a rollout starts first.
    pub(crate) fn processes(&self, machines: &[Machine]) -> Option<String> {
        let mut places = BTreeMap::new();
        for machine in machines {
            for (task, process) in machine.processes.running() {
                if self.is_given_up(machine.node, task) {
                    continue;
                }
                if let Some(other) = places.insert(place(&process.about, machine.node), task)
                    && !self.overlap(other, task)
                {
                    return Some(format!("{other} and {task} run in the same place"));
                }
            }
            let given_up = self.down.contains_key(&machine.node);
            if let Some((port, one, other)) = machine.processes.shared_host_port()
                && !given_up
            {
                return Some(format!("{one} and {other} both have port {port}"));
            }
        }
        None
    }
}
