// SPDX-License-Identifier: Apache-2.0
//! What a node was given, as it remembers it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::{Revision, ServiceEndpoints, ServiceId, TaskId};

use super::{AssignedTask, AssignedTemplate, Assignment, Assignments, Unassignment};

/// Frames of a step that has not ended.
#[derive(Clone, Default, Debug)]
pub struct Inbox {
    step: Assignments,
}

impl Inbox {
    /// Takes a frame; gives the whole step with its last one.
    pub fn take(&mut self, frame: Assignments) -> Option<Assignments> {
        if frame.reset {
            self.step = Assignments::default();
        }
        self.step.reset |= frame.reset;
        self.step.put.extend(frame.put);
        self.step.remove.extend(frame.remove);
        if frame.revision == Revision(0) {
            return None;
        }
        self.step.revision = frame.revision;
        Some(std::mem::take(&mut self.step))
    }
}

/// Everything a node was given. Plain data: the node keeps it on disk and goes by it while no
/// manager can be reached.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Held {
    /// It has everything through this revision; 0: nothing yet.
    pub revision: Revision,
    /// Tasks.
    pub tasks: BTreeMap<TaskId, AssignedTask>,
    /// What they are made from.
    pub templates: BTreeMap<(ServiceId, Revision), AssignedTemplate>,
    /// Where services answer.
    pub endpoints: BTreeMap<ServiceId, Arc<ServiceEndpoints>>,
}

/// What a step changed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct HeldChange {
    /// Tasks that are new, different or gone.
    pub tasks: BTreeSet<TaskId>,
    /// Whether any template is new, different or gone.
    pub templates: bool,
    /// Services whose endpoints are new, different or gone.
    pub endpoints: BTreeSet<ServiceId>,
}

impl HeldChange {
    /// Whether nothing changed that has to be remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty() && !self.templates && self.endpoints.is_empty()
    }
}

/// A step that is older than what the node has: it came from a manager that knows less than
/// another one did, and must not be obeyed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GoesBack {
    /// What the node has.
    pub held: Revision,
    /// What it was sent.
    pub sent: Revision,
}

impl std::fmt::Display for GoesBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "assignments of revision {} came after those of revision {}: this manager knows \
             less than one before it",
            self.sent, self.held
        )
    }
}

impl std::error::Error for GoesBack {}

impl Held {
    /// Takes over a whole step.
    ///
    /// # Errors
    /// If the step is older than what is held; nothing is changed then.
    pub fn apply(&mut self, step: Assignments) -> Result<HeldChange, GoesBack> {
        if step.revision < self.revision {
            return Err(GoesBack {
                held: self.revision,
                sent: step.revision,
            });
        }
        self.revision = step.revision;
        let mut change = HeldChange::default();
        if step.reset {
            self.drop_missing(&step, &mut change);
        }
        for item in step.put {
            self.put(item, &mut change);
        }
        for item in step.remove {
            self.remove(item, &mut change);
        }
        Ok(change)
    }

    /// Drops what a whole set does not hold.
    fn drop_missing(&mut self, step: &Assignments, change: &mut HeldChange) {
        let mut tasks = BTreeSet::new();
        let mut templates = BTreeSet::new();
        let mut endpoints = BTreeSet::new();
        for item in &step.put {
            match item {
                Assignment::Task(task) => _ = tasks.insert(task.id),
                Assignment::Template(t) => _ = templates.insert((t.service, t.revision)),
                Assignment::Endpoints(e) => _ = endpoints.insert(e.service),
            }
        }
        let gone: Vec<_> = self.tasks.keys().filter(|id| !tasks.contains(id)).collect();
        let gone = gone.into_iter().map(|id| Unassignment::Task(*id));
        let templates_gone = self.templates.keys().filter(|key| !templates.contains(key));
        let templates_gone = templates_gone.map(|(s, r)| Unassignment::Template(*s, *r));
        let endpoints_gone = self.endpoints.keys().filter(|id| !endpoints.contains(id));
        let endpoints_gone = endpoints_gone.map(|id| Unassignment::Endpoints(*id));
        let gone: Vec<_> = gone.chain(templates_gone).chain(endpoints_gone).collect();
        for item in gone {
            self.remove(item, change);
        }
    }

    fn put(&mut self, item: Assignment, change: &mut HeldChange) {
        match item {
            Assignment::Task(task) => {
                let id = task.id;
                if self.tasks.insert(id, task.clone()).as_ref() != Some(&task) {
                    change.tasks.insert(id);
                }
            }
            Assignment::Template(template) => {
                let key = (template.service, template.revision);
                let before = self.templates.insert(key, template.clone());
                change.templates |= before.as_ref() != Some(&template);
            }
            Assignment::Endpoints(endpoints) => {
                let service = endpoints.service;
                let before = self.endpoints.insert(service, endpoints.clone());
                if before.as_ref() != Some(&endpoints) {
                    change.endpoints.insert(service);
                }
            }
        }
    }

    fn remove(&mut self, item: Unassignment, change: &mut HeldChange) {
        match item {
            Unassignment::Task(id) => {
                if self.tasks.remove(&id).is_some() {
                    change.tasks.insert(id);
                }
            }
            Unassignment::Template(service, revision) => {
                change.templates |= self.templates.remove(&(service, revision)).is_some();
            }
            Unassignment::Endpoints(service) => {
                if self.endpoints.remove(&service).is_some() {
                    change.endpoints.insert(service);
                }
            }
        }
    }

    /// What a task is made from.
    #[must_use]
    pub fn template_of(&self, task: &AssignedTask) -> Option<&AssignedTemplate> {
        self.templates.get(&(task.service, task.template_revision))
    }
}
