// SPDX-License-Identifier: Apache-2.0
//! What is known of the tasks of one executor: what the engine said last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use skep_agent::executor::{Exit, ExitCause, HintSender, Observed, Phase};
use skep_core::model::TaskId;
use skep_core::node_agent::{Note, StopHow};
use tokio::sync::{OwnedMutexGuard, watch};
use tokio_util::sync::CancellationToken;

use crate::observe::{self, Seen};

/// The tasks of one executor.
#[derive(Default)]
pub(crate) struct Table {
    tasks: Mutex<BTreeMap<TaskId, Entry>>,
    pub(crate) hints: HintSender,
}

/// One task, or the place of one that is about to be there.
#[derive(Default)]
struct Entry {
    /// Orders take turns.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Looks take turns too, so that what was seen last is what was there last.
    look: Arc<tokio::sync::Mutex<()>>,
    known: Option<Known>,
    /// Ends its preparation.
    cancel: CancellationToken,
    /// It was ordered to end in this life of the executor.
    is_stopped: bool,
    /// The engine told that it ran out of memory.
    oom: watch::Sender<bool>,
    /// It ended while the engine was away, or went away.
    engine_lost: bool,
    /// The engine went away while it was being started.
    interrupted: bool,
    /// How it ended although it was never started.
    unstarted: Option<Exit>,
    /// What people should know of it as long as it is there.
    note: Option<Note>,
}

/// What is known of a task.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) observed: Observed,
    /// What its container says; nothing: there is none yet, or none any more.
    pub(crate) seen: Option<Arc<Seen>>,
}

/// What orders have left behind that a container does not say.
pub(crate) struct Memory {
    pub(crate) known: Option<Known>,
    pub(crate) is_stopped: bool,
    pub(crate) is_oom: bool,
    pub(crate) is_engine_lost: bool,
    pub(crate) is_interrupted: bool,
    pub(crate) unstarted: Option<Exit>,
    pub(crate) note: Option<Note>,
}

impl Table {
    /// Waits for the turn of an order.
    pub(crate) async fn turn(self: &Arc<Self>, task: TaskId) -> Turn {
        let turn = self.tasks().entry(task).or_default().turn.clone();
        let guard = turn.lock_owned().await;
        Turn {
            table: self.clone(),
            task,
            guard: Some(guard),
        }
    }

    /// Waits for the turn of a look.
    pub(crate) async fn look(self: &Arc<Self>, task: TaskId) -> Turn {
        let look = self.tasks().entry(task).or_default().look.clone();
        let guard = look.lock_owned().await;
        Turn {
            table: self.clone(),
            task,
            guard: Some(guard),
        }
    }

    /// Begins to prepare a task. The token ends that.
    pub(crate) fn prepare(
        &self,
        task: TaskId,
        stop: StopHow,
        note: Option<Note>,
    ) -> CancellationToken {
        let mut tasks = self.tasks();
        let entry = tasks.entry(task).or_default();
        entry.cancel = CancellationToken::new();
        entry.known = Some(preparing(task, stop, note));
        let token = entry.cancel.clone();
        drop(tasks);
        self.hints.send(task);
        token
    }

    /// Says how far the preparation of a task is.
    pub(crate) fn tell(&self, task: TaskId, note: Note) {
        let mut tasks = self.tasks();
        let known = tasks.get_mut(&task).and_then(|entry| entry.known.as_mut());
        if let Some(known) = known.filter(|known| known.observed.phase == Phase::Preparing) {
            known.observed.note = Some(note);
            drop(tasks);
            self.hints.send(task);
        }
    }

    /// Notes what people should know of a task as long as it is there.
    pub(crate) fn keep_note(&self, task: TaskId, note: Option<Note>) {
        self.tasks().entry(task).or_default().note = note;
    }

    /// Ends the preparation of a task, if it is being prepared.
    pub(crate) fn cancel(&self, task: TaskId) {
        if let Some(entry) = self.tasks().get(&task) {
            entry.cancel.cancel();
        }
    }

    /// Notes that a task was ordered to end; or that it was not, after all.
    pub(crate) fn set_stopped(&self, task: TaskId, is_stopped: bool) {
        if let Some(entry) = self.tasks().get_mut(&task) {
            entry.is_stopped = is_stopped;
        }
    }

    /// Notes that a container ran out of memory, if it is that of the task.
    pub(crate) fn note_oom(&self, task: TaskId, container: &str) {
        let tasks = self.tasks();
        let entry = tasks.get(&task);
        let its = |entry: &&Entry| {
            let known = entry.known.as_ref();
            known.is_some_and(|known| known.container() == Some(container))
        };
        if let Some(entry) = entry.filter(its) {
            entry.oom.send_replace(true);
        }
    }

    /// Waits until that was noted, at most for so long.
    pub(crate) async fn oom(&self, task: TaskId, patience: Duration) {
        let noted = self.tasks().get(&task).map(|entry| entry.oom.subscribe());
        if let Some(mut noted) = noted {
            let noted = noted.wait_for(|is_oom| *is_oom);
            tokio::time::timeout(patience, noted).await.ok();
        }
    }

    /// Notes that a task ended while the engine was away, or went away.
    pub(crate) fn note_engine_lost(&self, task: TaskId) {
        if let Some(entry) = self.tasks().get_mut(&task) {
            entry.engine_lost = true;
        }
    }

    /// Notes that the engine went away while a task was being started.
    pub(crate) fn note_interrupted(&self, task: TaskId) {
        if let Some(entry) = self.tasks().get_mut(&task) {
            entry.interrupted = true;
        }
    }

    /// Ends a task that was never started.
    pub(crate) fn end_unstarted(&self, task: TaskId, exit: Exit) {
        let mut tasks = self.tasks();
        let Some(entry) = tasks.get_mut(&task) else {
            return;
        };
        if let Some(known) = &mut entry.known {
            known.observed.phase = Phase::Exited(exit.clone());
        }
        entry.unstarted = Some(exit);
        drop(tasks);
        self.hints.send(task);
    }

    /// What is remembered of a task.
    pub(crate) fn memory(&self, task: TaskId) -> Memory {
        let mut tasks = self.tasks();
        let entry = tasks.entry(task).or_default();
        Memory {
            known: entry.known.clone(),
            is_stopped: entry.is_stopped,
            is_oom: *entry.oom.borrow(),
            is_engine_lost: entry.engine_lost,
            is_interrupted: entry.interrupted,
            unstarted: entry.unstarted.clone(),
            note: entry.note.clone(),
        }
    }

    /// Remembers what is known of a task now.
    pub(crate) fn set(&self, known: Known) {
        let task = known.observed.task;
        let mut tasks = self.tasks();
        let entry = tasks.entry(task).or_default();
        let news = entry.known.as_ref().map(|before| &before.observed) != Some(&known.observed);
        entry.known = Some(known);
        drop(tasks);
        if news {
            self.hints.send(task);
        }
    }

    /// Forgets a task that is gone. One that is being prepared has no container yet, and stays
    /// unless `also_preparing`.
    pub(crate) fn forget(&self, task: TaskId, also_preparing: bool) {
        let mut tasks = self.tasks();
        let Some(entry) = tasks.get_mut(&task) else {
            return;
        };
        let is_preparing = |known: &Known| known.observed.phase == Phase::Preparing;
        if entry.known.as_ref().is_some_and(is_preparing) && !also_preparing {
            return;
        }
        entry.known = None;
        entry.is_stopped = false;
        entry.oom = watch::Sender::default();
        entry.engine_lost = false;
        entry.interrupted = false;
        entry.unstarted = None;
        entry.note = None;
        drop(tasks);
        self.hints.send(task);
    }

    /// Notes that a task's container is gone, and with it the task. If somebody else removed it
    /// while it ran, that is how the task ended, which is to be seen until it is removed here too.
    pub(crate) fn gone(&self, task: TaskId) {
        let mut tasks = self.tasks();
        let entry = tasks.get_mut(&task).filter(|entry| !entry.is_stopped);
        let known = entry.and_then(|entry| entry.known.as_mut());
        let removed = known.filter(|known| match &known.observed.phase {
            Phase::Running { .. } => true,
            Phase::Exited(exit) => exit.cause == ExitCause::Lost,
            Phase::Preparing | Phase::Prepared => false,
        });
        let Some(known) = removed else {
            drop(tasks);
            return self.forget(task, false);
        };
        known.seen = None;
        if matches!(known.observed.phase, Phase::Running { .. }) {
            known.observed.phase = Phase::Exited(observe::removed());
            drop(tasks);
            self.hints.send(task);
        }
    }

    /// What is known of a task.
    pub(crate) fn known(&self, task: TaskId) -> Option<Known> {
        self.tasks().get(&task)?.known.clone()
    }

    /// All tasks.
    pub(crate) fn all(&self) -> Vec<Known> {
        let tasks = self.tasks();
        tasks
            .values()
            .filter_map(|entry| entry.known.clone())
            .collect()
    }

    fn tasks(&self) -> MutexGuard<'_, BTreeMap<TaskId, Entry>> {
        // Nothing that is done under this lock leaves the map half changed.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// The engine's id of its container; nothing: there is none yet.
    pub(crate) fn container(&self) -> Option<&str> {
        self.seen.as_ref().map(|seen| &*seen.container)
    }
}

fn preparing(task: TaskId, stop: StopHow, note: Option<Note>) -> Known {
    Known {
        observed: Observed {
            note,
            ..Observed::new(task, stop, Phase::Preparing)
        },
        seen: None,
    }
}

/// The turn of one order or look. At its end the place of a task that does not exist is given up.
pub(crate) struct Turn {
    table: Arc<Table>,
    task: TaskId,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut tasks = self.table.tasks();
        self.guard = None;
        if let Some(entry) = tasks.get(&self.task) {
            // Two hold it if somebody waits for a turn: they must meet the same place.
            let is_free =
                Arc::strong_count(&entry.turn) == 1 && Arc::strong_count(&entry.look) == 1;
            if entry.known.is_none() && is_free {
                tasks.remove(&self.task);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOP: StopHow = StopHow {
        signal: 15,
        grace: Duration::ZERO,
    };

    fn table() -> Arc<Table> {
        Arc::default()
    }

    #[tokio::test]
    async fn the_place_of_nothing_is_given_up() {
        let table = table();
        let turn = table.turn(TaskId(1)).await;
        let look = table.look(TaskId(1)).await;
        drop(turn);
        assert_eq!(table.tasks().len(), 1);
        drop(look);
        assert_eq!(table.tasks().len(), 0);
    }

    #[tokio::test]
    async fn what_is_being_prepared_is_not_missed() {
        let table = table();
        let turn = table.turn(TaskId(1)).await;
        let token = table.prepare(TaskId(1), STOP, None);
        table.forget(TaskId(1), false);
        let progress = Note {
            reason: "PULLING",
            message: "half".into(),
        };
        table.tell(TaskId(1), progress.clone());
        assert_eq!(table.all()[0].observed.note, Some(progress));
        table.cancel(TaskId(1));
        assert!(token.is_cancelled());
        table.forget(TaskId(1), true);
        assert!(table.all().is_empty());
        drop(turn);
        assert_eq!(table.tasks().len(), 0);
    }
}
