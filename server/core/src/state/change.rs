// SPDX-License-Identifier: Apache-2.0
//! What the log holds: changes of objects, decided beforehand, with what must hold for them.

use std::borrow::Cow;
use std::sync::Arc;

use crate::model::{
    DesiredState, HealthState, NodeDescription, NodeId, NodeRole, NodeSpec, NodeState, ObjectId,
    Outcome, Port, RestartMemory, Revision, Rollout, RolloutStep, ServiceId, ServiceSpec, SwarmId,
    SwarmSpec, TaskId, TaskState, Timestamp, Unplaced, Verdict,
};

/// Most writes of one change; more are cut into several changes by who decides them.
pub const CHANGE_WRITES_MAX: usize = 10_000;

/// One entry of the log: one revision, all of it or nothing.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Change {
    /// All must hold, or nothing is written.
    pub preconditions: Vec<Precondition>,
    /// What is written, in order.
    pub writes: Vec<Write>,
    /// The leader's clock: time enters the state by this field only.
    pub time: Timestamp,
    /// Who asked; empty: a loop of the leader.
    pub caller: Arc<str>,
    /// The request it answers.
    pub request: Option<Request>,
}

/// The request that a change answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Its request_id.
    pub id: Arc<str>,
    /// SHA-256 of the request.
    pub digest: [u8; 32],
    /// The object in the answer.
    pub object: ObjectId,
}

/// A request that was answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestRecord {
    /// The request.
    pub request: Request,
    /// The revision it made.
    pub revision: Revision,
    /// When it was answered.
    pub time: Timestamp,
}

/// What must hold for a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Precondition {
    /// The object has not changed in any way since this revision.
    Revision(ObjectId, Revision),
    /// The object's spec has not changed since this revision.
    SpecRevision(ObjectId, Revision),
    /// The service's rollout was last written by this revision; 0: it never had one.
    RolloutRevision(ServiceId, Revision),
}

/// One write.
///
/// Each field of an object has one owner, and a write carries the fields of one owner. Creates,
/// new specs and losses are guarded: they fail with their whole change if their ground has shifted.
/// The others are merges that only move forward; one that comes too late does nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// Founds the swarm, or gives it a new spec.
    PutSwarm {
        /// The swarm.
        id: SwarmId,
        /// Its spec.
        spec: Arc<SwarmSpec>,
    },
    /// A new node.
    CreateNode {
        /// The node.
        id: NodeId,
        /// Its spec.
        spec: Arc<NodeSpec>,
        /// Its role.
        role: NodeRole,
        /// What its agent says.
        description: Arc<NodeDescription>,
    },
    /// A new spec of a node.
    PutNodeSpec {
        /// The node.
        node: NodeId,
        /// Its spec.
        spec: Arc<NodeSpec>,
    },
    /// Whether a node can be reached.
    SetNodeState {
        /// The node.
        node: NodeId,
        /// Whether it can be reached.
        state: NodeState,
        /// Why, in words.
        message: Arc<str>,
    },
    /// What a node's agent says.
    DescribeNode {
        /// The node.
        node: NodeId,
        /// What its agent says.
        description: Arc<NodeDescription>,
    },
    /// Forgets a node.
    DeleteNode {
        /// The node.
        node: NodeId,
    },
    /// A new service.
    CreateService {
        /// The service.
        id: ServiceId,
        /// Its spec.
        spec: Arc<ServiceSpec>,
        /// Its ports with the ingress numbers chosen.
        ports: Vec<Port>,
    },
    /// A new spec of a service.
    PutServiceSpec {
        /// The service.
        service: ServiceId,
        /// Its spec.
        spec: Arc<ServiceSpec>,
        /// Its ports with the ingress numbers chosen.
        ports: Vec<Port>,
        /// Its tasks must be made anew: a rollout begins.
        new_template: bool,
    },
    /// A new spec of a service, with the template of a revision that is kept: its rollout
    /// begins.
    ReuseTemplate {
        /// The service.
        service: ServiceId,
        /// Its spec.
        spec: Arc<ServiceSpec>,
        /// Its ports with the ingress numbers chosen.
        ports: Vec<Port>,
        /// The revision.
        revision: Revision,
        /// It is a rollback, for this reason.
        back: Option<Because>,
    },
    /// How far a rollout is.
    SetRollout {
        /// The service.
        service: ServiceId,
        /// The whole of it.
        rollout: Box<Rollout>,
    },
    /// What came of the step of a rollout that made a task; nothing: it has to prove itself
    /// again.
    JudgeStep {
        /// The task.
        task: TaskId,
        /// What came of it.
        verdict: Option<Verdict>,
        /// The leg in which it was judged.
        leg: Revision,
    },
    /// A service converged on a revision.
    MarkGood {
        /// The service.
        service: ServiceId,
        /// The revision.
        revision: Revision,
    },
    /// Begins the deletion of a service.
    MarkServiceDeleting {
        /// The service.
        service: ServiceId,
    },
    /// Forgets a service that has no tasks left once the writes before this one are done.
    DeleteService {
        /// The service.
        service: ServiceId,
    },
    /// Forgets a template that no task is made from any more.
    DropTemplate {
        /// The service.
        service: ServiceId,
        /// The template.
        revision: Revision,
    },
    /// A new task, in a place that no other task is meant for; with leave to run only if no
    /// other one may still run there.
    CreateTask(NewTask),
    /// Chooses a node for a task that is pending.
    AssignTask {
        /// The task.
        task: TaskId,
        /// The node.
        node: NodeId,
    },
    /// Says why a pending task has no node.
    SetUnplaced {
        /// The task.
        task: TaskId,
        /// Why.
        unplaced: Arc<Unplaced>,
    },
    /// Where a task is wanted. A task that waits for a node and is to stop has ended with that:
    /// no agent knows it. Leave to run is not given while another task of the same place may
    /// still run.
    SetDesired {
        /// The task.
        task: TaskId,
        /// Where.
        desired: DesiredState,
    },
    /// A task that is to stop is sent no new connections: its node may go on and stop it. One
    /// that was never sent any, or has ended, is left as it is.
    ReleaseTask {
        /// The task.
        task: TaskId,
        /// Not all nodes had confirmed it.
        unconfirmed: bool,
    },
    /// What became of a task.
    ObserveTask {
        /// The task.
        task: TaskId,
        /// What is new.
        observation: Observation,
    },
    /// Whether anything follows a task that has ended.
    SettleTask {
        /// The task.
        task: TaskId,
        /// Whether.
        outcome: Outcome,
    },
    /// A task after a crash loop has become stable: what was before counts no more.
    MarkStable {
        /// The task.
        task: TaskId,
    },
    /// Forgets a task that has ended, waits for a node, or was on one that is down or gone. One
    /// that may run is removed: stopped, and forgotten after that.
    DeleteTask {
        /// The task.
        task: TaskId,
    },
}

/// A cause, for programs and for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Because {
    /// UPPER_SNAKE cause.
    pub reason: Cow<'static, str>,
    /// The cause in words.
    pub message: Arc<str>,
}

/// A task that is to be made. Its name and labels follow from its service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewTask {
    /// The task.
    pub id: TaskId,
    /// The service it belongs to.
    pub service: ServiceId,
    /// Which place of the service it fills; 0: one task a node.
    pub slot: u32,
    /// Which attempt at that place, from 1.
    pub attempt: u32,
    /// What it is made from.
    pub template_revision: Revision,
    /// The node it is for, with one task a node.
    pub node: Option<NodeId>,
    /// `Ready` until its restart time and until those before it in its place have stopped, then
    /// `Running`.
    pub desired: DesiredState,
    /// When it may start.
    pub restart_time: Option<Timestamp>,
    /// What its slot remembers.
    pub restart: RestartMemory,
    /// The step of a rollout that makes it, or made what it follows.
    pub step: Option<RolloutStep>,
    /// It is made beside the task that its place has, of another template, which stays wanted
    /// meanwhile. It gets leave to run once that has ended, or at once if its step says so.
    pub beside: bool,
}

/// What an agent, or a manager in its place, says of a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observation {
    /// The state it is in.
    pub state: TaskState,
    /// When it entered that state.
    pub time: Timestamp,
    /// UPPER_SNAKE cause; empty: none.
    pub reason: Cow<'static, str>,
    /// The cause in words.
    pub message: Arc<str>,
    /// Exit code, once it ended.
    pub exit_code: Option<i32>,
    /// The signal that ended it; 0: none, or not known.
    pub signal: u32,
    /// Process id, while it runs; 0: none.
    pub pid: u32,
    /// Ports opened for it on the node.
    pub ports: Vec<Port>,
    /// Whether it works.
    pub health: HealthState,
    /// What the last check that failed said; empty: nothing.
    pub health_message: Arc<str>,
    /// The engine's id of its container; empty: none.
    pub container: Arc<str>,
    /// The image with digest that it runs; empty: none, or not known.
    pub image: Arc<str>,
}

impl Observation {
    /// That it is in this state since then, and nothing else.
    #[must_use]
    pub fn of(state: TaskState, time: Timestamp) -> Observation {
        Observation {
            state,
            time,
            reason: Cow::Borrowed(""),
            message: "".into(),
            exit_code: None,
            signal: 0,
            pid: 0,
            ports: Vec::new(),
            health: HealthState::Unknown,
            health_message: Arc::default(),
            container: Arc::default(),
            image: Arc::default(),
        }
    }

    /// The same with a cause.
    #[must_use]
    pub fn because(
        mut self,
        reason: impl Into<Cow<'static, str>>,
        message: impl Into<Arc<str>>,
    ) -> Observation {
        self.reason = reason.into();
        self.message = message.into();
        self
    }
}

/// Why a change was not written: a normal outcome. Who decided it looks again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// A precondition does not hold, or what is written to is gone.
    Changed(ObjectId),
    /// The name is taken by this object.
    NameTaken(ObjectId),
    /// An ingress port is taken by this service.
    PortTaken(ServiceId),
    /// The request_id is known already.
    RequestKnown,
}
