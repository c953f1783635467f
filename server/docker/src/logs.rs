// SPDX-License-Identifier: Apache-2.0
//! What containers print, read back from the engine.

use std::sync::Arc;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::{LogsOptions, LogsOptionsBuilder};
use futures::stream::{self, StreamExt};
use skep_agent::executor::{ExecutorError, Exit, ExitCause, MESSAGE_CHARS, Phase};
use skep_agent::logs::{LastLines, LogItem, LogItems, LogLine, LogQuery, LogSource};
use skep_core::model::TaskId;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::cure;
use crate::cut::Cutter;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::image;
use crate::moment;
use crate::observe::Seen;
use crate::orders::Inner;

/// How many lines are read ahead.
const AHEAD: usize = 256;
/// Waits before the engine is asked again after it broke off: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// How long at most a task that is not there yet is not looked at again.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How many last lines a failed task's message is made from, and how long that may take.
const LAST_LINES: &str = "20";
const LAST_LINES_PATIENCE: Duration = Duration::from_secs(5);

/// The reader has gone.
struct Gone;

/// What the query asks for, of a task that is known.
pub(crate) fn follow(inner: Arc<Inner>, task: TaskId, query: LogQuery) -> LogItems {
    let (items, read) = mpsc::channel(AHEAD);
    let reader = Reader {
        inner,
        task,
        query,
        items,
        cutter: Cutter::default(),
        began: false,
    };
    let reading = AbortOnDropHandle::new(tokio::spawn(async move {
        let _gone = reader.run().await;
    }));
    let state = (read, reading);
    stream::unfold(state, |mut state| async move {
        let item = state.0.recv().await?;
        Some((item, state))
    })
    .boxed()
}

struct Reader {
    inner: Arc<Inner>,
    task: TaskId,
    query: LogQuery,
    items: mpsc::Sender<Result<LogItem, ExecutorError>>,
    cutter: Cutter,
    /// Something was read already: what comes now only goes on from there.
    began: bool,
}

/// How a reading ended.
enum End {
    /// There is no more for now.
    Read,
    /// The engine broke off.
    Broken(EngineError),
}

impl Reader {
    async fn run(mut self) -> Result<(), Gone> {
        let mut pause = PAUSES.0;
        loop {
            let Some(seen) = self.begun().await else {
                return Ok(());
            };
            // Asked before the reading: what was printed before the end is read then.
            let over = !matches!(seen.phase, Phase::Running { .. });
            match self.read(&seen, !over).await? {
                End::Read if !self.query.follow || over => return Ok(()),
                End::Read => pause = PAUSES.0,
                End::Broken(error) if !self.query.follow || !error.is_unreachable() => {
                    return self.say(Err(error.into())).await;
                }
                End::Broken(_) => {}
            }
            // The task has ended, which its last look does not say yet, or the engine has gone.
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
            self.inner.refresh(self.task, &seen.container).await.ok();
        }
    }

    /// Waits until the task has begun, if its lines are to be followed. Nothing: there are none.
    async fn begun(&self) -> Option<Arc<Seen>> {
        let mut hints = self.inner.table.hints.listen();
        loop {
            let known = self.inner.table.known(self.task)?;
            let waits = matches!(known.observed.phase, Phase::Preparing | Phase::Prepared);
            if !waits {
                let seen = known.seen?;
                // An end that is ours to know: the container itself never ran.
                let phase = known.observed.phase;
                return Some(Arc::new(Seen {
                    phase,
                    ..Seen::clone(&seen)
                }));
            }
            if !self.query.follow {
                return None;
            }
            tokio::time::timeout(LOOK_EVERY, hints.next()).await.ok();
        }
    }

    async fn read(&mut self, seen: &Seen, follow: bool) -> Result<End, Gone> {
        self.cutter.reconnected();
        let options = self.options(follow && self.query.follow);
        let client = match self.inner.engine.patient() {
            Ok(client) => client,
            Err(error) => return Ok(End::Broken(error)),
        };
        let mut output = client.logs(&seen.container, Some(options));
        while let Some(entry) = output.next().await {
            let lines = match entry {
                Ok(entry) => take(&mut self.cutter, seen.tty, &entry),
                Err(failed) => {
                    let what = "cannot read what the container printed";
                    return Ok(End::Broken(EngineError::new(what, failed)));
                }
            };
            self.began = true;
            self.give(lines).await?;
        }
        let rest = self.cutter.finish();
        self.give(rest).await?;
        Ok(End::Read)
    }

    fn options(&self, follow: bool) -> LogsOptions {
        let tail = match (self.began, self.query.tail) {
            (false, Some(lines)) => lines.to_string(),
            _ => "all".to_owned(),
        };
        let since = if self.began {
            self.cutter.last()
        } else {
            self.query.since
        };
        let since = since.map_or(0, moment::seconds);
        options(follow, &tail, since)
    }

    async fn give(&self, lines: Vec<LogLine>) -> Result<(), Gone> {
        let since = self.query.since;
        let wanted = lines
            .into_iter()
            .filter(|line| since.is_none_or(|since| line.time >= since));
        for line in wanted {
            self.say(Ok(LogItem::Line(line))).await?;
        }
        Ok(())
    }

    async fn say(&self, item: Result<LogItem, ExecutorError>) -> Result<(), Gone> {
        self.items.send(item).await.map_err(|_| Gone)
    }
}

fn options(follow: bool, tail: &str, since: i64) -> LogsOptions {
    LogsOptionsBuilder::new()
        .stdout(true)
        .stderr(true)
        .timestamps(true)
        .follow(follow)
        .tail(tail)
        .since(i32::try_from(since).unwrap_or(i32::MAX))
        .build()
}

fn take(cutter: &mut Cutter, tty: bool, entry: &LogOutput) -> Vec<LogLine> {
    match entry {
        LogOutput::StdErr { message } if !tty => cutter.entry(LogSource::Stderr, message),
        LogOutput::StdOut { message } if !tty => cutter.entry(LogSource::Stdout, message),
        LogOutput::Console { message }
        | LogOutput::StdErr { message }
        | LogOutput::StdOut { message } => cutter.raw(message),
        LogOutput::StdIn { .. } => Vec::new(),
    }
}

/// The end of a task with the last lines it printed, if it failed, or was stopped: that may have been
/// because it was not well.
pub(crate) async fn with_last_lines(engine: &Engine, seen: &Seen, mut exit: Exit) -> Exit {
    let wanted = match exit.cause {
        ExitCause::Exited | ExitCause::OutOfMemory | ExitCause::EngineLost => exit.code != Some(0),
        ExitCause::Stopped => true,
        ExitCause::NotStarted | ExitCause::Lost => false,
    };
    if !wanted {
        return exit;
    }
    let mut last = LastLines::default();
    let reading = async {
        let mut cutter = Cutter::default();
        let Ok(client) = engine.patient() else { return };
        let mut output = client.logs(&seen.container, Some(options(false, LAST_LINES, 0)));
        // A driver that cannot be read back has no last lines.
        while let Some(Ok(entry)) = output.next().await {
            for line in take(&mut cutter, seen.tty, &entry) {
                last.push(&line.data);
            }
        }
        for line in cutter.finish() {
            last.push(&line.data);
        }
    };
    tokio::time::timeout(LAST_LINES_PATIENCE, reading)
        .await
        .ok();
    let printed = last.text(MESSAGE_CHARS);
    let foreign = Some(printed.trim()).filter(|printed| cure::is_foreign_program(printed));
    exit.message = match foreign.and_then(|it| cure::foreign(it, &engine.platform())) {
        Some(problem) => format!("{}: {problem} (field {})", exit.message, image::FIELD),
        None => last.behind(exit.message, MESSAGE_CHARS),
    };
    exit
}
