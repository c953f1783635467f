// SPDX-License-Identifier: Apache-2.0
//! What must hold for a change to be written at all.
//!
//! A change was decided on a view that may have aged since. Its guards make the worst case a
//! decision taken again: never two tasks in one place, two services of one name, or a task
//! without a service.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::{
    DesiredState, Meta, NodeId, NodeSpec, NodeState, ObjectId, Port, Revision, ServiceId, Task,
    TaskId, TaskState,
};

use super::index::{PortKey, fixed_host_keys, ingress_keys};
use super::overlap::{may_overlap, rollout_revision};
use super::{Change, NewTask, Precondition, Refusal, State, Write};

/// What the writes of a change that were looked at so far do to tasks.
#[derive(Default)]
struct Earlier {
    stopped: BTreeSet<TaskId>,
    deleted: BTreeSet<TaskId>,
    filled: BTreeSet<(ServiceId, u32, Option<NodeId>)>,
}

impl Earlier {
    fn note(&mut self, write: &Write) {
        match write {
            Write::SetDesired { task, desired } if *desired > DesiredState::Running => {
                self.stopped.insert(*task);
            }
            Write::DeleteTask { task } => {
                self.deleted.insert(*task);
            }
            Write::CreateTask(new) => {
                self.filled.insert((new.service, new.slot, new.node));
            }
            _ => {}
        }
    }
}

fn ground(object: ObjectId, holds: bool) -> Result<(), Refusal> {
    if holds {
        Ok(())
    } else {
        Err(Refusal::Changed(object))
    }
}

impl State {
    /// Whether the change can be written.
    pub(super) fn check(&self, change: &Change) -> Result<(), Refusal> {
        if let Some(request) = &change.request
            && self.requests.contains_key(&request.id)
        {
            return Err(Refusal::RequestKnown);
        }
        for precondition in &change.preconditions {
            self.check_precondition(*precondition)?;
        }
        self.check_rollout_ends(change)?;
        let mut earlier = Earlier::default();
        for write in &change.writes {
            self.check_write(write, &earlier)?;
            earlier.note(write);
        }
        Ok(())
    }

    fn check_precondition(&self, precondition: Precondition) -> Result<(), Refusal> {
        let (object, holds) = match precondition {
            Precondition::Revision(object, revision) => (
                object,
                self.revisions(object).map(|known| known.0) == Some(revision),
            ),
            Precondition::SpecRevision(object, revision) => (
                object,
                self.revisions(object).map(|known| known.1) == Some(revision),
            ),
            Precondition::RolloutRevision(service, revision) => (
                ObjectId::Service(service),
                self.service(service)
                    .is_some_and(|known| rollout_revision(known) == revision),
            ),
        };
        ground(object, holds)
    }

    /// The revisions of the last change of an object and of its spec.
    fn revisions(&self, object: ObjectId) -> Option<(Revision, Revision)> {
        fn of<I>(meta: &Meta<I>) -> (Revision, Revision) {
            (meta.revision, meta.spec_revision)
        }
        match object {
            ObjectId::Swarm(id) => self
                .swarm()
                .filter(|swarm| swarm.meta.id == id)
                .map(|swarm| of(&swarm.meta)),
            ObjectId::Node(id) => self.node(id).map(|node| of(&node.meta)),
            ObjectId::Service(id) => self.service(id).map(|service| of(&service.meta)),
            ObjectId::Task(id) => self.task(id).map(|task| of(&task.meta)),
        }
    }

    /// Whether the ground of a guarded write is still there.
    fn check_write(&self, write: &Write, earlier: &Earlier) -> Result<(), Refusal> {
        match write {
            Write::PutSwarm { id, .. } => ground(
                ObjectId::Swarm(*id),
                self.swarm().is_none_or(|swarm| swarm.meta.id == *id),
            ),
            Write::CreateNode { id, spec, .. } => {
                ground(ObjectId::Node(*id), self.node(*id).is_none())?;
                self.check_node_name(*id, spec)
            }
            Write::PutNodeSpec { node, spec } => {
                ground(ObjectId::Node(*node), self.node(*node).is_some())?;
                self.check_node_name(*node, spec)
            }
            Write::CreateService { id, spec, ports } => {
                ground(ObjectId::Service(*id), self.service(*id).is_none())?;
                match self.index.service_names.get(&spec.name.key()) {
                    Some(taken) => Err(Refusal::NameTaken(ObjectId::Service(*taken))),
                    None => self.check_ports(*id, &[], ports),
                }
            }
            Write::PutServiceSpec { service, ports, .. } => {
                let known = self.service(*service);
                let open = known.is_some_and(|service| !service.is_deleting());
                ground(ObjectId::Service(*service), open)?;
                let before = known.map_or(&[][..], |service| &service.ports);
                self.check_ports(*service, before, ports)
            }
            Write::ReuseTemplate {
                service,
                ports,
                revision,
                ..
            } => {
                let known = self.service(*service);
                let open = known.is_some_and(|service| !service.is_deleting());
                let kept = self.template(*service, *revision).is_some();
                ground(ObjectId::Service(*service), open && kept)?;
                let before = known.map_or(&[][..], |known| &known.ports);
                self.check_ports(*service, before, ports)
            }
            Write::SetRollout { service, rollout } => {
                let known = self.service(*service);
                let same = known.is_some_and(|known| known.template_revision == rollout.target);
                ground(ObjectId::Service(*service), same)
            }
            Write::DeleteService { service } => {
                let empty = self
                    .service_tasks(*service)
                    .all(|task| earlier.deleted.contains(&task.meta.id) && !self.may_run(task));
                ground(ObjectId::Service(*service), empty)
            }
            Write::CreateTask(new) => self.check_new_task(new, earlier),
            // Given up because its node is down or gone. If the node is there again, the task is
            // stopped and waited for instead. A change that deletes the node stops its tasks.
            Write::ObserveTask { task, observation }
                if observation.state == TaskState::Orphaned && !earlier.stopped.contains(task) =>
            {
                let known = self.task(*task);
                let given_up = known.is_none_or(|known| !self.may_run(known));
                ground(ObjectId::Task(*task), given_up)
            }
            _ => Ok(()),
        }
    }

    fn check_node_name(&self, id: NodeId, spec: &NodeSpec) -> Result<(), Refusal> {
        match self.index.node_names.get(&spec.name.key()) {
            Some(taken) if *taken != id => Err(Refusal::NameTaken(ObjectId::Node(*taken))),
            _ => Ok(()),
        }
    }

    /// An ingress port listens on every node: no other service has it, in the mesh or on hosts.
    fn check_ports(&self, id: ServiceId, before: &[Port], ports: &[Port]) -> Result<(), Refusal> {
        let in_mesh = |key: &PortKey| self.index.ingress.get(key).copied();
        let taken = ingress_keys(ports)
            .chain(fixed_host_keys(ports))
            .filter_map(|key| in_mesh(&key))
            .find(|owner| *owner != id)
            .or_else(|| self.on_hosts_of_others(id, before, ports));
        taken.map_or(Ok(()), |taken| Err(Refusal::PortTaken(taken)))
    }

    /// The other service that has a port on hosts which is new in the mesh. All services are
    /// looked at, but not for an update that leaves the ports as they are.
    fn on_hosts_of_others(
        &self,
        id: ServiceId,
        before: &[Port],
        ports: &[Port],
    ) -> Option<ServiceId> {
        let known: BTreeSet<PortKey> = ingress_keys(before).collect();
        let new: BTreeSet<PortKey> = ingress_keys(ports)
            .filter(|key| !known.contains(key))
            .collect();
        if new.is_empty() {
            return None;
        }
        let others = self.services().filter(|service| service.meta.id != id);
        let mut clashing =
            others.filter(|service| fixed_host_keys(&service.ports).any(|key| new.contains(&key)));
        clashing.next().map(|service| service.meta.id)
    }

    fn check_new_task(&self, new: &NewTask, earlier: &Earlier) -> Result<(), Refusal> {
        let known = self.service(new.service);
        let open = known.is_some_and(|service| !service.is_deleting());
        let made_from = self.template(new.service, new.template_revision).is_some();
        let node_there = new.node.is_none_or(|node| self.node(node).is_some());
        let place = (new.service, new.slot, new.node);
        let place_free = !earlier.filled.contains(&place) && self.is_place_free(new, earlier);
        ground(
            ObjectId::Service(new.service),
            open && made_from && node_there && place_free,
        )?;
        ground(ObjectId::Task(new.id), self.task(new.id).is_none())
    }

    /// Whether every task in a place leaves it to a new one, or may stay beside it.
    fn is_place_free(&self, new: &NewTask, earlier: &Earlier) -> bool {
        let mut beside = 0;
        for task in self.place_tasks(new.service, new.slot, new.node) {
            let told =
                task.desired > DesiredState::Running || earlier.stopped.contains(&task.meta.id);
            let overlaps = !told && new.step.is_some_and(|step| step.overlaps);
            let runs = new.desired >= DesiredState::Running && self.may_run(task);
            if runs && !overlaps {
                return false;
            }
            beside += usize::from(!told);
            if !told && (!new.beside || task.template_revision == new.template_revision) {
                return false;
            }
        }
        beside <= 1
    }

    /// The tasks of one place of a service: of a slot or, with one task a node, of a node.
    pub fn place_tasks(
        &self,
        service: ServiceId,
        slot: u32,
        node: Option<NodeId>,
    ) -> Box<dyn Iterator<Item = &Arc<Task>> + '_> {
        match node {
            Some(node) if slot == 0 => Box::new(
                self.node_tasks(node)
                    .filter(move |task| task.service == service && task.slot == 0),
            ),
            _ => Box::new(self.slot_tasks(service, slot)),
        }
    }

    /// Whether a task may be running, or may start, on a node that can be asked to stop it. Not
    /// if it has ended, has no node yet, or its node is down or gone.
    #[must_use]
    pub fn may_run(&self, task: &Task) -> bool {
        let placed = task.status.state >= TaskState::Assigned && !task.is_terminal();
        let node = task.node.as_ref().and_then(|node| self.node(node.id));
        placed && node.is_some_and(|node| node.status.state != NodeState::Down)
    }

    /// Whether another task in the place of this one may still run, beside which it may not.
    #[must_use]
    pub fn place_is_busy(&self, task: &Task) -> bool {
        let node = task.node.as_ref().map(|node| node.id);
        self.place_tasks(task.service, task.slot, node)
            .any(|other| {
                other.meta.id != task.meta.id && self.may_run(other) && !may_overlap(task, other)
            })
    }
}

#[cfg(test)]
mod tests;
