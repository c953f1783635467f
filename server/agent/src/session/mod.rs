// SPDX-License-Identifier: Apache-2.0
//! The agent's end of the session with a manager.
//!
//! What to say, and when to give up and come again, is decided by
//! [`skep_core::session::AgentSession`]; [`run`] carries its messages. What a manager wants goes
//! to the worker as [`News`], what the worker has to tell comes back as a [`Word`].

mod clock;
mod connect;
mod logs;

use std::sync::Arc;

use skep_core::assign::{Assignments, GoesBack};
use skep_core::model::{NodeDescription, Revision, TaskId};
use skep_core::node_agent::ReportQueue;
use skep_core::session::{AgentOutput, AgentSession, Welcome};
use skep_core::state::Observation;
use skep_wire::session::read_manager_message;
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use crate::executor::Executor;

pub use connect::{Connection, Connector};

use clock::Monotonic;
use connect::Link;
use logs::LogPublisher;

/// What the session has for the worker.
#[derive(Debug)]
pub(crate) enum News {
    /// What a manager says of the node.
    Welcome(Welcome),
    /// A whole step of assignments.
    Step(Assignments),
    /// A connection is there: what does the node have, and what is known of its tasks?
    Connected(oneshot::Sender<Known>),
}

/// What an agent begins a session with.
#[derive(Debug)]
pub(crate) struct Known {
    /// It has all assignments through this revision.
    pub(crate) after: Revision,
    /// What it knows of its tasks.
    pub(crate) tasks: Vec<(TaskId, Observation)>,
}

/// What the worker has for the session.
#[derive(Debug)]
pub(crate) enum Word {
    /// What became of tasks.
    Report(Vec<(TaskId, Observation)>),
    /// Assignments are remembered through this revision.
    TookOver(Revision),
    /// Traffic goes by the endpoints of this revision.
    BalancesBy(Revision),
    /// The node is different now.
    Describe(Arc<NodeDescription>),
    /// A manager sent what must not be obeyed.
    Refuse(GoesBack),
}

/// What the session's task needs.
pub(crate) struct SessionParts {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) description: Arc<NodeDescription>,
    /// To the worker, which takes news at once.
    pub(crate) news: mpsc::Sender<News>,
    pub(crate) words: mpsc::UnboundedReceiver<Word>,
}

/// Keeps a session with a manager, for ever.
pub(crate) async fn run(parts: SessionParts) {
    let mut driver = Driver {
        machine: AgentSession::new(parts.description, ReportQueue::default()),
        clock: Monotonic::start(),
        connector: parts.connector,
        news: parts.news,
        logs: LogPublisher::new(parts.executor),
        connecting: None,
        link: None,
    };
    let mut words = parts.words;
    loop {
        driver.tick().await;
        let wake = driver.clock.sleep_until(driver.machine.wake_at());
        tokio::select! {
            event = next(&mut driver.connecting, &mut driver.link) => driver.take(event).await,
            word = words.recv() => match word {
                Some(word) => driver.hear(word),
                None => return,
            },
            () = wake => {}
        }
    }
}

type Connecting = futures::future::BoxFuture<'static, Result<Link, Status>>;

struct Driver {
    machine: AgentSession,
    clock: Monotonic,
    connector: Arc<dyn Connector>,
    news: mpsc::Sender<News>,
    logs: LogPublisher,
    connecting: Option<Connecting>,
    link: Option<Link>,
}

/// What happened on the way to the manager.
enum Event {
    Opened(Result<Link, Status>),
    Message(skep_proto::internal::v1::SessionResponse),
    Lost(Option<Status>),
}

async fn next(connecting: &mut Option<Connecting>, link: &mut Option<Link>) -> Event {
    match (connecting, link) {
        (Some(opening), _) => Event::Opened(opening.await),
        (None, Some(link)) => match link.receive().await {
            Ok(Some(message)) => Event::Message(message),
            Ok(None) => Event::Lost(None),
            Err(status) => Event::Lost(Some(status)),
        },
        (None, None) => std::future::pending().await,
    }
}

impl Driver {
    /// Does what the machine wants done now.
    async fn tick(&mut self) {
        loop {
            let outputs = self.machine.tick(self.clock.now());
            if outputs.is_empty() {
                return;
            }
            for output in outputs {
                if !self.carry_out(output).await {
                    self.lost();
                    break;
                }
            }
        }
    }

    /// Whether the session goes on.
    async fn carry_out(&mut self, output: AgentOutput) -> bool {
        match output {
            AgentOutput::Connect => {
                self.connecting = Some(Box::pin(Link::open(self.connector.clone())));
            }
            AgentOutput::Send(message) => {
                return self.link.as_ref().is_some_and(|link| link.send(&message));
            }
            AgentOutput::Welcome(welcome) => self.tell(News::Welcome(welcome)).await,
            AgentOutput::Step(step) => self.tell(News::Step(step)).await,
            AgentOutput::Logs(subscription) => {
                if let Some(link) = &self.link {
                    self.logs.subscribe(link.client(), subscription);
                }
            }
            AgentOutput::Disconnect(end) => {
                tracing::info!(%end, "the session with the manager ended");
                return false;
            }
        }
        true
    }

    async fn tell(&mut self, news: News) {
        // Without a worker nothing is left to do, and this task ends with the next word.
        self.news.send(news).await.ok();
    }

    async fn take(&mut self, event: Event) {
        match event {
            Event::Opened(Ok(link)) => {
                self.connecting = None;
                self.greet(link).await;
            }
            Event::Opened(Err(status)) => {
                tracing::debug!(%status, "no manager can be reached");
                self.lost();
            }
            Event::Message(message) => match read_manager_message(message) {
                Ok(message) => self.machine.receive(message, self.clock.now()),
                Err(error) => {
                    tracing::error!(%error, "the manager is not understood");
                    self.lost();
                }
            },
            Event::Lost(status) => {
                let status = status.map(|status| status.to_string());
                tracing::info!(status, "the manager ended the session");
                self.lost();
            }
        }
    }

    /// Says Hello with what the worker knows.
    async fn greet(&mut self, link: Link) {
        let (ask, answer) = oneshot::channel();
        self.tell(News::Connected(ask)).await;
        let Ok(known) = answer.await else {
            return;
        };
        self.link = Some(link);
        let now = self.clock.now();
        self.machine.connected(now, known.after, known.tasks);
    }

    fn hear(&mut self, word: Word) {
        match word {
            Word::Report(tasks) => {
                for (task, observation) in tasks {
                    self.machine.report(task, observation);
                }
            }
            Word::TookOver(revision) => self.machine.took_over(revision),
            Word::BalancesBy(revision) => self.machine.balances_by(revision),
            Word::Describe(description) => self.machine.describe(description),
            Word::Refuse(goes_back) => {
                tracing::warn!(%goes_back, "another manager is looked for");
                self.lost();
            }
        }
    }

    /// The connection is gone, or is given up.
    fn lost(&mut self) {
        self.connecting = None;
        self.link = None;
        self.logs.clear();
        self.machine
            .disconnected(self.clock.now(), rand::random::<u64>());
    }
}
