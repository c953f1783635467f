// SPDX-License-Identifier: Apache-2.0
//! What one node should run.

use std::collections::BTreeMap;

use crate::model::{NodeId, Revision, ServiceId, Task, TaskId, TaskState};
use crate::state::State;

use super::{AssignedTask, AssignedTemplate};

/// The tasks of one node and what they are made from.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct NodeAssignments {
    /// The tasks.
    pub tasks: BTreeMap<TaskId, AssignedTask>,
    /// Templates of those that have not ended.
    pub templates: BTreeMap<(ServiceId, Revision), AssignedTemplate>,
}

/// Whether a task is a matter of its node: from the moment it is assigned until it is
/// forgotten, so that its node keeps the logs of one that ended. An orphaned task is none: it
/// was replaced, and must stop if it still runs.
pub(super) fn is_assigned(task: &Task) -> bool {
    task.node.is_some()
        && task.status.state >= TaskState::Assigned
        && task.status.state != TaskState::Orphaned
}

/// What a node should run.
#[must_use]
pub fn for_node(state: &State, node: NodeId) -> NodeAssignments {
    let mut set = NodeAssignments::default();
    for task in state.node_tasks(node).filter(|task| is_assigned(task)) {
        set.tasks.insert(task.meta.id, AssignedTask::of(task));
        let key = (task.service, task.template_revision);
        if !task.is_terminal() && !set.templates.contains_key(&key) {
            set.templates
                .extend(template(state, task).map(|template| (key, template)));
        }
    }
    set
}

/// What a task is made from.
fn template(state: &State, task: &Task) -> Option<AssignedTemplate> {
    let kept = state.template(task.service, task.template_revision)?;
    let service = state.service(task.service)?;
    Some(AssignedTemplate {
        service: task.service,
        revision: task.template_revision,
        template: kept.template.clone(),
        ports: kept.ports.clone(),
        image: kept.image.clone(),
        service_name: service.spec.name.shared(),
        service_labels: service.spec.labels.clone(),
    })
}
