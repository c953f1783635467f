// SPDX-License-Identifier: Apache-2.0
//! Filters of tasks.

use crate::model::{DesiredState, NodeId, Requirement, ServiceId, Task, TaskId, TaskState};

use super::{Reference, any_or_empty};

/// An attribute that filters of every kind can ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ObjectKey {
    /// `name`
    Name,
    /// `labels.KEY`
    Label(String),
}

impl ObjectKey {
    /// Takes a text for a key; nothing if there is no such attribute.
    #[must_use]
    pub fn parse(text: &str) -> Option<ObjectKey> {
        match text.strip_prefix("labels.") {
            Some(key) if !key.is_empty() => Some(ObjectKey::Label(key.to_owned())),
            _ => (text == "name").then_some(ObjectKey::Name),
        }
    }
}

/// Which tasks.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TaskFilter {
    /// These.
    pub tasks: Vec<TaskId>,
    /// Of these services.
    pub services: Vec<Reference<ServiceId>>,
    /// On these nodes.
    pub nodes: Vec<Reference<NodeId>>,
    /// In one of these states.
    pub states: Vec<TaskState>,
    /// Wanted in one of these states.
    pub desired_states: Vec<DesiredState>,
    /// All must hold.
    pub requirements: Vec<Requirement<ObjectKey>>,
}

impl TaskFilter {
    /// Whether a task fits.
    #[must_use]
    pub fn matches(&self, task: &Task) -> bool {
        let on = |wanted: &Reference<NodeId>| {
            task.node
                .as_ref()
                .is_some_and(|node| wanted.means(&node.id, &node.name))
        };
        any_or_empty(&self.tasks, |id| *id == task.meta.id)
            && any_or_empty(&self.services, |s| {
                s.means(&task.service, &task.service_name)
            })
            && any_or_empty(&self.nodes, on)
            && any_or_empty(&self.states, |state| *state == task.status.state)
            && any_or_empty(&self.desired_states, |desired| *desired == task.desired)
            && self
                .requirements
                .iter()
                .all(|requirement| match &requirement.key {
                    ObjectKey::Name => requirement.holds(Some(&task.name)),
                    ObjectKey::Label(key) => {
                        requirement.holds(task.labels.get(key).map(String::as_str))
                    }
                })
    }
}
