// SPDX-License-Identifier: Apache-2.0
//! Finding the one object that a text refers to: an id, the beginning of one, or a name.

use std::ops::RangeInclusive;
use std::sync::Arc;

use imbl::OrdMap;

use crate::model::{BadId, Node, NodeId, Service, ServiceId, Task, TaskId, name_key};

use super::State;

/// Fewest characters, prefix included, that may stand for an id.
pub const ID_BEGINNING_MIN: usize = 8;

/// Most candidates named when a beginning fits several ids.
pub const CANDIDATES_MAX: usize = 10;

/// What a text refers to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found<T, I> {
    /// This one object.
    One(Arc<T>),
    /// Nothing.
    None,
    /// The beginning of several ids, of which these are the first, and how many there are.
    Several(Vec<I>, usize),
}

impl State {
    /// The node that a text refers to.
    #[must_use]
    pub fn find_node(&self, text: &str) -> Found<Node, NodeId> {
        match self.index.node_names.get(name_key(text).as_ref()) {
            Some(id) => self.node(*id).cloned().map_or(Found::None, Found::One),
            None => by_beginning(&self.nodes, text, NodeId::range_of(text)),
        }
    }

    /// The service that a text refers to.
    #[must_use]
    pub fn find_service(&self, text: &str) -> Found<Service, ServiceId> {
        match self.index.service_names.get(name_key(text).as_ref()) {
            Some(id) => self.service(*id).cloned().map_or(Found::None, Found::One),
            None => by_beginning(&self.services, text, ServiceId::range_of(text)),
        }
    }

    /// The task that a text refers to: tasks go by id alone, since slots change hands.
    #[must_use]
    pub fn find_task(&self, text: &str) -> Found<Task, TaskId> {
        by_beginning(&self.tasks, text, TaskId::range_of(text))
    }
}

fn by_beginning<T, I: Ord + Copy>(
    objects: &OrdMap<I, Arc<T>>,
    text: &str,
    range: Result<RangeInclusive<I>, BadId>,
) -> Found<T, I> {
    let Ok(range) = range else { return Found::None };
    if text.len() < ID_BEGINNING_MIN {
        return Found::None;
    }
    let mut fitting = objects.range(range);
    let (Some((id, object)), second) = (fitting.next(), fitting.next()) else {
        return Found::None;
    };
    let Some((second, _)) = second else {
        return Found::One(object.clone());
    };
    let mut ids = vec![*id, *second];
    let mut count = 2;
    for (id, _) in fitting {
        count += 1;
        if ids.len() < CANDIDATES_MAX {
            ids.push(*id);
        }
    }
    Found::Several(ids, count)
}
