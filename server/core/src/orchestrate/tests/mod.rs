// SPDX-License-Identifier: Apache-2.0
//! Plans as text, one line a write, for each rule; and random lives of a service.
//!
//! A task is written as its name and attempt: "web.3#2". Times count from the beginning of the
//! test.

mod crash_loop;
mod dirty;
mod every_node;
mod life;
mod node_loss;
mod reaper;
mod replicated;
mod restart;
mod rollout;

use std::sync::Arc;

use crate::admit::{Admitted, Context, RolloutAction, control_rollout};
use crate::check;
use crate::model::*;
use crate::state::{NewTask, Observation, State, Write};
use crate::testing::World;

use super::Plan;

/// One service in a small world, with shorthands that go by task names.
pub(super) struct Case {
    pub(super) world: World,
    pub(super) service: ServiceId,
    start: Timestamp,
    versions: Vec<Revision>,
}

impl Case {
    pub(super) fn new(nodes: u8, spec: ServiceSpec) -> Case {
        let mut world = World::with_nodes(nodes);
        let service = world.create_service(spec);
        Case {
            start: world.now,
            versions: vec![world.state.revision()],
            world,
            service,
        }
    }

    /// With all its tasks running: those of slots on the nodes in turn.
    pub(super) fn running(nodes: u8, spec: ServiceSpec) -> Case {
        let mut case = Case::new(nodes, spec);
        case.settle();
        case.pass_ms(5_000);
        case.settle();
        case.start = case.world.now;
        case
    }

    /// The plan as text. It is applied, and leaves nothing to do.
    pub(super) fn plan(&mut self) -> String {
        let before = self.world.state.clone();
        let plan = self.apply_plan();
        self.render(&before, &plan)
    }

    pub(super) fn apply_plan(&mut self) -> Plan {
        let before = self.world.state.clone();
        let plan = self.world.reconcile(self.service);
        let again = self.world.plan(self.service);
        assert!(plan.more || again.is_empty(), "not done: {again:?}");
        assert!(
            plan.more || plan.wake_at == again.wake_at,
            "{:?}, then {:?}",
            plan.wake_at,
            again.wake_at
        );
        assert_eq!(check::invariants(&self.world.state), []);
        assert_eq!(check::step(&before, &self.world.state), []);
        plan
    }

    /// Reconciles, places and runs tasks until nothing moves.
    pub(super) fn settle(&mut self) {
        for _ in 0..100 {
            let plan = self.apply_plan();
            if !self.step() && plan.is_empty() {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// Moves every task to where it should be; whether any moved.
    pub(super) fn step(&mut self) -> bool {
        let tasks: Vec<Arc<Task>> = self
            .world
            .state
            .service_tasks(self.service)
            .cloned()
            .collect();
        let before = self.world.state.revision();
        for task in tasks.iter().filter(|task| !task.is_terminal()) {
            self.step_task(task);
        }
        before != self.world.state.revision()
    }

    fn step_task(&mut self, task: &Task) {
        let id = task.meta.id;
        let state = task.status.state;
        match task.desired {
            DesiredState::Stopped | DesiredState::Removed => {
                self.world.observe(id, TaskState::Stopped);
            }
            _ if state == TaskState::Pending => {
                let count = self.world.state.node_count() as u128;
                let spread = NodeId(u128::from(task.slot.max(1) - 1) % count + 1);
                let node = task.node.as_ref().map_or(spread, |node| node.id);
                self.world.apply([Write::AssignTask { task: id, node }]);
            }
            DesiredState::Ready if state < TaskState::Ready => {
                self.world.observe(id, TaskState::Ready);
            }
            DesiredState::Running if state < TaskState::Running => {
                self.world.observe(id, TaskState::Running);
            }
            _ => {}
        }
    }

    /// The newest task of this name.
    pub(super) fn task(&self, name: &str) -> Arc<Task> {
        self.world
            .state
            .service_tasks(self.service)
            .filter(|task| &*task.name == name)
            .max_by_key(|task| task.attempt)
            .unwrap_or_else(|| panic!("no task {name}"))
            .clone()
    }

    pub(super) fn task_of(&self, name: &str, attempt: u32) -> Arc<Task> {
        self.world
            .state
            .service_tasks(self.service)
            .find(|task| &*task.name == name && task.attempt == attempt)
            .unwrap_or_else(|| panic!("no task {name}#{attempt}"))
            .clone()
    }

    /// Whether a condition of the service holds.
    pub(super) fn holds(&self, kind: &str) -> bool {
        let known = self.world.state.service(self.service).expect("it is there");
        let mut conditions = known.status.conditions.iter();
        conditions.any(|condition| condition.kind == kind && condition.holds)
    }

    pub(super) fn observe(&mut self, name: &str, state: TaskState) {
        let id = self.task(name).meta.id;
        self.world.observe(id, state);
    }

    /// A task ends with its engine.
    pub(super) fn end_with_engine(&mut self, name: &str) {
        let task = self.task(name).meta.id;
        let ended = Observation::of(TaskState::Failed, self.world.now);
        let observation = ended.because(ENGINE_LOST, "ended with code 137");
        self.world.apply([Write::ObserveTask { task, observation }]);
    }

    /// Stops a task as a user would.
    pub(super) fn stop(&mut self, task: TaskId) {
        self.world.apply([Write::SetDesired {
            task,
            desired: DesiredState::Stopped,
        }]);
    }

    pub(super) fn pass_ms(&mut self, millis: i64) {
        self.world.now = Timestamp(self.world.now.0 + millis * 1_000_000);
    }

    /// Gives the service another spec.
    pub(super) fn update(&mut self, edit: impl FnOnce(&mut ServiceSpec)) {
        let known = self.world.state.service(self.service).expect("it is there");
        let mut spec = ServiceSpec::clone(&known.spec);
        edit(&mut spec);
        let new_template = spec.template != known.spec.template || spec.ports != known.spec.ports;
        let ports = spec.ports.clone();
        let applied = self.world.apply([Write::PutServiceSpec {
            service: self.service,
            spec: Arc::new(spec),
            ports,
            new_template,
        }]);
        assert_eq!(applied.refusal, None);
        if new_template {
            self.versions.push(applied.step.revision);
        }
    }

    /// Gives the service another template.
    pub(super) fn new_template(&mut self, token: &str) {
        self.update(|spec| {
            Arc::make_mut(&mut spec.template).restart_token = token.to_owned();
        });
    }

    /// Sets how the service is updated.
    pub(super) fn policy(&mut self, edit: impl FnOnce(&mut UpdatePolicy)) {
        self.update(|spec| edit(spec.update.get_or_insert_default()));
    }

    /// Steers the rollout as a user would.
    pub(super) fn steer(&mut self, action: RolloutAction) {
        let known = self.world.state.service(self.service).expect("it is there");
        let ctx = Context {
            now: self.world.now,
            ..Context::default()
        };
        let admitted = control_rollout(&self.world.state, known, action, None, &ctx);
        let Ok(Admitted::Change(change, _)) = admitted else {
            panic!("{action:?}: {admitted:?}");
        };
        let before = self.world.state.clone();
        assert_eq!(self.world.apply_change(change).refusal, None);
        assert_eq!(check::step(&before, &self.world.state), []);
    }

    /// What is done about something that happened, as a part of a story.
    pub(super) fn tell(&mut self, what: &str) -> String {
        let mut told = format!("-- {what}\n");
        for look in 0..4 {
            let before = self.world.state.clone();
            let plan = self.apply_plan();
            if look > 0 && plan.is_empty() {
                return told;
            }
            let text = self.render(&before, &plan);
            told += &text;
            told += if text.is_empty() { "" } else { "\n" };
            if !plan.more {
                return told;
            }
        }
        panic!("there is always more to do");
    }

    /// A condition of the service: whether it holds, its reason and its message.
    pub(super) fn fact(&self, kind: &str) -> (bool, String, String) {
        let known = self.world.state.service(self.service).expect("it is there");
        let mut conditions = known.status.conditions.iter();
        let it = conditions.find(|it| it.kind == kind).expect("it is said");
        (it.holds, it.reason.to_string(), it.message.to_string())
    }

    pub(super) fn set_node(&mut self, node: u8, state: NodeState) {
        self.world.apply([Write::SetNodeState {
            node: NodeId(u128::from(node)),
            state,
            message: "".into(),
        }]);
    }

    pub(super) fn edit_node(&mut self, node: u8, edit: impl FnOnce(&mut NodeSpec)) {
        let node = NodeId(u128::from(node));
        let known = self.world.state.node(node).expect("it is there");
        let mut spec = NodeSpec::clone(&known.spec);
        edit(&mut spec);
        let spec = Arc::new(spec);
        self.world.apply([Write::PutNodeSpec { node, spec }]);
    }

    pub(super) fn set_availability(&mut self, node: u8, availability: Availability) {
        self.edit_node(node, |spec| spec.availability = Some(availability));
    }

    pub(super) fn delete_node(&mut self, node: u8) {
        let node = NodeId(u128::from(node));
        self.world.apply([Write::DeleteNode { node }]);
        // The books of the node stay as long as its tasks do.
        assert_eq!(check::invariants(&self.world.state), []);
    }

    pub(super) fn scale(&mut self, replicas: u32) {
        self.update(|spec| {
            spec.mode = Mode::Replicated {
                replicas: Some(replicas),
            };
        });
    }

    fn render(&self, before: &State, plan: &Plan) -> String {
        let mut lines: Vec<String> = plan
            .writes
            .iter()
            .map(|write| self.line(before, write))
            .collect();
        lines.extend(
            plan.wake_at
                .map(|time| format!("wake at {}", self.time(time))),
        );
        lines.join("\n")
    }

    fn time(&self, time: Timestamp) -> String {
        format!("{} ms", (time.0 - self.start.0) / 1_000_000)
    }

    fn line(&self, before: &State, write: &Write) -> String {
        let named = |id: &TaskId| {
            let task = before.task(*id).expect("it was there");
            format!("{}#{}", task.name, task.attempt)
        };
        match write {
            Write::CreateTask(new) => self.made(before, new),
            Write::SetDesired { task, desired } => match desired {
                DesiredState::Ready => unreachable!("tasks are made so, not set so"),
                DesiredState::Running => format!("run {}", named(task)),
                DesiredState::Stopped => format!("stop {}", named(task)),
                DesiredState::Removed => format!("remove {}", named(task)),
            },
            Write::ObserveTask { task, observation } => {
                let Observation { state, reason, .. } = observation;
                format!("observe {} {state:?} {reason}", named(task))
            }
            Write::SettleTask { task, outcome } => format!("settle {} {outcome:?}", named(task)),
            Write::MarkStable { task } => format!("stable {}", named(task)),
            Write::DeleteTask { task } => format!("delete {}", named(task)),
            Write::DropTemplate { revision, .. } => format!("drop v{}", self.version(*revision)),
            Write::DeleteService { .. } => "delete service".to_owned(),
            Write::SetRollout { rollout, .. } => self.rollout(rollout),
            Write::ReuseTemplate { revision, back, .. } => {
                let back = back.as_ref().expect("the orchestrator only goes back");
                format!("back to v{} {}", self.version(*revision), back.reason)
            }
            Write::JudgeStep { task, verdict, .. } => match verdict {
                Some(Verdict::Passed) => format!("pass {}", named(task)),
                Some(Verdict::Failed) => format!("fail {}", named(task)),
                None => format!("retry {}", named(task)),
            },
            Write::MarkGood { revision, .. } => format!("good v{}", self.version(*revision)),
            other => unreachable!("the orchestrator never writes {other:?}"),
        }
    }

    fn rollout(&self, rollout: &Rollout) -> String {
        let counts = rollout.counts;
        let next = rollout.next_step_time;
        let next = next.map_or(String::new(), |time| {
            format!(", next at {}", self.time(time))
        });
        let reason = match &*rollout.reason {
            "" => String::new(),
            reason => format!(" {reason}"),
        };
        format!(
            "rollout {}{reason}: {} done, {} open, {} failed of {}{next}",
            rollout.state.as_str(),
            counts.updated,
            counts.updating,
            counts.failed,
            counts.total
        )
    }

    fn made(&self, before: &State, new: &NewTask) -> String {
        let place = match new.node.and_then(|node| before.node(node)) {
            Some(node) => node.spec.name.to_string(),
            None => new.slot.to_string(),
        };
        let version = self.version(new.template_revision);
        let leave = match (new.desired, new.restart_time) {
            (DesiredState::Running, None) if new.beside => "run beside".to_owned(),
            (DesiredState::Running, None) => "run".to_owned(),
            (DesiredState::Ready, None) if new.beside => "prepare".to_owned(),
            (DesiredState::Ready, None) => "hold".to_owned(),
            (DesiredState::Ready, Some(time)) => format!("run at {}", self.time(time)),
            other => unreachable!("no task is made like this: {other:?}"),
        };
        let streak = match new.restart.streak {
            0 => String::new(),
            streak => format!(", streak {streak}"),
        };
        format!("make {place}#{} v{version}: {leave}{streak}", new.attempt)
    }

    fn version(&self, revision: Revision) -> usize {
        let place = self.versions.iter().position(|known| *known == revision);
        place.expect("all versions are noted") + 1
    }
}
