// SPDX-License-Identifier: Apache-2.0
//! The agent's end of a session.

use std::sync::Arc;
use std::time::Duration;

use crate::assign::{Assignments, Inbox};
use crate::model::{NodeDescription, Revision, TaskId, Timestamp};
use crate::node_agent::ReportQueue;
use crate::state::Observation;

use super::{
    AgentMessage, AssignmentsAck, Hello, LogSubscription, ManagerMessage, SessionEnd, Welcome,
    backoff,
};

/// The longest to wait for a connection, and then for the manager's Welcome.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What the agent's end wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AgentOutput {
    /// Connect to a manager, then call [`AgentSession::connected`], or
    /// [`AgentSession::disconnected`] if that fails.
    Connect,
    /// Send this.
    Send(AgentMessage),
    /// A manager accepted the node.
    Welcome(Welcome),
    /// A whole step of assignments: take it over, then say so.
    Step(Assignments),
    /// Logs are wanted, or no more.
    Logs(LogSubscription),
    /// Break the connection off, then call [`AgentSession::disconnected`].
    Disconnect(SessionEnd),
}

/// How far the connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Link {
    /// None before this time.
    Waiting(Timestamp),
    /// Being made, since this time.
    Connecting(Timestamp),
    /// Hello was said at this time.
    Greeting(Timestamp),
    /// Welcome was heard.
    Live,
    /// To be broken off.
    Closing,
}

/// The agent's end of its sessions, one after the other.
#[derive(Clone, Debug)]
pub struct AgentSession {
    link: Link,
    /// Sessions that failed in a row.
    failures: u32,
    description: Arc<NodeDescription>,
    /// What a manager was told of the node.
    described: Option<Arc<NodeDescription>>,
    queue: ReportQueue,
    heartbeat: Duration,
    heard: Timestamp,
    sent: Timestamp,
    inbox: Inbox,
    ack: AssignmentsAck,
    acked: AssignmentsAck,
    out: Vec<AgentOutput>,
}

impl AgentSession {
    /// An agent that has not connected yet, and what it still has to report.
    #[must_use]
    pub fn new(description: Arc<NodeDescription>, queue: ReportQueue) -> AgentSession {
        AgentSession {
            link: Link::Waiting(Timestamp(i64::MIN)),
            failures: 0,
            description,
            described: None,
            queue,
            heartbeat: Duration::from_secs(1),
            heard: Timestamp::default(),
            sent: Timestamp::default(),
            inbox: Inbox::default(),
            ack: AssignmentsAck::default(),
            acked: AssignmentsAck::default(),
            out: Vec::new(),
        }
    }

    /// Does what the time and all that happened call for, and gives what is to be done, in
    /// order. To be called after everything else, and at [`AgentSession::wake_at`].
    pub fn tick(&mut self, now: Timestamp) -> Vec<AgentOutput> {
        match self.link {
            Link::Waiting(until) if until <= now => {
                self.link = Link::Connecting(now);
                self.out.push(AgentOutput::Connect);
            }
            Link::Connecting(since) | Link::Greeting(since)
                if now >= since.after(CONNECT_TIMEOUT) =>
            {
                self.close(SessionEnd::NoConnection);
            }
            Link::Live if now >= self.heard.after(self.heartbeat * 3) => {
                self.close(SessionEnd::Silent);
            }
            Link::Live => self.flush(now),
            _ => {}
        }
        std::mem::take(&mut self.out)
    }

    /// When time alone makes a difference.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        match self.link {
            Link::Waiting(until) => Some(until),
            Link::Connecting(since) | Link::Greeting(since) => Some(since.after(CONNECT_TIMEOUT)),
            Link::Live => {
                let silent = self.heard.after(self.heartbeat * 3);
                Some(silent.min(self.sent.after(self.heartbeat)))
            }
            Link::Closing => None,
        }
    }

    /// A connection is there. `after` is what the node holds, `known` what it remembers of its
    /// tasks: all of it is told again, for a manager may have lost what it was told last.
    pub fn connected(
        &mut self,
        now: Timestamp,
        after: Revision,
        known: impl IntoIterator<Item = (TaskId, Observation)>,
    ) {
        if !matches!(self.link, Link::Connecting(_)) {
            return;
        }
        self.link = Link::Greeting(now);
        self.inbox = Inbox::default();
        self.acked = AssignmentsAck::default();
        self.queue.begin_again();
        for (task, observation) in known {
            self.queue.push(task, observation);
        }
        self.described = Some(self.description.clone());
        let hello = Hello {
            description: self.description.clone(),
            after,
            acked: self.queue.acked,
        };
        self.send(AgentMessage::Hello(hello), now);
    }

    /// The connection is gone, or could not be made. `random` spreads the attempts of many.
    pub fn disconnected(&mut self, now: Timestamp, random: u64) {
        self.link = Link::Waiting(now.after(backoff(self.failures, random)));
        self.failures += 1;
        self.out.clear();
    }

    /// Takes a message from the manager.
    pub fn receive(&mut self, message: ManagerMessage, now: Timestamp) {
        let welcome = matches!(message, ManagerMessage::Welcome(_));
        match self.link {
            Link::Live => {}
            Link::Greeting(_) if welcome => {}
            Link::Greeting(_) if is_dismissal(&message) => {}
            Link::Greeting(_) => {
                self.close(SessionEnd::Protocol("a manager's first message is Welcome"));
                return;
            }
            _ => return,
        }
        self.heard = now;
        match message {
            ManagerMessage::Welcome(welcome) => {
                self.link = Link::Live;
                self.failures = 0;
                self.heartbeat = welcome.heartbeat;
                self.out.push(AgentOutput::Welcome(welcome));
            }
            ManagerMessage::Assignments(frame) => {
                // The session ends after a dismissal: the manager ends it.
                let step = self.inbox.take(frame);
                self.out.extend(step.map(AgentOutput::Step));
            }
            ManagerMessage::ReportAck(seq) => self.queue.acknowledge(seq),
            ManagerMessage::Logs(logs) => self.out.push(AgentOutput::Logs(logs)),
            ManagerMessage::Alive => {}
        }
    }

    /// Adds what became of a task.
    pub fn report(&mut self, task: TaskId, observation: Observation) {
        self.queue.push(task, observation);
    }

    /// The node is different now.
    pub fn describe(&mut self, description: Arc<NodeDescription>) {
        self.description = description;
    }

    /// Tasks and templates are taken over, and remembered on disk, through this revision.
    pub fn took_over(&mut self, revision: Revision) {
        self.ack.tasks = self.ack.tasks.max(revision);
    }

    /// The proxies balance by the endpoints of this revision.
    pub fn balances_by(&mut self, revision: Revision) {
        self.ack.endpoints = self.ack.endpoints.max(revision);
    }

    /// Whether a manager accepted the node, and the session goes on.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.link == Link::Live
    }

    /// What still has to be reported.
    #[must_use]
    pub fn queue(&self) -> &ReportQueue {
        &self.queue
    }

    fn flush(&mut self, now: Timestamp) {
        if self.described.as_ref() != Some(&self.description) {
            self.described = Some(self.description.clone());
            self.send(AgentMessage::Node(self.description.clone()), now);
        }
        while let Some(report) = self.queue.next_report() {
            self.send(AgentMessage::Report(report), now);
        }
        if self.ack != self.acked {
            self.acked = self.ack;
            self.send(AgentMessage::Ack(self.ack), now);
        }
        if now >= self.sent.after(self.heartbeat) {
            self.send(AgentMessage::Heartbeat, now);
        }
    }

    fn send(&mut self, message: AgentMessage, now: Timestamp) {
        self.sent = now;
        self.out.push(AgentOutput::Send(message));
    }

    fn close(&mut self, end: SessionEnd) {
        self.link = Link::Closing;
        self.out.push(AgentOutput::Disconnect(end));
    }
}

/// Whether the manager does not know the node, which is told before it is welcomed.
fn is_dismissal(message: &ManagerMessage) -> bool {
    matches!(message, ManagerMessage::Assignments(frame) if frame.is_dismissal())
}
