// SPDX-License-Identifier: Apache-2.0
//! The steps that watches may still ask for, and past states made from them.

use std::sync::Arc;
use std::time::Duration;

use imbl::Vector;

use crate::model::{Revision, Service, Task, Timestamp};

use super::{Delta, Event, State, Step};

/// How much history is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HistoryLimits {
    /// At least this long.
    pub span: Duration,
    /// But not more than about this many bytes.
    pub bytes_max: usize,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        HistoryLimits {
            span: Duration::from_secs(600),
            bytes_max: 256 << 20,
        }
    }
}

impl HistoryLimits {
    /// What the swarm wants kept.
    #[must_use]
    pub fn of(state: &State) -> HistoryLimits {
        let usual = HistoryLimits::default();
        let swarm = state.swarm();
        HistoryLimits {
            span: swarm.map_or(usual.span, |swarm| swarm.spec.watch_history()),
            ..usual
        }
    }
}

/// A rough price of one event in memory: two objects, of which a later event shares one.
const EVENT_BYTES: usize = 700;
/// And of a step without any.
const STEP_BYTES: usize = 64;

/// The newest steps, without gaps, in order. A clone costs next to nothing.
#[derive(Clone, Default, Debug)]
pub struct History {
    steps: Vector<Step>,
    compacted: Revision,
    head: Revision,
    bytes: usize,
    limits: HistoryLimits,
}

impl History {
    /// A history that begins after `revision`.
    #[must_use]
    pub fn starting_after(revision: Revision, limits: HistoryLimits) -> History {
        History {
            compacted: revision,
            head: revision,
            limits,
            ..History::default()
        }
    }

    /// Sets how much is kept from now on.
    pub fn set_limits(&mut self, limits: HistoryLimits) {
        self.limits = limits;
    }

    /// Everything after this revision is here; what came before it is gone.
    #[must_use]
    pub fn compacted(&self) -> Revision {
        self.compacted
    }

    /// The newest revision.
    #[must_use]
    pub fn head(&self) -> Revision {
        self.head
    }

    /// The steps kept, oldest first.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = &Step> {
        self.steps.iter()
    }

    /// Adds the newest step, and forgets what is too old or too much.
    pub fn push(&mut self, step: Step) {
        self.head = step.revision;
        let now = step.time;
        if !step.events.is_empty() {
            self.bytes += price(&step);
            self.steps.push_back(step);
        }
        self.forget(now);
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some(oldest) = self.steps.front() {
            let too_old = now.since(oldest.time) > self.limits.span;
            if !too_old && self.bytes <= self.limits.bytes_max {
                break;
            }
            self.compacted = oldest.revision;
            self.bytes -= price(oldest);
            self.steps.pop_front();
        }
    }

    /// The steps after `revision`, oldest first, to keep; nothing if some of them are gone.
    #[must_use]
    pub fn after(&self, revision: Revision) -> Option<Vector<Step>> {
        let first = self.first_after(revision)?;
        Some(self.steps.skip(first))
    }

    /// The same to look at, without a copy.
    pub fn since(&self, revision: Revision) -> Option<impl Iterator<Item = &Step>> {
        let first = self.first_after(revision)?;
        Some(self.steps.focus().narrow(first..).into_iter())
    }

    /// The place of the first step after `revision`.
    fn first_after(&self, revision: Revision) -> Option<usize> {
        if revision < self.compacted {
            return None;
        }
        let first = match self
            .steps
            .binary_search_by(|step| step.revision.cmp(&revision))
        {
            Ok(found) => found + 1,
            Err(next) if cfg!(skep_bug = "watch_skips") => next + 1,
            Err(next) => next,
        };
        Some(first)
    }

    /// The objects of `state`, the newest one, as they were at `revision`: later steps are
    /// undone. Only objects are right in the result, not what is looked up otherwise than by
    /// id. Nothing if the steps are gone.
    #[must_use]
    pub fn objects_at(&self, state: &State, revision: Revision) -> Option<State> {
        if revision < self.compacted || revision > state.revision {
            return None;
        }
        let mut past = state.clone();
        past.revision = revision;
        for step in self
            .steps
            .iter()
            .rev()
            .take_while(|step| step.revision > revision)
        {
            if step.revision <= state.revision {
                step.events
                    .iter()
                    .rev()
                    .for_each(|event| undo(&mut past, event));
            }
        }
        Some(past)
    }
}

fn price(step: &Step) -> usize {
    STEP_BYTES + step.events.len() * EVENT_BYTES
}

fn undo(state: &mut State, event: &Event) {
    fn restore<I: Ord + Clone, T>(
        map: &mut imbl::OrdMap<I, Arc<T>>,
        delta: &Delta<T>,
        id: impl Fn(&T) -> I,
    ) {
        match (&delta.before, &delta.after) {
            (Some(before), _) => {
                map.insert(id(before), before.clone());
            }
            (None, Some(after)) => {
                map.remove(&id(after));
            }
            (None, None) => {}
        }
    }
    match event {
        Event::Swarm(delta) => state.swarm = delta.before.clone(),
        Event::Node(delta) => restore(&mut state.nodes, delta, |node| node.meta.id),
        Event::Service(delta) => {
            restore(&mut state.services, delta, |service: &Service| {
                service.meta.id
            });
        }
        Event::Task(delta) => restore(&mut state.tasks, delta, |task: &Task| task.meta.id),
    }
}
