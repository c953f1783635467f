// SPDX-License-Identifier: Apache-2.0
//! Tasks: one attempt each to run one slot of a service on one node.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::{
    Drain, DrainPhase, HealthState, Labels, Meta, NodeId, Port, PortMode, Revision, RolloutStep,
    ServiceId, TaskId, Timestamp, Unplaced,
};

/// Where a task is in its life. It only ever moves to a greater value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TaskState {
    /// It waits for a node.
    Pending = 10,
    /// A node was chosen.
    Assigned = 20,
    /// The node's agent took it.
    Accepted = 30,
    /// What it needs is being made ready.
    Preparing = 40,
    /// It is ready and waits for leave to start.
    Ready = 50,
    /// It is starting.
    Starting = 60,
    /// It runs.
    Running = 70,
    /// It ended by itself, with exit code 0.
    Completed = 80,
    /// It was stopped on order.
    Stopped = 90,
    /// It ended with an error.
    Failed = 100,
    /// It could not be started on that node.
    Rejected = 110,
    /// Its node was lost for too long, or was deleted.
    Orphaned = 120,
}

impl TaskState {
    /// Every state, in order.
    pub const ALL: [TaskState; 12] = [
        TaskState::Pending,
        TaskState::Assigned,
        TaskState::Accepted,
        TaskState::Preparing,
        TaskState::Ready,
        TaskState::Starting,
        TaskState::Running,
        TaskState::Completed,
        TaskState::Stopped,
        TaskState::Failed,
        TaskState::Rejected,
        TaskState::Orphaned,
    ];

    /// Whether nothing runs any more and nothing will.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        self > TaskState::Running
    }

    /// Whether it ended, and not as it should.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            TaskState::Failed | TaskState::Rejected | TaskState::Orphaned
        )
    }
}

/// Where the managers want a task. It only ever moves to a greater value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DesiredState {
    /// Made ready, but not started before its restart time.
    Ready = 50,
    /// Running.
    Running = 70,
    /// Stopped, and kept to be looked at.
    Stopped = 90,
    /// Stopped, then forgotten.
    Removed = 130,
}

/// Whether anything follows once a task has ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Outcome {
    /// Not decided: it has not ended, or a new attempt follows.
    #[default]
    Open,
    /// It did what it should; no new attempt follows.
    Finished,
    /// It failed and no further attempt is allowed.
    GaveUp,
}

/// What a slot remembers of the attempts before this one.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct RestartMemory {
    /// Restarts in a row without a stable run between them: the exponent of the back-off.
    pub streak: u32,
    /// New attempts made in the present window, this one included.
    pub window_attempts: u32,
    /// When the present window began.
    pub window_start: Timestamp,
    /// Attempts in a row that ended by themselves before they had run for
    /// [`RestartMemory::STABLE_AFTER`].
    pub early_ends: u32,
}

impl RestartMemory {
    /// An attempt that has run for so long is stable: its end is no early one.
    pub const STABLE_AFTER: Duration = Duration::from_secs(5);
    /// So many early ends in a row are a crash loop.
    pub const LOOP_ENDS: u32 = 3;

    /// Whether attempts end again and again.
    #[must_use]
    pub const fn is_loop(&self) -> bool {
        self.early_ends >= Self::LOOP_ENDS
    }
}

/// A node that is meant, with its name when the reference was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeRef {
    /// The node.
    pub id: NodeId,
    /// Its name then.
    pub name: Arc<str>,
}

/// One step in a task's life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transition {
    /// The state entered.
    pub state: TaskState,
    /// When.
    pub time: Timestamp,
}

/// What is known of a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaskStatus {
    /// The state it is in.
    pub state: TaskState,
    /// When it entered that state, by the clock of who says so.
    pub transition_time: Timestamp,
    /// UPPER_SNAKE cause; empty: none.
    pub reason: Cow<'static, str>,
    /// The cause in words, at most [`TaskStatus::MESSAGE_CHARS_MAX`] characters.
    pub message: Arc<str>,
    /// When each state before this was entered, oldest first.
    pub history: Vec<Transition>,
    /// Why it has no node; only while it is pending.
    pub unplaced: Option<Arc<Unplaced>>,
    /// When it may start; only while it is wanted ready after a failure.
    pub restart_time: Option<Timestamp>,
    /// Exit code, once it ended; 128 + N: killed by signal N.
    pub exit_code: Option<i32>,
    /// The signal that ended it; 0: none, or not known.
    pub signal: u32,
    /// Process id on the node, while it runs; 0: none.
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

impl TaskStatus {
    /// Most characters of a message.
    pub const MESSAGE_CHARS_MAX: usize = 4_096;

    /// Of a task that has just been made.
    #[must_use]
    pub fn pending(time: Timestamp) -> TaskStatus {
        TaskStatus {
            state: TaskState::Pending,
            transition_time: time,
            reason: Cow::Borrowed(""),
            message: "".into(),
            history: Vec::new(),
            unplaced: None,
            restart_time: None,
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

    /// Enters `state`, remembering the one before. The caller sees to it that it is a later one.
    pub fn enter(&mut self, state: TaskState, time: Timestamp) {
        self.history.push(Transition {
            state: self.state,
            time: self.transition_time,
        });
        self.state = state;
        self.transition_time = time;
    }
}

/// The reason of a task whose node is down or was deleted: what became of it is not known.
pub const NODE_LOST: &str = "NODE_LOST";

/// The reason of a task that ended while its engine was away, or went away: an engine that stops ends
/// what it runs, and what else may have ended it was seen by nobody.
pub const ENGINE_LOST: &str = "ENGINE_LOST";

/// A task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    /// Common facts.
    pub meta: Meta<TaskId>,
    /// For people: "web.3", or with one task a node "web.node-1".
    pub name: Arc<str>,
    /// The service it belongs to.
    pub service: ServiceId,
    /// That service's name.
    pub service_name: Arc<str>,
    /// Labels of the service when it was made.
    pub labels: Arc<Labels>,
    /// Which place of the service it fills, from 1; 0: one task a node.
    pub slot: u32,
    /// Which attempt at that place, from 1.
    pub attempt: u32,
    /// What it was made from.
    pub template_revision: Revision,
    /// The image asked for, with the digest if it is pinned; empty: no container.
    pub image: Arc<str>,
    /// The node it is on; with one task a node, the node it is for, already while pending.
    pub node: Option<NodeRef>,
    /// Where the managers want it.
    pub desired: DesiredState,
    /// What is known of it.
    pub status: TaskStatus,
    /// When the managers learned that it runs, by their own clock; nothing: it never ran.
    pub running_since: Option<Timestamp>,
    /// What its slot remembers.
    pub restart: RestartMemory,
    /// Whether anything follows.
    pub outcome: Outcome,
    /// The step of a rollout that it was made by, or that its place was made by before.
    pub step: Option<RolloutStep>,
    /// How far it was taken out of the traffic; nothing: it is not to stop, or it was sent no
    /// connections when it was told to.
    pub drain: Option<Drain>,
}

impl Task {
    /// Its place in the service: the slot, or the node of a service with one task a node.
    #[must_use]
    pub fn place(&self) -> (u32, Option<NodeId>) {
        let node = self.node.as_ref().filter(|_| self.slot == 0);
        (self.slot, node.map(|node| node.id))
    }

    /// By this the tasks of a place follow one another.
    #[must_use]
    pub fn seniority(&self) -> (u32, Revision) {
        (self.attempt, self.meta.create_revision)
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.status.state.is_terminal()
    }

    /// Whether it is meant to run, now or at its restart time, and has not ended.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.desired <= DesiredState::Running && !self.is_terminal()
    }

    /// Whether it ended by itself: not on order, and not lost with its node or its engine.
    #[must_use]
    pub fn ended_by_itself(&self) -> bool {
        use TaskState::{Completed, Failed, Rejected};
        matches!(self.status.state, Completed | Failed | Rejected) && !self.ended_with_engine()
    }

    /// Whether it ended with its engine, which says nothing about what it was made from.
    #[must_use]
    pub fn ended_with_engine(&self) -> bool {
        self.status.state == TaskState::Failed && self.status.reason == ENGINE_LOST
    }

    /// How it ended, on one line: in the words of its node, else its exit code or the reason.
    #[must_use]
    pub fn end_in_words(&self) -> String {
        let status = &self.status;
        let said: Vec<&str> = status.message.split_whitespace().collect();
        match (said.is_empty(), status.exit_code) {
            (false, _) => said.join(" "),
            (true, Some(code)) => format!("exited with code {code}"),
            (true, None) if status.state == TaskState::Completed => "exited with code 0".to_owned(),
            (true, None) => status.reason.to_lowercase().replace('_', " "),
        }
    }

    /// Whether it waits for a node because none will do.
    #[must_use]
    pub fn has_no_node(&self) -> bool {
        self.status.state == TaskState::Pending && self.status.unplaced.is_some()
    }

    /// Whether the place that it is meant to fill is in a crash loop. It stays so while another
    /// attempt runs, until that has become stable.
    #[must_use]
    pub fn is_in_crash_loop(&self) -> bool {
        self.desired <= DesiredState::Running
            && self.restart.is_loop()
            && self.outcome == Outcome::Open
            && !self.has_no_node()
    }

    /// Whether it has not ended as far as is known, but its node is down and it was given up.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.desired > DesiredState::Running
            && !self.is_terminal()
            && self.status.reason == NODE_LOST
    }

    /// Whether proxies may send it connections: it runs and has a port open for the mesh.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.status.state == TaskState::Running && self.mesh_ports().next().is_some()
    }

    /// The ports that were opened for the mesh.
    pub fn mesh_ports(&self) -> impl Iterator<Item = &Port> {
        let ports = self.status.ports.iter();
        ports.filter(|port| port.mode == PortMode::Ingress && port.published != 0)
    }

    /// Whether its endpoint is still to be taken out of the traffic, and its node waits for that.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        let phase = self.drain.as_ref().map(Drain::phase);
        phase == Some(DrainPhase::Leaving) && !self.is_terminal()
    }

    /// The node whose resources it uses: it was assigned there and has not ended.
    #[must_use]
    pub fn occupies(&self) -> Option<NodeId> {
        let placed = self.status.state >= TaskState::Assigned && !self.is_terminal();
        self.node.as_ref().filter(|_| placed).map(|node| node.id)
    }
}
