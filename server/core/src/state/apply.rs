// SPDX-License-Identifier: Apache-2.0
//! Applying a change: check it, write it, derive what follows, and say what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::model::{
    DesiredState, KeptTemplate, Meta, Mode, Node, NodeDescription, NodeId, NodeRef, NodeRole,
    NodeSpec, NodeState, NodeStatus, ObjectId, Outcome, Port, Revision, Service, ServiceId,
    ServiceSpec, ServiceStatus, Swarm, SwarmId, SwarmSpec, Task, TaskId, TaskState, TaskStatus,
    Timestamp, Unplaced,
};

use super::{
    Change, Delta, Event, NewTask, Observation, Refusal, Request, RequestRecord, State, Step,
    Write, derive,
};

/// How long an answered request is remembered.
pub const REQUEST_MEMORY: Duration = Duration::from_secs(3_600);

/// How many answered requests are remembered; of more, the oldest go first.
pub const REQUESTS_MAX: usize = 200_000;

/// What became of a change.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Why nothing was written; nothing: all was.
    pub refusal: Option<Refusal>,
    /// What it did; without events if it was refused.
    pub step: Step,
}

impl State {
    /// Applies the change that the log has at `revision`, which is later than any before.
    ///
    /// All of the change is written or nothing is. The result depends on the state and the
    /// arguments alone, so every manager comes to the same one.
    pub fn apply(&mut self, revision: Revision, change: &Change) -> Applied {
        self.revision = revision;
        self.time = self.time.max(change.time);
        let time = self.time;
        if let Err(refusal) = self.check(change) {
            let step = Step {
                revision,
                time,
                events: Arc::new([]),
            };
            return Applied {
                refusal: Some(refusal),
                step,
            };
        }
        let mut writing = Writing::new(self, revision, time);
        for write in &change.writes {
            writing.write(write);
        }
        let events = writing.finish();
        if let Some(request) = &change.request {
            self.remember(request.clone(), revision, time);
        }
        Applied {
            refusal: None,
            step: Step {
                revision,
                time,
                events,
            },
        }
    }

    /// Notes a log entry that changes nothing, such as a new leader's first.
    pub fn skip(&mut self, revision: Revision) {
        self.revision = revision;
    }

    fn remember(&mut self, request: Request, revision: Revision, time: Timestamp) {
        self.insert_request(Arc::new(RequestRecord {
            request,
            revision,
            time,
        }));
        while let Some((oldest, id)) = self.index.request_order.get_min().cloned() {
            let expired = self
                .requests
                .get(&id)
                .is_none_or(|record| time.since(record.time) > REQUEST_MEMORY);
            if !expired && self.requests.len() <= REQUESTS_MAX {
                break;
            }
            self.index.request_order.remove(&oldest);
            self.requests.remove(&id);
        }
    }
}

/// An object as it was before the change; nothing: it did not exist.
#[derive(Debug)]
enum Before {
    Swarm(Option<Arc<Swarm>>),
    Node(NodeId, Option<Arc<Node>>),
    Service(ServiceId, Option<Arc<Service>>),
    Task(TaskId, Option<Arc<Task>>),
}

/// A change while it is being written.
struct Writing<'a> {
    state: &'a mut State,
    revision: Revision,
    time: Timestamp,
    /// Objects written so far, in order of their first write.
    order: Vec<Before>,
    seen: BTreeSet<ObjectId>,
    /// Services and nodes whose derived part may have changed; of a service, whether the
    /// number of tasks wanted may have too.
    services: BTreeMap<ServiceId, bool>,
    nodes: BTreeSet<NodeId>,
}

impl<'a> Writing<'a> {
    fn new(state: &'a mut State, revision: Revision, time: Timestamp) -> Self {
        Writing {
            state,
            revision,
            time,
            order: Vec::new(),
            seen: BTreeSet::new(),
            services: BTreeMap::new(),
            nodes: BTreeSet::new(),
        }
    }

    fn write(&mut self, write: &Write) {
        match write {
            Write::PutSwarm { id, spec } => self.put_swarm(*id, spec),
            Write::CreateNode {
                id,
                spec,
                role,
                description,
            } => {
                self.create_node(*id, spec, *role, description);
            }
            Write::PutNodeSpec { node, spec } => self.edit_node(*node, |node, revision| {
                node.meta.spec_revision = revision;
                node.spec = spec.clone();
            }),
            Write::SetNodeState {
                node,
                state,
                message,
            } => {
                self.set_node_state(*node, *state, message);
            }
            Write::DescribeNode { node, description } => self.edit_node(*node, |node, _| {
                node.status.description = description.clone();
            }),
            Write::DeleteNode { node } => self.delete_node(*node),
            Write::CreateService { id, spec, ports } => self.create_service(*id, spec, ports),
            Write::PutServiceSpec {
                service,
                spec,
                ports,
                new_template,
            } => {
                self.put_service_spec(*service, spec, ports, *new_template);
            }
            Write::MarkServiceDeleting { service } => self.mark_deleting(*service),
            Write::DeleteService { service } => self.delete_service(*service),
            Write::DropTemplate { service, revision } => self.drop_template(*service, *revision),
            Write::CreateTask(new) => self.create_task(new),
            Write::AssignTask { task, node } => self.assign(*task, *node),
            Write::SetUnplaced { task, unplaced } => self.set_unplaced(*task, unplaced),
            Write::SetDesired { task, desired } => self.set_desired(*task, *desired),
            Write::ObserveTask { task, observation } => self.observe(*task, observation),
            Write::SettleTask { task, outcome } => self.settle(*task, *outcome),
            Write::DeleteTask { task } => self.delete_task(*task),
        }
    }

    // === the swarm and nodes ===

    fn put_swarm(&mut self, id: SwarmId, spec: &Arc<SwarmSpec>) {
        let before = self.state.swarm.clone();
        let mut meta = match &before {
            Some(swarm) => swarm.meta,
            None => Meta::new(id, self.revision, self.time),
        };
        meta.touch(self.revision, self.time);
        meta.spec_revision = self.revision;
        self.state.swarm = Some(Arc::new(Swarm {
            meta,
            spec: spec.clone(),
        }));
        if self.seen.insert(ObjectId::Swarm(id)) {
            self.order.push(Before::Swarm(before));
        }
    }

    fn create_node(
        &mut self,
        id: NodeId,
        spec: &Arc<NodeSpec>,
        role: NodeRole,
        description: &Arc<NodeDescription>,
    ) {
        let load = self.state.load(id);
        self.put_node(Node {
            meta: Meta::new(id, self.revision, self.time),
            spec: spec.clone(),
            status: NodeStatus {
                state: NodeState::Ready,
                message: "".into(),
                transition_time: self.time,
                description: description.clone(),
                role,
                reserved: load.reserved,
                active_tasks: load.active_tasks,
            },
        });
        self.every_node_services_follow();
    }

    fn set_node_state(&mut self, id: NodeId, state: NodeState, message: &Arc<str>) {
        let time = self.time;
        self.edit_node(id, |node, _| {
            if node.status.state != state {
                node.status.transition_time = time;
            }
            node.status.state = state;
            node.status.message = message.clone();
        });
    }

    fn edit_node(&mut self, id: NodeId, edit: impl FnOnce(&mut Node, Revision)) {
        let Some(known) = self.state.node(id) else {
            return;
        };
        let mut node = Node::clone(known);
        edit(&mut node, self.revision);
        if **known != node {
            node.meta.touch(self.revision, self.time);
            self.put_node(node);
            self.every_node_services_follow();
        }
    }

    fn delete_node(&mut self, id: NodeId) {
        if let Some(before) = self.state.remove_node(id) {
            self.note_node(id, Some(before));
            self.every_node_services_follow();
        }
    }

    fn put_node(&mut self, node: Node) {
        let id = node.meta.id;
        let before = self.state.insert_node(Arc::new(node));
        self.note_node(id, before);
    }

    fn note_node(&mut self, id: NodeId, before: Option<Arc<Node>>) {
        if self.seen.insert(ObjectId::Node(id)) {
            self.order.push(Before::Node(id, before));
        }
    }

    fn every_node_services_follow(&mut self) {
        for service in &self.state.index.every_node {
            self.services.insert(*service, true);
        }
    }

    // === services ===

    fn create_service(&mut self, id: ServiceId, spec: &Arc<ServiceSpec>, ports: &[Port]) {
        self.keep_template(id, spec, ports);
        self.put_service(Service {
            meta: Meta::new(id, self.revision, self.time),
            spec: spec.clone(),
            template_revision: self.revision,
            ports: ports.to_vec(),
            status: ServiceStatus::default(),
        });
    }

    fn put_service_spec(
        &mut self,
        id: ServiceId,
        spec: &Arc<ServiceSpec>,
        ports: &[Port],
        new_template: bool,
    ) {
        if new_template {
            self.keep_template(id, spec, ports);
        }
        self.edit_service(id, |service, revision| {
            service.meta.spec_revision = revision;
            service.spec = spec.clone();
            service.ports = ports.to_vec();
            if new_template {
                service.template_revision = revision;
            }
        });
    }

    fn keep_template(&mut self, service: ServiceId, spec: &ServiceSpec, ports: &[Port]) {
        let kept = KeptTemplate {
            template: spec.template.clone(),
            ports: ports.to_vec(),
        };
        self.state
            .templates
            .insert((service, self.revision), Arc::new(kept));
    }

    fn mark_deleting(&mut self, id: ServiceId) {
        let time = self.time;
        self.edit_service(id, |service, _| {
            service.meta.delete_time.get_or_insert(time);
        });
    }

    fn edit_service(&mut self, id: ServiceId, edit: impl FnOnce(&mut Service, Revision)) {
        let Some(known) = self.state.service(id) else {
            return;
        };
        let mut service = Service::clone(known);
        edit(&mut service, self.revision);
        if **known != service {
            service.meta.touch(self.revision, self.time);
            self.put_service(service);
        }
    }

    fn put_service(&mut self, service: Service) {
        let id = service.meta.id;
        let before = self.state.insert_service(Arc::new(service));
        self.note_service(id, before);
        self.services.insert(id, true);
    }

    fn delete_service(&mut self, id: ServiceId) {
        if let Some(before) = self.state.remove_service(id) {
            self.note_service(id, Some(before));
        }
    }

    fn note_service(&mut self, id: ServiceId, before: Option<Arc<Service>>) {
        if self.seen.insert(ObjectId::Service(id)) {
            self.order.push(Before::Service(id, before));
        }
    }

    fn drop_template(&mut self, service: ServiceId, revision: Revision) {
        let present = self
            .state
            .service(service)
            .map(|service| service.template_revision);
        let used = self
            .state
            .service_tasks(service)
            .any(|task| task.template_revision == revision);
        if present != Some(revision) && !used {
            self.state.templates.remove(&(service, revision));
        }
    }

    // === tasks ===

    fn create_task(&mut self, new: &NewTask) {
        let Some(service) = self.state.service(new.service).cloned() else {
            return;
        };
        let node = new.node.and_then(|id| self.node_ref(id));
        let place = match &node {
            Some(node) if new.slot == 0 => node.name.to_string(),
            _ => new.slot.to_string(),
        };
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
            node,
            desired: new.desired,
            status,
            restart: new.restart,
            outcome: Outcome::Open,
        });
    }

    fn assign(&mut self, task: TaskId, node: NodeId) {
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

    fn node_ref(&self, id: NodeId) -> Option<NodeRef> {
        self.state.node(id).map(|node| NodeRef {
            id,
            name: node.spec.name.shared(),
        })
    }

    fn set_unplaced(&mut self, task: TaskId, unplaced: &Arc<Unplaced>) {
        self.edit_task(task, |task| {
            if task.status.state == TaskState::Pending {
                task.status.unplaced = Some(unplaced.clone());
            }
        });
    }

    fn set_desired(&mut self, id: TaskId, desired: DesiredState) {
        let time = self.time;
        let Some(known) = self.state.task(id) else {
            return;
        };
        if desired == DesiredState::Running && self.state.place_is_busy(known) {
            return;
        }
        self.edit_task(id, |task| {
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

    fn observe(&mut self, task: TaskId, seen: &Observation) {
        self.edit_task(task, |task| {
            let status = &mut task.status;
            if status.state.is_terminal() || seen.state < status.state {
                return;
            }
            if seen.state > status.state {
                status.enter(seen.state, seen.time);
            }
            status.reason = seen.reason.clone();
            status.message = seen.message.clone();
            status.exit_code = seen.exit_code;
            status.signal = seen.signal;
            status.pid = seen.pid;
            if !seen.ports.is_empty() {
                status.ports = seen.ports.clone();
            }
            if seen.state.is_terminal() {
                status.unplaced = None;
                status.restart_time = None;
            }
        });
    }

    fn settle(&mut self, task: TaskId, outcome: Outcome) {
        self.edit_task(task, |task| {
            if task.is_terminal() {
                task.outcome = outcome;
            }
        });
    }

    fn edit_task(&mut self, id: TaskId, edit: impl FnOnce(&mut Task)) {
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

    fn put_task(&mut self, task: Task) {
        let id = task.meta.id;
        let task = Arc::new(task);
        let before = self.state.insert_task(task.clone());
        let comes_or_goes = before
            .as_ref()
            .is_none_or(|before| derive::keeps_node(before) != derive::keeps_node(&task));
        self.follow_task(&task, comes_or_goes);
        self.note_task(id, before);
    }

    fn delete_task(&mut self, id: TaskId) {
        let Some(known) = self.state.task(id) else {
            return;
        };
        if self.state.may_run(known) {
            return;
        }
        if let Some(before) = self.state.remove_task(id) {
            self.follow_task(&before, true);
            self.note_task(id, Some(before));
        }
    }

    fn follow_task(&mut self, task: &Task, comes_or_goes: bool) {
        *self.services.entry(task.service).or_default() |= comes_or_goes;
        self.nodes.extend(task.node.as_ref().map(|node| node.id));
    }

    fn note_task(&mut self, id: TaskId, before: Option<Arc<Task>>) {
        if self.seen.insert(ObjectId::Task(id)) {
            self.order.push(Before::Task(id, before));
        }
    }

    // === what follows ===

    fn finish(mut self) -> Arc<[Event]> {
        self.derive_nodes();
        self.derive_services();
        let state = self.state;
        self.order
            .into_iter()
            .filter_map(|before| event(state, before))
            .collect()
    }

    fn derive_nodes(&mut self) {
        for id in std::mem::take(&mut self.nodes) {
            let load = self.state.load(id);
            let Some(known) = self.state.node(id) else {
                continue;
            };
            let status = &known.status;
            if (status.reserved, status.active_tasks) != (load.reserved, load.active_tasks) {
                let mut node = Node::clone(known);
                node.status.reserved = load.reserved;
                node.status.active_tasks = load.active_tasks;
                node.meta.touch(self.revision, self.time);
                self.put_node(node);
            }
        }
    }

    fn derive_services(&mut self) {
        for (id, recount) in std::mem::take(&mut self.services) {
            let Some(known) = self.state.service(id) else {
                continue;
            };
            let desired = match known.spec.mode {
                _ if known.is_deleting() => 0,
                Mode::Replicated { replicas } => replicas.unwrap_or(1),
                Mode::EveryNode if recount => self.state.nodes_wanted(known),
                Mode::EveryNode => known.status.desired_tasks,
            };
            let status = derive::service_status(known, self.state.tally(id), desired, self.time);
            if known.status != status {
                let mut service = Service::clone(known);
                service.status = status;
                service.meta.touch(self.revision, self.time);
                let before = self.state.insert_service(Arc::new(service));
                self.note_service(id, before);
            }
        }
    }
}

impl State {
    /// On how many nodes a service with one task a node wants one.
    pub(super) fn nodes_wanted(&self, service: &Service) -> u32 {
        let holders: BTreeSet<NodeId> = self
            .service_tasks(service.meta.id)
            .filter(|task| derive::keeps_node(task))
            .filter_map(|task| task.node.as_ref().map(|node| node.id))
            .collect();
        let wanted = self
            .nodes()
            .filter(|node| derive::wants_node(service, node, holders.contains(&node.meta.id)))
            .count();
        u32::try_from(wanted).unwrap_or(u32::MAX)
    }
}

/// The event of an object that was written; nothing if it came and went in the same change.
fn event(state: &State, before: Before) -> Option<Event> {
    fn delta<T>(before: Option<Arc<T>>, after: Option<Arc<T>>) -> Option<Delta<T>> {
        (before.is_some() || after.is_some()).then_some(Delta { before, after })
    }
    match before {
        Before::Swarm(before) => delta(before, state.swarm.clone()).map(Event::Swarm),
        Before::Node(id, before) => delta(before, state.node(id).cloned()).map(Event::Node),
        Before::Service(id, before) => {
            delta(before, state.service(id).cloned()).map(Event::Service)
        }
        Before::Task(id, before) => delta(before, state.task(id).cloned()).map(Event::Task),
    }
}
