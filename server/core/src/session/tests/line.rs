// SPDX-License-Identifier: Apache-2.0
//! One node: its agent, its disk, its executor and its connection.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::assign::{Held, Tracker};
use crate::model::{NodeDescription, NodeId, TaskId, Timestamp};
use crate::node_agent::{Order, ReportQueue, TaskRecord, Worker};
use crate::session::{AgentMessage, AgentOutput, AgentSession, ManagerMessage, ManagerSession};

use super::Dice;
use super::executor::Executor;

/// What survives a crash of the agent.
#[derive(Default, Debug)]
struct Disk {
    held: Held,
    records: BTreeMap<TaskId, TaskRecord>,
    acked: u64,
}

pub(super) struct Line {
    pub(super) node: NodeId,
    description: Arc<NodeDescription>,
    disk: Disk,
    pub(super) agent: AgentSession,
    pub(super) held: Held,
    worker: Worker,
    pub(super) executor: Executor,
    /// Orders being carried out, and when they are done.
    orders: Vec<(Timestamp, TaskId, Order)>,
    /// The manager's end, while there is a connection.
    pub(super) manager: Option<ManagerSession>,
    /// What was sent by the manager's end of the last session.
    pub(super) tracker: Tracker,
    pub(super) up: VecDeque<(Timestamp, AgentMessage)>,
    pub(super) down: VecDeque<(Timestamp, ManagerMessage)>,
    /// No connection can be made before this time.
    pub(super) cut_until: Timestamp,
}

impl Line {
    pub(super) fn new(node: NodeId, description: Arc<NodeDescription>) -> Line {
        Line {
            node,
            agent: AgentSession::new(description.clone(), ReportQueue::default()),
            description,
            disk: Disk::default(),
            held: Held::default(),
            worker: Worker::default(),
            executor: Executor::default(),
            orders: Vec::new(),
            manager: None,
            tracker: Tracker::default(),
            up: VecDeque::new(),
            down: VecDeque::new(),
            cut_until: Timestamp::default(),
        }
    }

    /// Breaks the connection: what is on its way is lost.
    pub(super) fn cut(&mut self, now: Timestamp, dice: &mut Dice) {
        self.up.clear();
        self.down.clear();
        if let Some(manager) = self.manager.take() {
            self.tracker = manager.into_tracker();
        }
        self.agent.disconnected(now, dice.roll());
    }

    /// The agent dies and starts again. Orders it gave may have been carried out or not.
    pub(super) fn crash(&mut self, now: Timestamp, dice: &mut Dice) {
        self.cut(now, dice);
        for (_, task, order) in std::mem::take(&mut self.orders) {
            if dice.chance(500) {
                self.executor.carry_out(task, order, now, dice).ok();
            }
        }
        let queue = ReportQueue {
            acked: self.disk.acked,
            ..ReportQueue::default()
        };
        self.agent = AgentSession::new(self.description.clone(), queue);
        self.worker = Worker::remembering(self.disk.records.values().cloned());
        self.held = self.disk.held.clone();
    }

    /// Everything vanishes of the tasks that the agent remembers to have started. (If the agent
    /// forgot them at the same time, nobody could know that they ran.)
    pub(super) fn lose_started(&mut self) {
        let records = &self.disk.records;
        self.executor.tasks.retain(|task, _| {
            let started = records.get(task).is_some_and(|record| record.started);
            !started
        });
    }

    /// The agent dies, and what it had on its disk is lost; what runs goes on.
    pub(super) fn forget_everything(&mut self, now: Timestamp, dice: &mut Dice) {
        self.disk = Disk::default();
        self.crash(now, dice);
    }

    /// Everything the agent does now.
    pub(super) fn tick(&mut self, now: Timestamp, dice: &mut Dice) {
        self.carry_out(now, dice);
        while self.down.front().is_some_and(|(at, _)| *at <= now) {
            let (_, message) = self.down.pop_front().expect("it is there");
            self.agent.receive(message, now);
        }
        self.talk(now, dice);
        self.work(now, dice);
        self.talk(now, dice);
        self.disk.acked = self.agent.queue().acked;
    }

    fn carry_out(&mut self, now: Timestamp, dice: &mut Dice) {
        let (due, rest) = std::mem::take(&mut self.orders)
            .into_iter()
            .partition(|(at, _, _)| *at <= now);
        self.orders = rest;
        let due: Vec<_> = due;
        for (_, task, order) in due {
            let result = self.executor.carry_out(task, order, now, dice);
            self.worker.done(task, order.kind(), result, now);
        }
    }

    fn talk(&mut self, now: Timestamp, dice: &mut Dice) {
        loop {
            let outputs = self.agent.tick(now);
            if outputs.is_empty() {
                return;
            }
            for output in outputs {
                self.take(output, now, dice);
            }
        }
    }

    fn take(&mut self, output: AgentOutput, now: Timestamp, dice: &mut Dice) {
        match output {
            AgentOutput::Connect if now < self.cut_until => {
                self.agent.disconnected(now, dice.roll());
            }
            AgentOutput::Connect => {
                let tracker = std::mem::take(&mut self.tracker);
                self.manager = Some(ManagerSession::new(self.node, tracker, now));
                let known = self.worker.records().iter();
                let known = known.map(|(task, record)| (*task, record.reported.clone()));
                self.agent.connected(now, self.held.revision, known);
            }
            AgentOutput::Send(message) if self.manager.is_some() => {
                send(&mut self.up, message, now, dice);
            }
            AgentOutput::Step(step) => {
                let revision = step.revision;
                self.held.apply(step).expect("no manager goes back");
                self.disk.held = self.held.clone();
                self.agent.took_over(revision);
                self.agent.balances_by(revision);
            }
            AgentOutput::Disconnect(_) => self.cut(now, dice),
            AgentOutput::Send(_) | AgentOutput::Welcome(_) | AgentOutput::Logs(_) => {}
        }
    }

    fn work(&mut self, now: Timestamp, dice: &mut Dice) {
        let plan = self.worker.step(&self.held, &self.executor.tasks, &[], now);
        for (task, record) in plan.records {
            match record {
                Some(record) => self.disk.records.insert(task, record),
                None => self.disk.records.remove(&task),
            };
        }
        for (task, observation) in plan.reports {
            self.agent.report(task, observation);
        }
        for (task, order) in plan.orders {
            let mut at = now.after(Duration::from_millis(dice.below(300)));
            for (other_at, other, _) in &self.orders {
                if *other == task {
                    at = at.max(*other_at);
                }
            }
            self.orders.push((at, task, order));
        }
    }
}

/// Puts a message on its way, behind those before it.
pub(super) fn send<M>(
    queue: &mut VecDeque<(Timestamp, M)>,
    message: M,
    now: Timestamp,
    dice: &mut Dice,
) {
    let at = now.after(Duration::from_millis(dice.below(80)));
    let at = queue.back().map_or(at, |(last, _)| at.max(*last));
    queue.push_back((at, message));
}
