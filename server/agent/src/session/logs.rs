// SPDX-License-Identifier: Apache-2.0
//! Sends what tasks print to a manager that asked for it.
//!
//! Nothing is held back here beyond one message: a reader who is slow makes the sending wait,
//! and that the reading of the task's files.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};
use skep_core::model::TaskId;
use skep_core::session::{LogRequest, LogSubscription};
use skep_proto::internal::v1::PublishLogsRequest;
use skep_proto::v1;
use skep_wire::render;
use tokio_util::task::AbortOnDropHandle;

use crate::executor::{Executor, ExecutorError};
use crate::logs::{LogItem, LogLine, LogQuery, LogSource};

use super::connect::Client;

/// Bytes after which a message is full.
const MESSAGE_BYTES: usize = 256 << 10;
/// Most things in one message.
const MESSAGE_ITEMS: usize = 1_024;

/// The subscriptions of one session.
pub(super) struct LogPublisher {
    executor: Arc<dyn Executor>,
    publishing: BTreeMap<Arc<str>, AbortOnDropHandle<()>>,
}

impl LogPublisher {
    pub(super) fn new(executor: Arc<dyn Executor>) -> LogPublisher {
        LogPublisher {
            executor,
            publishing: BTreeMap::new(),
        }
    }

    /// Begins to send what is wanted, or ends it.
    pub(super) fn subscribe(&mut self, mut client: Client, subscription: LogSubscription) {
        self.publishing.retain(|_, sending| !sending.is_finished());
        let id = subscription.id;
        let Some(request) = subscription.request else {
            self.publishing.remove(&id);
            return;
        };
        let messages = messages(id.to_string(), parts(&self.executor, &request));
        let sending = tokio::spawn(async move {
            if let Err(status) = client.publish_logs(messages).await {
                tracing::debug!(%status, "a manager takes no more logs");
            }
        });
        self.publishing.insert(id, AbortOnDropHandle::new(sending));
    }

    /// Ends all of them: the session is over.
    pub(super) fn clear(&mut self) {
        self.publishing.clear();
    }
}

/// A line, or that some are missing.
#[derive(Clone, PartialEq, Debug)]
enum Part {
    Line(v1::LogLine),
    Gap(v1::LogGap),
}

/// What the tasks of a request print: in order within each task, and as it comes among them.
fn parts(executor: &Arc<dyn Executor>, request: &LogRequest) -> BoxStream<'static, Part> {
    let query = LogQuery {
        tail: request.tail,
        since: request.since,
        follow: request.follow,
    };
    let tasks = request.filter.tasks.iter();
    let streams = tasks.map(|task| parts_of(executor.as_ref(), *task, query));
    stream::select_all(streams).boxed()
}

fn parts_of(executor: &dyn Executor, task: TaskId, query: LogQuery) -> BoxStream<'static, Part> {
    match executor.logs(task, query) {
        Ok(items) => items.map(move |item| part(task, item)).boxed(),
        Err(error) => stream::iter([part(task, Err(error))]).boxed(),
    }
}

fn part(task: TaskId, item: Result<LogItem, ExecutorError>) -> Part {
    match item {
        Ok(LogItem::Line(line)) => Part::Line(line_message(task, line)),
        Ok(LogItem::Gap { reason, lines }) => {
            gap(task, reason.as_str(), reason.message().to_owned(), lines)
        }
        Err(ExecutorError::UnknownTask(_)) => {
            let message = "nothing is left of the task on its node";
            gap(task, "TASK_REMOVED", message.to_owned(), 0)
        }
        Err(error) => gap(task, "UNREADABLE", error.to_string(), 0),
    }
}

fn line_message(task: TaskId, line: LogLine) -> v1::LogLine {
    let stream = match line.source {
        LogSource::Stdout => v1::LogStream::Stdout,
        LogSource::Stderr => v1::LogStream::Stderr,
    };
    v1::LogLine {
        task: task.to_string(),
        seq: line.seq,
        time: Some(render::timestamp(line.time)),
        stream: stream.into(),
        data: line.data.into(),
        partial: line.partial,
    }
}

fn gap(task: TaskId, reason: &str, message: String, lines: u64) -> Part {
    Part::Gap(v1::LogGap {
        task: task.to_string(),
        node: None,
        reason: reason.to_owned(),
        message,
        lines,
    })
}

/// The messages of a subscription: the first has its id alone, so that the manager knows at
/// once whose lines will come.
fn messages(
    id: String,
    parts: BoxStream<'static, Part>,
) -> impl futures::Stream<Item = PublishLogsRequest> + Send {
    let first = PublishLogsRequest {
        subscription: id,
        logs: None,
    };
    let rest = parts
        .ready_chunks(MESSAGE_ITEMS)
        .flat_map(|parts| stream::iter(cut(parts)));
    stream::iter([first]).chain(rest.map(|logs| PublishLogsRequest {
        subscription: String::new(),
        logs: Some(logs),
    }))
}

/// Puts parts into messages of bounded size. A gap keeps its place: lines that come after it
/// are in a later message.
fn cut(parts: Vec<Part>) -> Vec<v1::StreamLogsResponse> {
    let mut messages: Vec<v1::StreamLogsResponse> = Vec::new();
    let mut bytes = MESSAGE_BYTES;
    for part in parts {
        let gap_before = messages.last().is_some_and(|last| !last.gaps.is_empty());
        if bytes >= MESSAGE_BYTES || (gap_before && matches!(part, Part::Line(_))) {
            messages.push(v1::StreamLogsResponse::default());
            bytes = 0;
        }
        let message = messages.last_mut().expect("one was begun");
        match part {
            Part::Line(line) => {
                bytes += line.data.len() + line.task.len() + 32;
                message.lines.push(line);
            }
            Part::Gap(gap) => {
                bytes += gap.message.len() + gap.task.len() + 32;
                message.gaps.push(gap);
            }
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::TaskWork;
    use crate::executor::simulated::SimulatedExecutor;
    use crate::logs::GapReason;

    fn line(seq: u64, bytes: usize) -> Part {
        let line = LogLine {
            seq,
            time: skep_core::model::Timestamp(5),
            source: LogSource::Stderr,
            data: vec![b'x'; bytes],
            partial: false,
        };
        part(TaskId(1), Ok(LogItem::Line(line)))
    }

    #[test]
    fn messages_are_bounded_and_gaps_keep_their_place() {
        let lost = LogItem::Gap {
            reason: GapReason::RateLimited,
            lines: 3,
        };
        let lost = part(TaskId(1), Ok(lost));
        let large = MESSAGE_BYTES / 2;
        let parts = vec![line(1, large), line(2, large), line(3, 1), lost, line(7, 1)];
        let messages = cut(parts);
        let shape: Vec<_> = messages
            .iter()
            .map(|message| (message.lines.len(), message.gaps.len()))
            .collect();
        assert_eq!(shape, [(2, 0), (1, 1), (1, 0)]);
        assert_eq!(messages[1].gaps[0].reason, "RATE_LIMITED");
        assert_eq!(messages[1].gaps[0].lines, 3);
    }

    #[tokio::test]
    async fn lines_of_tasks_come_and_what_is_gone_is_named() {
        let executor: Arc<dyn Executor> = Arc::new(SimulatedExecutor::new());
        let work = TaskWork {
            task: TaskId(1),
            env: [("SIM_LOG", "hello"), ("SIM_EXIT", "0")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            ..TaskWork::default()
        };
        executor.prepare(work.into()).await.expect("it is prepared");
        executor.start(TaskId(1)).await.expect("it is started");
        let mut request = LogRequest {
            follow: true,
            ..LogRequest::default()
        };
        request.filter.tasks = vec![TaskId(1), TaskId(2)];

        let messages = messages("7".to_owned(), parts(&executor, &request));
        let messages: Vec<_> = messages.collect().await;
        assert_eq!(
            (&*messages[0].subscription, &messages[0].logs),
            ("7", &None)
        );
        let logs = || messages[1..].iter().filter_map(|m| m.logs.as_ref());
        let lines: Vec<_> = logs().flat_map(|logs| &logs.lines).collect();
        let gaps: Vec<_> = logs().flat_map(|logs| &logs.gaps).collect();
        assert_eq!((lines.len(), &*lines[0].data), (1, b"hello".as_slice()));
        assert_eq!(lines[0].task, TaskId(1).to_string());
        assert_eq!((gaps.len(), &*gaps[0].reason), (1, "TASK_REMOVED"));
        assert_eq!(gaps[0].task, TaskId(2).to_string());
    }
}
