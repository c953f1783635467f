// SPDX-License-Identifier: Apache-2.0
//! Writing tasks.

use std::sync::Arc;

use crate::model::{
    DesiredState, Drain, Meta, NodeId, NodeRef, ObjectId, Outcome, Released, Task, TaskId,
    TaskState, TaskStatus, Unplaced,
};
use crate::state::{NewTask, Observation, derive};

use super::{Before, Writing};

impl Writing<'_> {
    pub(super) fn create_task(&mut self, new: &NewTask) {
        let Some(service) = self.state.service(new.service).cloned() else {
            return;
        };
        let node = new.node.and_then(|id| self.node_ref(id));
        let place = match &node {
            Some(node) if new.slot == 0 => node.name.to_string(),
            _ => new.slot.to_string(),
        };
        let made_from = self.state.template(new.service, new.template_revision);
        let mut status = TaskStatus::pending(self.time);
        status.restart_time = new.restart_time;
        self.put_task(Task {
            meta: Meta::new(new.id, self.revision, self.time),
            name: format!("{}.{place}", service.spec.name).into(),
            service: new.service,
            service_name: service.spec.name.shared(),
            labels: service.spec.labels.clone(),
            slot: new.slot,
            attempt: new.attempt,
            template_revision: new.template_revision,
            image: made_from.map(|kept| kept.image()).unwrap_or_default(),
            node,
            desired: new.desired,
            status,
            running_since: None,
            restart: new.restart,
            outcome: Outcome::Open,
            step: new.step,
            drain: None,
        });
    }

    pub(super) fn assign(&mut self, task: TaskId, node: NodeId) {
        let Some(node) = self.node_ref(node) else {
            return;
        };
        let time = self.time;
        self.edit_task(task, |task| {
            if task.status.state == TaskState::Pending && task.is_wanted() {
                task.node = Some(node);
                task.status.unplaced = None;
                task.status.enter(TaskState::Assigned, time);
            }
        });
    }

    pub(super) fn node_ref(&self, id: NodeId) -> Option<NodeRef> {
        self.state.node(id).map(|node| NodeRef {
            id,
            name: node.spec.name.shared(),
        })
    }

    pub(super) fn set_unplaced(&mut self, task: TaskId, unplaced: &Arc<Unplaced>) {
        self.edit_task(task, |task| {
            if task.status.state == TaskState::Pending {
                task.status.unplaced = Some(unplaced.clone());
            }
        });
    }

    pub(super) fn set_desired(&mut self, id: TaskId, desired: DesiredState) {
        let (time, revision) = (self.time, self.revision);
        let Some(known) = self.state.task(id) else {
            return;
        };
        if desired == DesiredState::Running && self.state.place_is_busy(known) {
            return;
        }
        // Of a service that has no port any more the mesh sends nobody anything.
        let service = self.state.service(known.service);
        let in_mesh = service.is_none_or(|service| service.is_in_mesh());
        self.edit_task(id, |task| {
            let is_told = task.desired <= DesiredState::Running && desired > DesiredState::Running;
            if is_told && in_mesh && task.answers() {
                task.drain = Some(Drain {
                    told_revision: revision,
                    told: time,
                    released: None,
                });
            }
            task.desired = task.desired.max(desired);
            if task.desired > DesiredState::Ready {
                task.status.restart_time = None;
            }
            if task.desired > DesiredState::Running && task.status.state == TaskState::Pending {
                task.status.unplaced = None;
                task.status.reason = "STOPPED".into();
                task.status.message = "it was stopped before it had a node".into();
                task.status.enter(TaskState::Stopped, time);
            }
        });
    }

    pub(super) fn release(&mut self, id: TaskId, unconfirmed: bool) {
        let time = self.time;
        self.edit_task(id, |task| {
            if task.is_leaving()
                && let Some(drain) = &mut task.drain
            {
                drain.released = Some(Released { time, unconfirmed });
            }
        });
    }

    pub(super) fn observe(&mut self, task: TaskId, seen: &Observation) {
        if let Some(known) = self.state.task(task) {
            let (service, revision) = (known.service, known.template_revision);
            // What a node had, when the registry could not be asked, is nobody else's choice. That
            // is told by the reason, beside which there may be no room for another word; then a
            // later task pins.
            let is_new = known.status.image.is_empty();
            if is_new && seen.reason.is_empty() && !seen.state.is_terminal() {
                self.pin_image(service, revision, &seen.image);
            }
        }
        let time = self.time;
        self.edit_task(task, |task| {
            let status = &mut task.status;
            if status.state.is_terminal() || seen.state < status.state {
                return;
            }
            if seen.state > status.state {
                status.enter(seen.state, seen.time);
                if seen.state == TaskState::Running {
                    task.running_since = Some(time);
                    if let Some(step) = &mut task.step {
                        step.turn_over.get_or_insert(time);
                    }
                }
            }
            status.reason = seen.reason.clone();
            status.message = seen.message.clone();
            status.exit_code = seen.exit_code;
            status.signal = seen.signal;
            status.pid = seen.pid;
            if !seen.ports.is_empty() {
                status.ports = seen.ports.clone();
            }
            status.health = seen.health;
            status.health_message = seen.health_message.clone();
            for (known, seen) in [
                (&mut status.container, &seen.container),
                (&mut status.image, &seen.image),
            ] {
                if !seen.is_empty() {
                    known.clone_from(seen);
                }
            }
            if seen.state.is_terminal() {
                status.unplaced = None;
                status.restart_time = None;
            }
        });
    }

    pub(super) fn settle(&mut self, task: TaskId, outcome: Outcome) {
        self.edit_task(task, |task| {
            if task.is_terminal() {
                task.outcome = outcome;
            }
        });
    }

    pub(super) fn mark_stable(&mut self, task: TaskId) {
        self.edit_task(task, |task| {
            if task.status.state == TaskState::Running {
                task.restart.early_ends = 0;
            }
        });
    }

    pub(super) fn edit_task(&mut self, id: TaskId, edit: impl FnOnce(&mut Task)) {
        let Some(known) = self.state.task(id) else {
            return;
        };
        let mut task = Task::clone(known);
        edit(&mut task);
        if **known != task {
            task.meta.touch(self.revision, self.time);
            self.put_task(task);
        }
    }

    pub(super) fn put_task(&mut self, task: Task) {
        let id = task.meta.id;
        let task = Arc::new(task);
        let before = self.state.insert_task(task.clone());
        let comes_or_goes = before
            .as_ref()
            .is_none_or(|before| derive::keeps_node(before) != derive::keeps_node(&task));
        self.follow_task(&task, comes_or_goes);
        self.note_task(id, before);
    }

    pub(super) fn delete_task(&mut self, id: TaskId) {
        let Some(known) = self.state.task(id) else {
            return;
        };
        if self.state.may_run(known) {
            self.set_desired(id, DesiredState::Removed);
            return;
        }
        if let Some(before) = self.state.remove_task(id) {
            self.follow_task(&before, true);
            self.note_task(id, Some(before));
        }
    }

    pub(super) fn follow_task(&mut self, task: &Task, comes_or_goes: bool) {
        *self.services.entry(task.service).or_default() |= comes_or_goes;
        self.nodes.extend(task.node.as_ref().map(|node| node.id));
    }

    pub(super) fn note_task(&mut self, id: TaskId, before: Option<Arc<Task>>) {
        if self.seen.insert(ObjectId::Task(id)) {
            self.order.push(Before::Task(id, before));
        }
    }
}
