// SPDX-License-Identifier: Apache-2.0
//! A world with agents that run processes, and a loop that wakes the orchestrator.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::{self, Violation};
use crate::model::*;
use crate::orchestrate::{Dirty, dirty};
use crate::schedule;
use crate::state::{Change, Observation, Write, derive};
use crate::testing::{World, every_node, replicated};

use super::acts::{Act, Program};

/// How many steps of its agent a process takes to stop.
const GRACE_STEPS: u32 = 4;

/// The state, the agents, and what the loop around the orchestrator remembers.
pub(super) struct Life {
    pub(super) world: World,
    pub(super) services: [ServiceId; 2],
    pub(super) nodes_made: u8,
    /// The processes that run on each node.
    pub(super) agents: BTreeMap<NodeId, BTreeSet<TaskId>>,
    /// Nodes that are cut off from the managers.
    pub(super) cut: BTreeSet<NodeId>,
    /// Of processes that were told to stop, for how many steps they will not.
    grace: BTreeMap<TaskId, u32>,
    /// Tasks that were on a node while it was down: they may run twice.
    lost: BTreeSet<TaskId>,
    dirty: Dirty,
    due: BTreeMap<ServiceId, Timestamp>,
}

impl Life {
    pub(super) fn new() -> Life {
        let mut world = World::with_nodes(3);
        let services = [
            world.create_service(replicated("web", 3)),
            world.create_service(every_node("agent")),
        ];
        let mut life = Life {
            world,
            services,
            nodes_made: 3,
            agents: BTreeMap::new(),
            cut: BTreeSet::new(),
            grace: BTreeMap::new(),
            lost: BTreeSet::new(),
            dirty: Dirty::all(),
            due: BTreeMap::new(),
        };
        life.orchestrate();
        life
    }

    pub(super) fn apply(&mut self, writes: impl IntoIterator<Item = Write>) {
        let change = Change {
            writes: writes.into_iter().collect(),
            time: self.world.now,
            ..Change::default()
        };
        assert!(self.apply_change(change), "nothing stands against it");
    }

    /// Whether the change was written. Every rule holds afterwards.
    pub(super) fn apply_change(&mut self, change: Change) -> bool {
        let (is_written, broken) = self.try_change(change);
        assert_eq!(broken, []);
        is_written
    }

    /// The same with a change that was decided some time ago.
    pub(super) fn apply_late(&mut self, change: Change) {
        let (_, broken) = self.try_change(change);
        assert_eq!(broken, []);
    }

    fn try_change(&mut self, mut change: Change) -> (bool, Vec<Violation>) {
        change.time = self.world.now;
        let before = self.world.state.clone();
        let applied = self.world.apply_change(change);
        let state = &self.world.state;
        self.dirty.merge(dirty(state, applied.step.events.iter()));
        let mut broken = check::invariants(state);
        broken.extend(check::step(&before, state));
        (applied.refusal.is_none(), broken)
    }

    /// What the orchestrator would do now.
    pub(super) fn decide(&mut self) -> Vec<Change> {
        let now = self.world.now;
        let plans = self.services.map(|service| self.world.plan(service));
        let plans = plans.into_iter().filter(|plan| !plan.is_empty());
        plans.map(|plan| plan.into_change(now)).collect()
    }

    /// Lets the orchestrator look at the services that something happened to, or whose time has
    /// come. Afterwards there is nothing to do for any.
    pub(super) fn orchestrate(&mut self) {
        let now = self.world.now;
        for service in self.services {
            let is_due = self.due.get(&service).is_some_and(|time| *time <= now);
            if is_due || self.dirty.all || self.dirty.services.contains(&service) {
                self.reconcile(service);
            }
        }
        self.dirty = Dirty::default();
        for service in self.services {
            let left = self.world.plan(service);
            assert!(left.is_empty(), "nobody saw to it: {left:?}");
            // A look too early does no harm, one too late does.
            let due = self.due.get(&service).copied();
            let in_time = left
                .wake_at
                .is_none_or(|at| due.is_some_and(|due| due <= at));
            assert!(in_time, "{:?} is missed: {due:?}", left.wake_at);
        }
        self.check_processes();
    }

    fn reconcile(&mut self, service: ServiceId) {
        for _ in 0..4 {
            let plan = self.world.plan(service);
            self.due.remove(&service);
            self.due.extend(plan.wake_at.map(|time| (service, time)));
            if plan.is_empty() {
                return;
            }
            let more = plan.more;
            let written = self.apply_change(plan.into_change(self.world.now));
            assert!(written, "nothing came in between");
            if !more {
                return;
            }
        }
        panic!("there is always more to do");
    }

    /// No place has two processes, but for those that were cut off.
    fn check_processes(&self) {
        let mut places = BTreeSet::new();
        for task in self.agents.values().flatten() {
            let Some(task) = self.world.state.task(*task) else {
                continue;
            };
            if !self.lost.contains(&task.meta.id) {
                let node = task.node.as_ref().map(|node| node.id);
                let node = node.filter(|_| task.slot == 0);
                let is_first = places.insert((task.service, task.slot, node));
                assert!(is_first, "{} runs twice", task.name);
            }
        }
    }

    pub(super) fn cut_off(&mut self, n: usize) {
        let Some(node) = self.node(n) else { return };
        let here = self.world.state.node_tasks(node).map(|task| task.meta.id);
        self.lost.extend(here);
        self.cut.insert(node);
        self.set_state(node, NodeState::Down);
    }

    /// The node is in session again, and says what it runs.
    pub(super) fn come_back(&mut self, n: usize) {
        let Some(node) = self.node(n) else { return };
        self.cut.remove(&node);
        self.set_state(node, NodeState::Ready);
        let tasks: Vec<_> = self.world.state.node_tasks(node).cloned().collect();
        for task in tasks {
            if self.agents.entry(node).or_default().contains(&task.meta.id) {
                self.observe(task.meta.id, task.status.state);
            }
        }
    }

    /// A new leader has not heard of the node yet.
    pub(super) fn forget_node(&mut self, n: usize) {
        if let Some(node) = self.node(n)
            && !self.cut.contains(&node)
        {
            self.set_state(node, NodeState::Unknown);
        }
    }

    fn set_state(&mut self, node: NodeId, state: NodeState) {
        let message = "".into();
        self.apply([Write::SetNodeState {
            node,
            state,
            message,
        }]);
    }

    fn observe(&mut self, task: TaskId, state: TaskState) {
        let observation = Observation::of(state, self.world.now);
        self.apply([Write::ObserveTask { task, observation }]);
    }

    /// One of the processes that a manager can hear of ends by itself.
    pub(super) fn end_task(&mut self, n: usize, state: TaskState) {
        let heard = self
            .agents
            .iter()
            .filter(|(node, _)| !self.cut.contains(node));
        let running: Vec<(NodeId, TaskId)> = heard
            .flat_map(|(node, tasks)| tasks.iter().map(|task| (*node, *task)))
            .collect();
        if let Some((node, task)) = running.get(n % running.len().max(1)) {
            self.agents.entry(*node).or_default().remove(task);
            self.observe(*task, state);
        }
    }

    pub(super) fn run_agents(&mut self) {
        let nodes: Vec<NodeId> = self.world.state.nodes().map(|node| node.meta.id).collect();
        for node in nodes {
            self.run_agent(node);
        }
    }

    /// Lets the agent of a node go one step with each of its tasks.
    pub(super) fn run_agent(&mut self, node: NodeId) {
        if self.cut.contains(&node) {
            return;
        }
        let tasks: Vec<_> = self.world.state.node_tasks(node).cloned().collect();
        let assigned: BTreeSet<TaskId> = tasks
            .iter()
            .filter(|task| task.occupies().is_some())
            .map(|task| task.meta.id)
            .collect();
        let processes = self.agents.entry(node).or_default();
        processes.retain(|task| assigned.contains(task));
        for task in tasks {
            if assigned.contains(&task.meta.id)
                && let Some(state) = self.run_task(node, &task)
            {
                self.observe(task.meta.id, state);
            }
        }
    }

    /// The state that a task comes to by one step of its agent.
    fn run_task(&mut self, node: NodeId, task: &Task) -> Option<TaskState> {
        let kept = self
            .world
            .state
            .template(task.service, task.template_revision);
        let program = Program::of(&kept.expect("a task has its template").template);
        let processes = self.agents.entry(node).or_default();
        match (task.desired, task.status.state) {
            (DesiredState::Stopped | DesiredState::Removed, _) => {
                let grace = self.grace.entry(task.meta.id).or_insert(GRACE_STEPS);
                *grace = grace.saturating_sub(1);
                if *grace > 0 && processes.contains(&task.meta.id) {
                    return None;
                }
                processes.remove(&task.meta.id);
                Some(TaskState::Stopped)
            }
            (_, state) if state < TaskState::Ready && program == Program::CannotStart => {
                Some(TaskState::Rejected)
            }
            (_, state) if state < TaskState::Ready => Some(TaskState::Ready),
            (DesiredState::Running, TaskState::Ready) => {
                processes.insert(task.meta.id);
                Some(TaskState::Starting)
            }
            (DesiredState::Running, TaskState::Starting) if program == Program::FailsToStart => {
                processes.remove(&task.meta.id);
                Some(TaskState::Failed)
            }
            (DesiredState::Running, TaskState::Starting) => Some(TaskState::Running),
            _ => None,
        }
    }

    /// No more faults, and specs that can be met.
    pub(super) fn heal(&mut self) {
        for n in 0..self.world.state.node_count() {
            self.come_back(n);
            self.act(Act::Availability(n, Availability::Active));
        }
        self.act(Act::Scale(3));
        for service in 0..self.services.len() {
            self.change_template(service, Program::Runs, RestartPolicy::default(), false);
        }
    }

    /// Lets everyone work until nothing moves and nothing is due.
    pub(super) fn come_to_rest(&mut self) {
        let mut quiet = 0;
        for _ in 0..1_000 {
            let before = self.world.state.revision();
            self.orchestrate();
            let writes = schedule::place(&self.world.state, self.world.now);
            if !writes.is_empty() {
                self.apply(writes);
            }
            self.run_agents();
            let next = self.due.values().min().copied();
            let is_quiet = before == self.world.state.revision();
            quiet = if is_quiet { quiet + 1 } else { 0 };
            match next {
                _ if quiet <= GRACE_STEPS => {}
                Some(time) => self.world.now = self.world.now.max(time),
                None => return self.check_rest(),
            }
        }
        panic!("it never comes to rest");
    }

    fn check_rest(&self) {
        for service in self.world.state.services() {
            let mut conditions = service.status.conditions.iter();
            let converged = conditions.find(|condition| condition.kind == derive::CONVERGED);
            let tasks: Vec<_> = self.world.state.service_tasks(service.meta.id).collect();
            assert!(
                converged.is_some_and(|c| c.holds),
                "{converged:?} {tasks:#?}"
            );
        }
        let running = self.agents.values().flatten().count();
        let wanted = self.world.state.services().map(|s| s.status.desired_tasks);
        assert_eq!(running, wanted.sum::<u32>() as usize);
        let history = self
            .world
            .state
            .swarm()
            .map(|swarm| swarm.spec.task_history());
        let most = (history.unwrap_or(5) as usize + 1) * self.world.state.node_count().max(3) * 2;
        assert!(self.world.state.task_count() <= most);
    }

    pub(super) fn delete_services(&mut self) {
        for service in self.services {
            self.apply([Write::MarkServiceDeleting { service }]);
        }
    }
}
