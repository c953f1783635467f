// SPDX-License-Identifier: Apache-2.0
//! Simulated tasks without a clock: time is an argument, so a test decides what time it is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use skep_core::model::{Port, TaskId, Timestamp};
use skep_core::node_agent::StopHow;

use super::behaviour::Behaviour;
use crate::executor::{ExecutorError, Exit, ExitCause, Observed, Phase, Work};
use crate::logs::{GapReason, LogItem, LogLine, LogQuery, LogSource};

/// How many lines of a task are kept.
const LINES: usize = 100;
/// Number of SIGKILL.
const KILL: i32 = 9;

/// Tasks that exist only here.
#[derive(Default)]
pub struct SimWorld {
    tasks: BTreeMap<TaskId, SimTask>,
    /// When something happens next to which task.
    agenda: BTreeSet<(Timestamp, TaskId)>,
    last_pid: u32,
}

struct SimTask {
    task: TaskId,
    ports: Vec<Port>,
    stop: StopHow,
    image: Arc<str>,
    behaviour: Behaviour,
    phase: Phase,
    /// When it ends, and how.
    end: Option<(Timestamp, Ending)>,
    next_line: Option<Timestamp>,
    lines: VecDeque<LogLine>,
    printed: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    ByItself,
    /// It obeyed this signal.
    Stopped(i32),
    /// It did not, for the whole grace.
    Killed(i32),
}

impl SimWorld {
    /// Makes a task ready.
    ///
    /// # Errors
    /// `Refused` if its environment asks for a behaviour that is not known.
    pub fn prepare(&mut self, work: Work) -> Result<(), ExecutorError> {
        let task = work.task();
        if self.tasks.contains_key(&task) {
            return Ok(());
        }
        let (behaviour, ports, stop, image) = match work {
            Work::Process(work) => {
                let behaviour = Behaviour::of("process", &work.env)?;
                let stop = work.stop();
                (behaviour, work.ports, stop, Arc::default())
            }
            Work::Container(work) => {
                let container = &work.launch.container;
                let behaviour = Behaviour::of("container", &container.env)?;
                let image = container.image.as_str().into();
                (behaviour, work.ports, work.stop, image)
            }
        };
        let known = SimTask {
            task,
            ports,
            stop,
            image,
            behaviour,
            phase: Phase::Prepared,
            end: None,
            next_line: None,
            lines: VecDeque::new(),
            printed: 0,
        };
        self.tasks.insert(task, known);
        Ok(())
    }

    /// Starts a task that is prepared.
    ///
    /// # Errors
    /// If it is not known, or its behaviour is not to start.
    pub fn start(&mut self, task: TaskId, now: Timestamp) -> Result<(), ExecutorError> {
        let pid = self.last_pid + 1;
        let known = self
            .tasks
            .get_mut(&task)
            .ok_or(ExecutorError::UnknownTask(task))?;
        if known.phase != Phase::Prepared {
            return Ok(());
        }
        if let Some(problem) = known.behaviour.refuse.clone() {
            let error = ExecutorError::refused("process.command[0]", problem);
            let (cause, message) = (ExitCause::NotStarted, error.to_string());
            known.phase = Phase::Exited(Exit {
                cause,
                code: None,
                signal: None,
                at: now,
                message,
            });
            return Err(error);
        }
        self.last_pid = pid;
        known.phase = Phase::Running { pid, since: now };
        known.end = known
            .behaviour
            .after
            .map(|after| (now.after(after), Ending::ByItself));
        known.next_line = known.behaviour.log.is_some().then_some(now);
        self.agenda.extend(known.next_step().map(|at| (at, task)));
        Ok(())
    }

    /// Orders a task to end.
    ///
    /// # Errors
    /// If it is not known.
    pub fn stop(
        &mut self,
        task: TaskId,
        signal: i32,
        grace: Duration,
        now: Timestamp,
    ) -> Result<(), ExecutorError> {
        let known = self
            .tasks
            .get_mut(&task)
            .ok_or(ExecutorError::UnknownTask(task))?;
        match known.phase {
            Phase::Exited(_) => return Ok(()),
            Phase::Preparing | Phase::Prepared => {
                let (cause, message) = (ExitCause::Stopped, "stopped before it was started".into());
                let exit = Exit {
                    cause,
                    code: None,
                    signal: None,
                    at: now,
                    message,
                };
                known.phase = Phase::Exited(exit);
                return Ok(());
            }
            Phase::Running { .. } => {}
        }
        self.agenda
            .extend(known.order(signal, grace, now).map(|at| (at, task)));
        Ok(())
    }

    /// Asks a task how it is.
    ///
    /// # Errors
    /// If it is not known, or is sick.
    pub fn check(&self, task: TaskId) -> Result<(), ExecutorError> {
        let known = self.tasks.get(&task);
        let known = known.ok_or(ExecutorError::UnknownTask(task))?;
        match &known.behaviour.sick {
            Some(words) => Err(ExecutorError::CheckFailed(words.clone())),
            None => Ok(()),
        }
    }

    /// Forgets a task, whatever it does.
    pub fn remove(&mut self, task: TaskId) {
        self.tasks.remove(&task);
    }

    /// When something happens next; none: never, unless something is ordered.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.agenda.first().map(|(at, _)| *at)
    }

    /// Lets everything happen that is due at `now`, and gives the tasks it happened to.
    pub fn advance(&mut self, now: Timestamp) -> Vec<TaskId> {
        let mut changed = Vec::new();
        while let Some((at, task)) = self.agenda.first().copied().filter(|(at, _)| *at <= now) {
            self.agenda.remove(&(at, task));
            // One that was removed stays on the agenda until its time.
            let Some(known) = self.tasks.get_mut(&task) else {
                continue;
            };
            if known.happen(at) {
                changed.push(task);
            }
            self.agenda.extend(known.next_step().map(|at| (at, task)));
        }
        changed
    }

    /// All tasks, in order of their ids.
    #[must_use]
    pub fn list(&self) -> Vec<Observed> {
        self.tasks.values().map(SimTask::observed).collect()
    }

    /// One task.
    #[must_use]
    pub fn get(&self, task: TaskId) -> Option<Observed> {
        self.tasks.get(&task).map(SimTask::observed)
    }

    /// What a task has printed so far, beginning with line `from`.
    ///
    /// # Errors
    /// If it is not known.
    pub fn lines(
        &self,
        task: TaskId,
        query: &LogQuery,
        from: u64,
    ) -> Result<Vec<LogItem>, ExecutorError> {
        let known = self
            .tasks
            .get(&task)
            .ok_or(ExecutorError::UnknownTask(task))?;
        Ok(known.items(query, from))
    }
}

impl SimTask {
    fn observed(&self) -> Observed {
        Observed {
            ports: self.ports.clone(),
            image: self.image.clone(),
            ..Observed::new(self.task, self.stop, self.phase.clone())
        }
    }

    fn next_step(&self) -> Option<Timestamp> {
        let end = self.end.map(|(at, _)| at);
        [end, self.next_line].into_iter().flatten().min()
    }

    /// Takes an order to end, and says when it will. Orders only bring the end nearer.
    fn order(&mut self, signal: i32, grace: Duration, now: Timestamp) -> Option<Timestamp> {
        let obeys = self.behaviour.stop;
        let end = if signal == KILL || obeys <= grace {
            let takes = if signal == KILL {
                Duration::ZERO
            } else {
                obeys
            };
            (now.after(takes), Ending::Stopped(signal))
        } else {
            (now.after(grace), Ending::Killed(signal))
        };
        if self.end.is_some_and(|(at, _)| at <= end.0) {
            return None;
        }
        self.end = Some(end);
        Some(end.0)
    }

    /// Does what is due at `at`; true: the task has ended.
    fn happen(&mut self, at: Timestamp) -> bool {
        if self.next_line.is_some_and(|due| due <= at) {
            self.print(at);
        }
        match self.end {
            Some((due, ending)) if due <= at => {
                self.phase = Phase::Exited(self.exit(ending, due));
                (self.end, self.next_line) = (None, None);
                true
            }
            _ => false,
        }
    }

    fn print(&mut self, time: Timestamp) {
        self.printed += 1;
        let data = self.behaviour.log.clone().unwrap_or_default().into_bytes();
        let (seq, source) = (self.printed, LogSource::Stdout);
        self.lines.push_back(LogLine {
            seq,
            time,
            source,
            data,
            partial: false,
        });
        if self.lines.len() > LINES {
            self.lines.pop_front();
        }
        self.next_line = self.behaviour.log_every.map(|every| time.after(every));
    }

    fn exit(&self, ending: Ending, at: Timestamp) -> Exit {
        let by_signal = |signal: i32| (128 + signal, Some(signal));
        let (cause, (code, signal), message) = match (ending, self.behaviour.signal) {
            (Ending::ByItself, Some(signal)) => (
                ExitCause::Exited,
                by_signal(signal),
                format!("killed by signal {signal}"),
            ),
            (Ending::ByItself, None) if self.behaviour.exit == 0 => {
                (ExitCause::Exited, (0, None), String::new())
            }
            (Ending::ByItself, None) => {
                let code = self.behaviour.exit;
                (
                    ExitCause::Exited,
                    (code, None),
                    format!("exited with code {code}"),
                )
            }
            (Ending::Stopped(signal), _) => (
                ExitCause::Stopped,
                by_signal(signal),
                format!("stopped with signal {signal}"),
            ),
            (Ending::Killed(signal), _) => {
                let words = format!("killed: it did not end in time after signal {signal}");
                (ExitCause::Stopped, by_signal(KILL), words)
            }
        };
        Exit {
            cause,
            code: Some(code),
            signal,
            at,
            message,
        }
    }

    fn items(&self, query: &LogQuery, from: u64) -> Vec<LogItem> {
        let mut items = Vec::new();
        let first = self.lines.front().map_or(1, |line| line.seq);
        let unlimited = query.tail.is_none() && query.since.is_none();
        if first > from && (unlimited || from > 1) {
            items.push(LogItem::Gap {
                reason: GapReason::Rotated,
                lines: first - from,
            });
        }
        // A tail says where to begin, not where to go on.
        let skipped = match query.tail {
            Some(tail) if from == 1 => self.lines.len().saturating_sub(tail as usize),
            _ => 0,
        };
        let wanted =
            self.lines.iter().skip(skipped).filter(|line| {
                line.seq >= from && query.since.is_none_or(|since| line.time >= since)
            });
        items.extend(wanted.cloned().map(LogItem::Line));
        items
    }
}
