// SPDX-License-Identifier: Apache-2.0
//! One reader: core says whom to ask, this asks and passes on what comes.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use skep_core::filter::TaskFilter;
use skep_core::logs::{Ask, AskId, Gap, GapReason, Gather, Order, Wanted};
use skep_core::model::{NodeId, TaskId, Timestamp};
use skep_core::session::{LogRequest, LogSubscription};
use skep_core::state::State;
use skep_proto::v1;
use skep_wire::{parse, render};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::StreamMap;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::cluster::Cluster;
use crate::dispatch::{Dispatch, Published};
use crate::loops::Feed;

use super::told::Told;

/// Messages of one node that wait for the reader.
const NODE_MESSAGES_MAX: usize = 2;

/// An ask that is being answered.
struct Asked {
    node: NodeId,
    /// The session that it was asked in: one that ends takes the answer with it.
    session: Option<u64>,
    subscription: Arc<str>,
}

/// Serves one reader.
pub(super) struct Reader {
    gather: Gather,
    dispatch: Dispatch,
    feed: Feed,
    state: State,
    sessions: watch::Receiver<u64>,
    asked: BTreeMap<AskId, Asked>,
    answers: StreamMap<AskId, ReceiverStream<Published>>,
    /// Tasks that the reader was told of.
    told: Told,
    began: Instant,
    /// Tells the subscriptions of readers apart.
    number: u64,
    sink: mpsc::Sender<Result<v1::StreamLogsResponse, Status>>,
}

impl Reader {
    pub(super) fn new(
        wanted: Wanted,
        cluster: Arc<dyn Cluster>,
        dispatch: Dispatch,
        sink: mpsc::Sender<Result<v1::StreamLogsResponse, Status>>,
    ) -> Reader {
        Reader {
            gather: Gather::new(wanted),
            sessions: dispatch.sessions_changed(),
            dispatch,
            feed: Feed::new(cluster),
            state: State::default(),
            asked: BTreeMap::new(),
            answers: StreamMap::new(),
            told: Told::default(),
            began: Instant::now(),
            number: rand::random(),
            sink,
        }
    }

    /// Serves the reader to the end of the lines, or until it is gone.
    pub(super) async fn run(mut self) {
        loop {
            self.look();
            if self.turn().await.is_err() || self.gather.is_over(&self.state) {
                break;
            }
            let wake = self
                .gather
                .wake_at()
                .map(|time| self.began + time.since(Timestamp(0)));
            let wake = async {
                match wake {
                    Some(time) => tokio::time::sleep_until(time).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some((ask, published)) = self.answers.next(), if !self.answers.is_empty() => {
                    if self.take(ask, published).await.is_err() {
                        break;
                    }
                }
                () = self.feed.changed() => {}
                _ = self.sessions.changed() => {}
                () = wake => {}
            }
        }
    }

    /// Takes in what happened: to tasks, and to sessions.
    fn look(&mut self) {
        let news = self.feed.take();
        self.state = news.state;
        self.gather.observe(&self.state, news.steps.as_ref());
        self.sessions.borrow_and_update();
        let lost: Vec<AskId> = self
            .asked
            .iter()
            .filter(|(ask, asked)| {
                let over = self.dispatch.session_of(asked.node) != asked.session;
                over || !self.answers.contains_key(*ask)
            })
            .map(|(ask, _)| *ask)
            .collect();
        for ask in lost {
            self.forget(ask);
            self.gather.cut_off(ask);
        }
    }

    async fn turn(&mut self) -> Result<(), Gone> {
        let now = Timestamp(0).after(self.began.elapsed());
        let dispatch = self.dispatch.clone();
        let in_session = |node| dispatch.session_of(node).is_some();
        for order in self.gather.turn(&self.state, &in_session, now) {
            match order {
                Order::Ask(ask) => self.ask(ask),
                Order::Gap(gap) => self.say_gap(gap).await?,
            }
        }
        Ok(())
    }

    fn ask(&mut self, ask: Ask) {
        let subscription: Arc<str> = format!("{:016x}.{}", self.number, ask.id).into();
        let (sink, answers) = mpsc::channel(NODE_MESSAGES_MAX);
        self.dispatch.open_logs(subscription.clone(), sink);
        let request = LogRequest {
            filter: TaskFilter {
                tasks: ask.tasks,
                ..TaskFilter::default()
            },
            follow: ask.follow,
            tail: ask.tail,
            since: ask.since,
        };
        let session = self.dispatch.session_of(ask.node);
        let order = LogSubscription {
            id: subscription.clone(),
            request: Some(request),
        };
        if self.dispatch.tell_logs(ask.node, order) {
            self.answers.insert(ask.id, ReceiverStream::new(answers));
        }
        self.asked.insert(
            ask.id,
            Asked {
                node: ask.node,
                session,
                subscription,
            },
        );
    }

    async fn take(&mut self, ask: AskId, published: Published) -> Result<(), Gone> {
        match published {
            Published::End => {
                self.forget(ask);
                self.gather.ended(ask);
                Ok(())
            }
            Published::Lines(mut message) => {
                message.lines.retain(|line| self.gather_line(line));
                message.sources = self.new_sources(&message.lines);
                if let Some(asked) = self.asked.get(&ask) {
                    let node = self.node_ref(asked.node);
                    message
                        .gaps
                        .iter_mut()
                        .for_each(|gap| gap.node = Some(node.clone()));
                }
                if message.lines.is_empty() && message.gaps.is_empty() {
                    return Ok(());
                }
                self.say(message).await
            }
        }
    }

    fn gather_line(&mut self, line: &v1::LogLine) -> bool {
        let time = line.time.and_then(parse::timestamp).unwrap_or_default();
        line.task
            .parse()
            .is_ok_and(|task| self.gather.line(task, line.seq, time))
    }

    /// The tasks of these lines that the reader has not been told of.
    fn new_sources(&mut self, lines: &[v1::LogLine]) -> Vec<v1::LogSource> {
        let mut sources = Vec::new();
        for id in lines
            .iter()
            .filter_map(|line| line.task.parse::<TaskId>().ok())
        {
            if self.told.insert(id, &self.state)
                && let Some(task) = self.state.task(id)
            {
                sources.push(v1::LogSource {
                    task: Some(render::reference(id, &task.name)),
                    service: Some(render::reference(task.service, &task.service_name)),
                    node: task
                        .node
                        .as_ref()
                        .map(|node| render::reference(node.id, &node.name)),
                });
            }
        }
        sources
    }

    async fn say_gap(&self, gap: Gap) -> Result<(), Gone> {
        let message = match gap.reason {
            GapReason::NodeDown => "the node does not answer",
            GapReason::TaskRemoved => "the task is gone, and its lines with it",
        };
        let gap = v1::LogGap {
            task: gap.task.map(|task| task.to_string()).unwrap_or_default(),
            node: Some(self.node_ref(gap.node)),
            reason: gap.reason.as_str().to_owned(),
            message: message.to_owned(),
            lines: 0,
        };
        self.say(v1::StreamLogsResponse {
            gaps: vec![gap],
            ..Default::default()
        })
        .await
    }

    fn node_ref(&self, node: NodeId) -> v1::Ref {
        let name = self.state.node(node).map(|node| node.spec.name.to_string());
        render::reference(node, name.unwrap_or_default())
    }

    async fn say(&self, message: v1::StreamLogsResponse) -> Result<(), Gone> {
        self.sink.send(Ok(message)).await.map_err(|_| Gone)
    }

    fn forget(&mut self, ask: AskId) {
        self.answers.remove(&ask);
        if let Some(asked) = self.asked.remove(&ask) {
            self.dispatch.close_logs(&asked.subscription);
            let no_more = LogSubscription {
                id: asked.subscription,
                request: None,
            };
            self.dispatch.tell_logs(asked.node, no_more);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let asks: Vec<AskId> = self.asked.keys().copied().collect();
        asks.into_iter().for_each(|ask| self.forget(ask));
    }
}

/// The reader is gone.
struct Gone;
