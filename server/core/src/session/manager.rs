// SPDX-License-Identifier: Apache-2.0
//! A manager's end of a session.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::assign::{Assignments, EndpointTable, FRAME_BYTES_MAX, Tracker};
use crate::model::{NodeDescription, NodeId, TaskId, Timestamp};
use crate::node_agent::{Merged, RefusedReport, StatusReport, merge_status};
use crate::state::{State, Write};

use super::{
    AgentMessage, AssignmentsAck, CONNECT_TIMEOUT, Hello, ManagerMessage, SessionEnd, Welcome,
};

/// What a manager's end wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ManagerOutput {
    /// Send this.
    Send(ManagerMessage),
    /// Write this to the log. If it is a report, call [`ManagerSession::committed`] once it is
    /// there; end the session if it cannot be written.
    Write {
        /// The report's number; nothing: it is none.
        report: Option<u64>,
        /// What to write.
        writes: Vec<Write>,
    },
    /// The agent said what it has no business to say, which was left out: log it.
    Refused(Vec<(TaskId, RefusedReport)>),
    /// End the session.
    Close(SessionEnd),
}

/// A manager's end of one session.
#[derive(Clone, Debug)]
pub struct ManagerSession {
    node: NodeId,
    /// What the agent was welcomed with; nothing: it has not said Hello.
    welcome: Option<Welcome>,
    tracker: Tracker,
    heartbeat: Duration,
    heard: Timestamp,
    sent: Timestamp,
    described: Option<Arc<NodeDescription>>,
    /// The last report that came.
    report: u64,
    /// The last report that was acknowledged.
    acked: u64,
    /// Reports that are not acknowledged, and whether they are in the log.
    reports: BTreeMap<u64, bool>,
    ack: AssignmentsAck,
    closed: bool,
    out: Vec<ManagerOutput>,
}

impl ManagerSession {
    /// A connection from this node, and what earlier sessions have sent to it.
    #[must_use]
    pub fn new(node: NodeId, tracker: Tracker, now: Timestamp) -> ManagerSession {
        ManagerSession {
            node,
            welcome: None,
            tracker,
            heartbeat: Duration::from_secs(1),
            heard: now,
            sent: now,
            described: None,
            report: 0,
            acked: 0,
            reports: BTreeMap::new(),
            ack: AssignmentsAck::default(),
            closed: false,
            out: Vec::new(),
        }
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// What the agent put into effect, as far as it said so in this session.
    #[must_use]
    pub fn ack(&self) -> AssignmentsAck {
        self.ack
    }

    /// What was sent, for the next session of the node.
    #[must_use]
    pub fn into_tracker(self) -> Tracker {
        self.tracker
    }

    /// Takes a message from the agent. Any message is a sign of life of the node, once the
    /// agent has said Hello: see [`ManagerSession::is_live`].
    pub fn receive(&mut self, message: AgentMessage, state: &State, now: Timestamp) {
        self.heard = now;
        if self.closed {
            return;
        }
        match (message, self.welcome.is_some()) {
            (AgentMessage::Hello(hello), false) => self.hello(hello, state, now),
            (AgentMessage::Hello(_), true) => {
                self.close(SessionEnd::Protocol("an agent says Hello once"));
            }
            (_, false) => {
                self.close(SessionEnd::Protocol("an agent's first message is Hello"));
            }
            (AgentMessage::Heartbeat, true) => {}
            (AgentMessage::Node(description), true) => self.describe(description, state),
            (AgentMessage::Report(report), true) => self.take_report(&report, state, now),
            (AgentMessage::Ack(ack), true) => self.ack = ack,
        }
    }

    fn hello(&mut self, hello: Hello, state: &State, now: Timestamp) {
        let Some(welcome) = Welcome::of(state, self.node) else {
            self.dismiss(state, now);
            return;
        };
        self.report = hello.acked;
        self.acked = hello.acked;
        self.tracker.resume(hello.after);
        self.welcome(welcome, now);
        self.describe(hello.description, state);
    }

    fn welcome(&mut self, welcome: Welcome, now: Timestamp) {
        self.heartbeat = welcome.heartbeat;
        self.welcome = Some(welcome.clone());
        self.send(ManagerMessage::Welcome(welcome), now);
    }

    fn describe(&mut self, description: Arc<NodeDescription>, state: &State) {
        let known = match &self.described {
            Some(described) => Some(described),
            None => state.node(self.node).map(|node| &node.status.description),
        };
        if known == Some(&description) {
            return;
        }
        self.described = Some(description.clone());
        self.out.push(ManagerOutput::Write {
            report: None,
            writes: vec![Write::DescribeNode {
                node: self.node,
                description,
            }],
        });
    }

    fn take_report(&mut self, report: &StatusReport, state: &State, now: Timestamp) {
        if report.seq <= self.report {
            if report.seq <= self.acked {
                self.send(ManagerMessage::ReportAck(self.acked), now);
            }
            return;
        }
        if report.seq != self.report + 1 {
            self.close(SessionEnd::Protocol("reports are numbered without gaps"));
            return;
        }
        self.report = report.seq;
        let Merged { writes, refused } = merge_status(state, self.node, &report.tasks);
        if !refused.is_empty() {
            self.out.push(ManagerOutput::Refused(refused));
        }
        self.reports.insert(report.seq, writes.is_empty());
        if writes.is_empty() {
            self.acknowledge(now);
        } else {
            self.out.push(ManagerOutput::Write {
                report: Some(report.seq),
                writes,
            });
        }
    }

    /// A report is in the log.
    pub fn committed(&mut self, report: u64, now: Timestamp) {
        if let Some(done) = self.reports.get_mut(&report) {
            *done = true;
            self.acknowledge(now);
        }
    }

    /// Acknowledges all reports before the first that is not in the log.
    fn acknowledge(&mut self, now: Timestamp) {
        let before = self.acked;
        while let Some((seq, true)) = self.reports.first_key_value().map(|(s, d)| (*s, *d)) {
            self.reports.remove(&seq);
            self.acked = seq;
        }
        if self.acked > before {
            self.send(ManagerMessage::ReportAck(self.acked), now);
        }
    }

    /// Sends what changed for the node. To be called after Hello, and when a change touches the
    /// node or any endpoint.
    pub fn refresh(&mut self, state: &State, table: &EndpointTable, now: Timestamp) {
        if !self.is_live() {
            return;
        }
        match Welcome::of(state, self.node) {
            None => {
                self.dismiss(state, now);
                return;
            }
            Some(welcome) if self.welcome.as_ref() != Some(&welcome) => self.welcome(welcome, now),
            Some(_) => {}
        }
        if let Some(step) = self.tracker.diff(state, table, self.node) {
            for frame in step.cut(FRAME_BYTES_MAX) {
                self.send(ManagerMessage::Assignments(frame), now);
            }
        }
    }

    /// Sends another message, such as a log subscription.
    pub fn tell(&mut self, message: ManagerMessage, now: Timestamp) {
        if self.is_live() {
            self.send(message, now);
        }
    }

    /// Does what the time calls for, and gives what is to be done, in order. To be called after
    /// everything else, and at [`ManagerSession::wake_at`].
    pub fn tick(&mut self, state: &State, now: Timestamp) -> Vec<ManagerOutput> {
        if !self.closed && now >= self.silent_at() {
            self.close(SessionEnd::Silent);
        }
        if self.is_live() && now >= self.sent.after(self.heartbeat) {
            let progress = self.tracker.progress(state);
            let alive = progress.map_or(ManagerMessage::Alive, ManagerMessage::Assignments);
            self.send(alive, now);
        }
        std::mem::take(&mut self.out)
    }

    /// When time alone makes a difference.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        if self.closed {
            return None;
        }
        let silent = self.silent_at();
        Some(match self.welcome {
            Some(_) => silent.min(self.sent.after(self.heartbeat)),
            None => silent,
        })
    }

    fn silent_at(&self) -> Timestamp {
        self.heard.after(match self.welcome {
            Some(_) => self.heartbeat * 3,
            None => CONNECT_TIMEOUT,
        })
    }

    /// Whether the agent was welcomed, and the session goes on.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.welcome.is_some() && !self.closed
    }

    fn send(&mut self, message: ManagerMessage, now: Timestamp) {
        self.sent = now;
        self.out.push(ManagerOutput::Send(message));
    }

    /// Tells a node that was deleted to end its tasks, for others have taken their places. A
    /// manager that is behind what the node holds is not heeded.
    fn dismiss(&mut self, state: &State, now: Timestamp) {
        if state.swarm().is_some() {
            let nothing = Assignments::dismissal(state.revision());
            self.send(ManagerMessage::Assignments(nothing), now);
        }
        self.tracker = Tracker::default();
        self.close(SessionEnd::UnknownNode);
    }

    fn close(&mut self, end: SessionEnd) {
        self.closed = true;
        self.out.push(ManagerOutput::Close(end));
    }
}
