// SPDX-License-Identifier: Apache-2.0
//! What one node was sent, and what it still has to be sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Labels, NodeId, Revision, ServiceId, TaskId};
use crate::state::State;

use super::item::Told;
use super::{
    AssignedTask, AssignedTemplate, Assignment, Assignments, EndpointTable, NodeAssignments,
    Unassignment, for_node,
};

/// What one node was sent. It outlives a session, so that the next one goes on where the last
/// one ended.
#[derive(Clone, Default, Debug)]
pub struct Tracker {
    tasks: BTreeMap<TaskId, Told>,
    templates: BTreeMap<(ServiceId, Revision), (Arc<Labels>, Arc<str>)>,
    /// Version of the endpoint table.
    endpoints: u64,
    /// The newest revision sent; nothing: everything is still to be sent.
    sent: Option<Revision>,
    /// The revision of the last step that changed anything: a node that has it has all.
    /// Nothing if that step had the revision of the one before it, and so tells nothing.
    resumable_from: Option<Revision>,
}

impl Tracker {
    /// Begins a session with a node that has everything after `after`, which is 0 if it has
    /// nothing. If that is not what was sent last, everything is sent anew.
    pub fn resume(&mut self, after: Revision) {
        let known = match (self.resumable_from, self.sent) {
            (Some(first), Some(last)) => after != Revision(0) && first <= after && after <= last,
            _ => false,
        };
        if known {
            self.sent = Some(after);
        } else {
            *self = Tracker::default();
        }
    }

    /// The newest revision sent; nothing: everything is still to be sent.
    #[must_use]
    pub fn sent(&self) -> Option<Revision> {
        self.sent
    }

    /// How what the node should have differs from what it was sent; it counts as sent from
    /// now on. Nothing if there is no difference.
    pub fn diff(
        &mut self,
        state: &State,
        table: &EndpointTable,
        node: NodeId,
    ) -> Option<Assignments> {
        let reset = self.sent.is_none() || table.after(self.endpoints).is_none();
        if reset {
            *self = Tracker::default();
        }
        let wanted = for_node(state, node);
        let mut step = Assignments {
            revision: state.revision(),
            reset,
            ..Assignments::default()
        };
        self.diff_templates(&wanted, &mut step);
        self.diff_tasks(&wanted, &mut step);
        self.forget_templates(&wanted, &mut step);
        self.diff_endpoints(table, &mut step);
        if step.is_empty() {
            return None;
        }
        let repeated = self.sent == Some(step.revision);
        self.resumable_from = (!repeated).then_some(step.revision);
        self.sent = Some(step.revision);
        Some(step)
    }

    /// Says that the node has everything through the present revision although nothing changed
    /// for it; nothing if it knows that, or if there is something to send first.
    pub fn progress(&mut self, state: &State) -> Option<Assignments> {
        let sent = self.sent.filter(|sent| *sent < state.revision())?;
        self.sent = Some(sent.max(state.revision()));
        Some(Assignments {
            revision: state.revision(),
            ..Assignments::default()
        })
    }

    fn diff_templates(&mut self, wanted: &NodeAssignments, step: &mut Assignments) {
        for (key, template) in &wanted.templates {
            let view = (template.service_labels.clone(), template.image.clone());
            if self.templates.get(key) != Some(&view) {
                self.templates.insert(*key, view);
                let template = AssignedTemplate::clone(template);
                step.put.push(Assignment::Template(template));
            }
        }
    }

    fn diff_tasks(&mut self, wanted: &NodeAssignments, step: &mut Assignments) {
        for (id, task) in &wanted.tasks {
            let view = Told::by(task);
            if self.tasks.insert(*id, view) != Some(view) {
                step.put.push(Assignment::Task(AssignedTask::clone(task)));
            }
        }
        self.tasks.retain(|id, _| {
            let keep = wanted.tasks.contains_key(id);
            if !keep && !cfg!(skep_bug = "keep_unassigned") {
                step.remove.push(Unassignment::Task(*id));
            }
            keep
        });
    }

    fn forget_templates(&mut self, wanted: &NodeAssignments, step: &mut Assignments) {
        self.templates.retain(|(service, revision), _| {
            let keep = wanted.templates.contains_key(&(*service, *revision));
            if !keep {
                let gone = Unassignment::Template(*service, *revision);
                step.remove.push(gone);
            }
            keep
        });
    }

    fn diff_endpoints(&mut self, table: &EndpointTable, step: &mut Assignments) {
        for (service, endpoints) in table.after(self.endpoints).into_iter().flatten() {
            match endpoints {
                Some(endpoints) => step.put.push(Assignment::Endpoints(endpoints.clone())),
                None if step.reset => {}
                None => step.remove.push(Unassignment::Endpoints(service)),
            }
        }
        self.endpoints = table.version();
    }
}
