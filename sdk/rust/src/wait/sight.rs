// SPDX-License-Identifier: Apache-2.0
//! What is seen of a service while waiting for it.

use std::collections::BTreeMap;

use crate::v1::{Service, Task, TaskState, Unplaced};
use crate::view::{Identified, Object};
use crate::watch::WatchEvent;

/// What is seen of a service while waiting.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sight {
    /// The service; none: not seen yet, or gone.
    pub service: Option<Service>,
    /// Its tasks, by id, ended ones that are kept included.
    pub tasks: BTreeMap<String, Task>,
    /// The revision all of this was at.
    pub revision: u64,
}

impl Sight {
    /// Takes in an event of a watch on one service and its tasks.
    pub fn apply(&mut self, event: WatchEvent<Object>) {
        match event {
            WatchEvent::Reset(objects) => {
                *self = Self::default();
                objects.into_iter().for_each(|object| self.put(object));
            }
            WatchEvent::Added(object) | WatchEvent::Changed(object) => self.put(object),
            WatchEvent::Left(object) | WatchEvent::Deleted(object) => self.remove(&object),
            WatchEvent::Progress { revision, .. } => self.revision = revision,
        }
    }

    fn put(&mut self, object: Object) {
        match object {
            Object::Service(service) => self.service = Some(service),
            Object::Task(task) => {
                self.tasks.insert(task.id().to_owned(), task);
            }
            Object::Node(_) | Object::Swarm(_) => {}
        }
    }

    fn remove(&mut self, object: &Object) {
        match object {
            Object::Service(_) => self.service = None,
            Object::Task(task) => {
                self.tasks.remove(task.id());
            }
            Object::Node(_) | Object::Swarm(_) => {}
        }
    }

    /// Why tasks that should run have no node: one entry for all tasks with the same causes.
    #[must_use]
    pub fn unplaced(&self) -> Vec<Unplaced> {
        let mut found: Vec<Unplaced> = Vec::new();
        for task in self.tasks.values().filter(|task| wants_to_run(task)) {
            let Some(status) = &task.status else { continue };
            if status.state() != TaskState::Pending {
                continue;
            }
            if let Some(unplaced) = &status.unplaced
                && !found.iter().any(|known| known.causes == unplaced.causes)
            {
                found.push(unplaced.clone());
            }
        }
        found
    }
}

pub(super) fn wants_to_run(task: &Task) -> bool {
    task.desired_state() <= TaskState::Running
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::unplaced::Cause;
    use crate::v1::{Meta, TaskStatus};

    #[test]
    fn pending_tasks_tell_why_once() {
        let task = |id: &str, state: TaskState, desired: TaskState, message: &str| {
            let cause = Cause {
                message: message.into(),
                nodes: 1,
                ..Cause::default()
            };
            let unplaced = Unplaced {
                causes: vec![cause],
                ..Unplaced::default()
            };
            let status = TaskStatus {
                state: state.into(),
                unplaced: Some(unplaced),
                ..TaskStatus::default()
            };
            let meta = Meta {
                id: id.into(),
                ..Meta::default()
            };
            let task = Task {
                meta: Some(meta),
                desired_state: desired.into(),
                status: Some(status),
                ..Task::default()
            };
            (id.to_owned(), task)
        };
        let (pending, running) = (TaskState::Pending, TaskState::Running);
        let sight = Sight {
            tasks: BTreeMap::from([
                task("a", pending, running, "needs 4 GiB"),
                task("b", pending, running, "needs 4 GiB"),
                task("c", running, running, "ran out"),
                task("d", pending, TaskState::Removed, "not wanted"),
                task("e", pending, running, "other"),
            ]),
            ..Sight::default()
        };
        let causes: Vec<_> = sight
            .unplaced()
            .iter()
            .map(|u| u.causes[0].message.clone())
            .collect();
        assert_eq!(causes, ["needs 4 GiB", "other"]);
    }
}
