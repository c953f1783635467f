// SPDX-License-Identifier: Apache-2.0
//! The automaton of one task on its node.

mod drain;
mod stopping;

use std::time::Duration;

use crate::assign::AssignedTask;
use crate::model::{DesiredState, TaskId, TaskState, TaskTemplate, Timestamp, Workload};
use crate::state::Observation;

use super::ended::{self, clip};
use super::{
    Health, Observed, Order, OrderKind, Orders, Phase, StopCause, StopHow, Stopping, TaskRecord,
};

/// The longest a program may take to be made ready.
pub const PREPARE_DEADLINE: Duration = Duration::from_secs(300);
/// The longest a container may take to be made ready: its image may be large.
pub const PULL_DEADLINE: Duration = Duration::from_secs(3_600);
/// The longest a task may take to start.
pub const START_DEADLINE: Duration = Duration::from_secs(60);
/// How long after its grace a task that still runs is killed again.
pub const KILL_MARGIN: Duration = Duration::from_secs(5);

/// Everything that is known of one task.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The task.
    pub task: TaskId,
    /// What the managers want; nothing: it is not for this node, or no longer.
    pub assigned: Option<&'a AssignedTask>,
    /// What it is made from.
    pub template: Option<&'a TaskTemplate>,
    /// What is remembered of it.
    pub record: Option<&'a TaskRecord>,
    /// What is seen of it. It was looked at after the orders that are done ended.
    pub observed: Option<&'a Observed>,
    /// Orders given so far.
    pub orders: &'a Orders,
    /// The time.
    pub now: Timestamp,
}

/// What to do about one task.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Turn {
    /// What to remember from now on; nothing: forget it. To be on disk before the orders are
    /// given.
    pub record: Option<TaskRecord>,
    /// Orders for the executor, one after the other.
    pub orders: Vec<Order>,
    /// When to look again, though nothing happens.
    pub wake_at: Option<Timestamp>,
}

/// What to do about one task now.
#[must_use]
pub fn step(view: View<'_>) -> Turn {
    let mut desk = Desk {
        view,
        turn: Turn {
            record: view.record.cloned(),
            ..Turn::default()
        },
    };
    match view.assigned {
        Some(task) => desk.assigned(task),
        None => desk.unassigned(),
    }
    desk.turn
}

struct Desk<'a> {
    view: View<'a>,
    turn: Turn,
}

impl Desk<'_> {
    fn phase(&self) -> Option<&Phase> {
        self.view.observed.map(|observed| &observed.phase)
    }

    fn is_starting(&self) -> bool {
        self.view.orders.is_in_flight(OrderKind::Start)
    }

    /// Stops and removes what is not, or no longer, for this node.
    fn unassigned(&mut self) {
        match self.phase() {
            Some(Phase::Running { .. }) => self.stop(StopCause::Wanted),
            None | Some(Phase::Prepared) if self.is_starting() => self.stop(StopCause::Wanted),
            None | Some(Phase::Preparing) if self.view.orders.is_idle() => self.turn.record = None,
            None | Some(_) => self.order(Order::Remove),
        }
    }

    fn assigned(&mut self, task: &AssignedTask) {
        if self.turn.record.is_none() {
            self.begin(task);
        }
        let Some(record) = &self.turn.record else {
            return;
        };
        if record.reported.state.is_terminal() {
            match self.phase() {
                Some(Phase::Running { .. }) => self.stop(StopCause::Wanted),
                // It never ran, so there is nothing to look at, and it would keep its ports.
                Some(Phase::Prepared) if !self.is_starting() => self.order(Order::Remove),
                _ => {}
            }
            return;
        }
        match self.view.observed {
            Some(observed) => self.seen(task, observed),
            None => self.absent(task),
        }
    }

    /// Takes up a task of which nothing is remembered.
    fn begin(&mut self, task: &AssignedTask) {
        let now = self.view.now;
        if task.state.is_terminal() && self.view.observed.is_none() {
            return;
        }
        let seen = self.phase().is_some_and(|phase| *phase != Phase::Prepared);
        let started = seen || task.state >= TaskState::Starting;
        let state = task.state.max(TaskState::Accepted);
        self.turn.record = Some(TaskRecord {
            started,
            ..self.fresh(Observation::of(state, now))
        });
    }

    fn fresh(&self, reported: Observation) -> TaskRecord {
        TaskRecord {
            task: self.view.task,
            reported,
            started: true,
            stop: StopHow::of(self.view.template),
            drained_since: None,
            stopping: None,
        }
    }

    /// Deals with a task of which something is there.
    fn seen(&mut self, task: &AssignedTask, observed: &Observed) {
        let Some(record) = &mut self.turn.record else {
            return;
        };
        if !observed.ports.is_empty() {
            record.reported.ports.clone_from(&observed.ports);
        }
        for (known, seen) in [
            (&mut record.reported.container, &observed.container),
            (&mut record.reported.image, &observed.image),
        ] {
            if !seen.is_empty() {
                known.clone_from(seen);
            }
        }
        match &observed.phase {
            Phase::Preparing => self.absent(task),
            Phase::Prepared => self.prepared(task),
            Phase::Running { pid, since } => self.running(task, observed, *pid, *since),
            Phase::Exited(exit) => {
                record.reported = ended::observation(record, exit);
                return;
            }
        }
        let is_quiet = |record: &TaskRecord| record.reported.reason.is_empty();
        if let (Some(note), true) = (
            &observed.note,
            self.turn.record.as_ref().is_some_and(is_quiet),
        ) {
            self.note(note.reason, &note.message);
        }
    }

    fn running(&mut self, task: &AssignedTask, observed: &Observed, pid: u32, since: Timestamp) {
        match observed.health {
            Health::Unchecked => self.enter(TaskState::Running, since),
            Health::Healthy(_) => self.enter(TaskState::Running, self.view.now),
            Health::Starting(_) | Health::Unhealthy(_) => self.enter(TaskState::Starting, since),
        }
        self.report(pid, &observed.health);
        if task.desired >= DesiredState::Stopped {
            if self.may_stop(task) {
                self.stop(StopCause::Wanted);
                self.note("STOPPING", "");
            }
        } else if matches!(observed.health, Health::Unhealthy(_)) || self.is_ended_for_health() {
            self.stop(StopCause::Unhealthy);
            let record = self.turn.record.as_ref();
            let said = record.map_or("", |record| &record.reported.health_message);
            let message = format!("too many of its health checks failed: {said}");
            self.note("UNHEALTHY", &message);
        }
    }

    /// Reports what a program that runs is like.
    fn report(&mut self, pid: u32, health: &Health) {
        let Some(record) = &mut self.turn.record else {
            return;
        };
        record.started = true;
        record.reported.pid = pid;
        record.reported.health = health.state();
        // What is being ended for its health fails each further check, for another reason.
        if !is_ended_for_health(record) {
            record.reported.health_message = clip(health.message().to_string()).into();
        }
    }

    /// Whether it was decided to end it for its health. That stands, also if it becomes well before
    /// it has ended, or if the agent that saw it is gone.
    fn is_ended_for_health(&self) -> bool {
        self.turn.record.as_ref().is_some_and(is_ended_for_health)
    }

    fn prepared(&mut self, task: &AssignedTask) {
        if task.desired >= DesiredState::Stopped {
            let record = self.turn.record.as_ref();
            let told = record.is_some_and(|record| record.started);
            if cfg!(skep_bug = "seen_is_now") && told && !self.is_starting() {
                self.enter(TaskState::Stopped, self.view.now);
            } else if self.is_starting() || told {
                // It may have come up although nobody answered, and what is seen may be old: only
                // its end says that it does not run.
                self.stop(StopCause::Wanted);
            } else {
                // It has stopped once it is gone: whoever comes next may need its ports.
                self.order(Order::Remove);
            }
            return;
        }
        let record = self.turn.record.as_ref();
        if record.is_some_and(|record| record.reported.state >= TaskState::Running) {
            self.enter(TaskState::Failed, self.view.now);
            self.note(
                "LOST",
                "it ran here before, and what is left of it never did",
            );
            return;
        }
        self.enter(TaskState::Ready, self.view.now);
        if task.desired == DesiredState::Running {
            self.start();
        }
    }

    fn start(&mut self) {
        self.enter(TaskState::Starting, self.view.now);
        if let Some(record) = &mut self.turn.record {
            record.started = !cfg!(skep_bug = "forget_start");
        }
        if let Some(failure) = self.view.orders.failure(OrderKind::Start) {
            if failure.refused {
                let message = failure.message.to_string();
                self.enter(TaskState::Rejected, self.view.now);
                self.note("START_FAILED", &message);
                return;
            }
            self.note("RETRYING", &failure.message);
        }
        if self.is_past(OrderKind::Start, START_DEADLINE) {
            self.stop(StopCause::StartDeadline);
        } else {
            self.order(Order::Start);
        }
    }

    /// Deals with a task of which nothing is there.
    fn absent(&mut self, task: &AssignedTask) {
        let started = self
            .turn
            .record
            .as_ref()
            .is_some_and(|record| record.started);
        if self.is_starting() {
            return;
        }
        if started {
            self.enter(TaskState::Failed, self.view.now);
            self.note(
                "LOST",
                "it was started here before, and nothing of it is left",
            );
        } else if task.desired >= DesiredState::Stopped {
            self.enter(TaskState::Stopped, self.view.now);
        } else if task.desired == DesiredState::Ready && task.restart_time.is_some() {
            // What cannot even be prepared must not be tried again without a delay.
            self.enter(TaskState::Accepted, self.view.now);
        } else {
            self.prepare();
        }
    }

    fn prepare(&mut self) {
        let now = self.view.now;
        let deadline = match self.view.template.map(|template| &template.workload) {
            Some(Workload::Container(_)) => PULL_DEADLINE,
            Some(Workload::Process(_)) | None => PREPARE_DEADLINE,
        };
        self.enter(TaskState::Preparing, now);
        let failure = self.view.orders.failure(OrderKind::Prepare);
        let message = failure.map(|failure| failure.message.to_string());
        if failure.is_some_and(|failure| failure.refused) {
            self.enter(TaskState::Rejected, now);
            self.note("PREPARE_FAILED", &message.unwrap_or_default());
        } else if self.is_past(OrderKind::Prepare, deadline) {
            let last = message.map(|message| format!(": {message}"));
            let last = last.unwrap_or_default();
            let seconds = deadline.as_secs();
            self.enter(TaskState::Rejected, now);
            self.note(
                "DEADLINE",
                &format!("it was not ready within {seconds} s{last}"),
            );
            self.order(Order::Remove);
        } else {
            if let Some(message) = message {
                self.note("RETRYING", &message);
            }
            self.order(Order::Prepare);
        }
    }

    /// Whether the first order of a kind was given too long ago; else says when that will be.
    fn is_past(&mut self, kind: OrderKind, span: Duration) -> bool {
        let first = self.view.orders.first_given(kind).unwrap_or(self.view.now);
        let deadline = first.after(span);
        if deadline > self.view.now {
            self.wake(deadline);
        }
        deadline <= self.view.now
    }

    /// Enters a state that lies ahead.
    fn enter(&mut self, state: TaskState, at: Timestamp) {
        let Some(record) = &mut self.turn.record else {
            return;
        };
        if record.reported.state < state {
            let before = &mut record.reported;
            let at = at.max(before.time);
            record.reported = Observation {
                ports: std::mem::take(&mut before.ports),
                container: before.container.clone(),
                image: before.image.clone(),
                ..Observation::of(state, at)
            };
        }
    }

    /// Says more about the present state.
    fn note(&mut self, reason: &'static str, message: &str) {
        if let Some(record) = &mut self.turn.record {
            record.reported.reason = reason.into();
            record.reported.message = clip(message.to_owned()).into();
        }
    }

    /// Gives an order, unless one like it is being carried out or has just failed.
    fn order(&mut self, order: Order) {
        match self.view.orders.free_at(order.kind()) {
            Some(time) if time <= self.view.now => self.turn.orders.push(order),
            Some(time) => self.wake(time),
            None => {}
        }
    }

    fn wake(&mut self, at: Timestamp) {
        let known = self.turn.wake_at;
        self.turn.wake_at = Some(known.map_or(at, |known| known.min(at)));
    }
}

fn is_ended_for_health(record: &TaskRecord) -> bool {
    let cause = record.stopping.as_ref().map(|stopping| stopping.cause);
    cause == Some(StopCause::Unhealthy)
}
