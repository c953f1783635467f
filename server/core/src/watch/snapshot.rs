// SPDX-License-Identifier: Apache-2.0
//! The first state of a watch, given out part by part.

use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use imbl::OrdMap;

use crate::model::{NodeId, Revision, ServiceId, TaskId};
use crate::state::State;

use super::filter::{Change, Object, WatchEvent, WatchFilter};
use super::frame::Filling;

/// How far the first state was given out: the kind, and the last id of it.
#[derive(Debug)]
pub(super) struct Snapshot {
    state: State,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Swarm,
    Nodes(Option<NodeId>),
    Services(Option<ServiceId>),
    Tasks(Option<TaskId>),
    Done,
}

impl Snapshot {
    /// Of this state, with nothing given out yet.
    pub(super) fn of(state: &State) -> Snapshot {
        Snapshot {
            state: state.clone(),
            stage: Stage::Swarm,
        }
    }

    /// The revision of the state.
    pub(super) fn revision(&self) -> Revision {
        self.state.revision()
    }

    /// Adds objects of the first state; gives back whether these were the last.
    pub(super) fn fill<T>(
        &mut self,
        filter: &WatchFilter,
        frame: &mut Filling<T>,
        render: &mut impl FnMut(WatchEvent) -> (T, usize),
    ) -> bool {
        while let Some((object, stage)) = self.peek(filter) {
            let Some(object) = object else {
                self.stage = stage;
                continue;
            };
            let (event, size) = render(WatchEvent {
                change: Change::Added,
                object,
            });
            if !frame.has_room(size) {
                return false;
            }
            frame.push(event, size);
            self.stage = stage;
        }
        frame.closes_snapshot = true;
        true
    }

    /// The next object of the present stage, and the stage after it; without an object, the
    /// stage is over. Nothing once all are.
    fn peek(&self, filter: &WatchFilter) -> Option<(Option<Object>, Stage)> {
        let state = &self.state;
        Some(match self.stage {
            Stage::Swarm => {
                let swarm = state.swarm().filter(|_| filter.swarm).cloned();
                (swarm.map(Object::Swarm), Stage::Nodes(None))
            }
            Stage::Nodes(last) => {
                let wanted = filter.nodes.as_ref();
                let next = wanted.and_then(|f| next(&state.nodes, last, |node| f.matches(node)));
                match next {
                    Some(it) => (
                        Some(Object::Node(it.clone())),
                        Stage::Nodes(Some(it.meta.id)),
                    ),
                    None => (None, Stage::Services(None)),
                }
            }
            Stage::Services(last) => {
                let wanted = filter.services.as_ref();
                let next = wanted.and_then(|f| next(&state.services, last, |it| f.matches(it)));
                match next {
                    Some(it) => (
                        Some(Object::Service(it.clone())),
                        Stage::Services(Some(it.meta.id)),
                    ),
                    None => (None, Stage::Tasks(None)),
                }
            }
            Stage::Tasks(last) => {
                let wanted = filter.tasks.as_ref();
                let next = wanted.and_then(|f| next(&state.tasks, last, |it| f.matches(it)));
                match next {
                    Some(it) => (
                        Some(Object::Task(it.clone())),
                        Stage::Tasks(Some(it.meta.id)),
                    ),
                    None => (None, Stage::Done),
                }
            }
            Stage::Done => return None,
        })
    }
}

/// The first object after `last` that matches.
fn next<I: Ord + Copy, T>(
    objects: &OrdMap<I, Arc<T>>,
    last: Option<I>,
    matches: impl Fn(&T) -> bool,
) -> Option<&Arc<T>> {
    let from = last.map_or(Unbounded, Excluded);
    objects
        .range((from, Unbounded))
        .map(|(_, it)| it)
        .find(|it| matches(it))
}
