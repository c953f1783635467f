// SPDX-License-Identifier: Apache-2.0
//! What a process executor knows of its tasks, and how it learns that one has ended.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use skep_core::model::{TaskId, Timestamp};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinSet;

use super::find::{Found, settled};
use super::spawn::has_ended;
use super::sweep::sweep;
use super::{ProcessOptions, blocking, task_dir};
use crate::clock;
use crate::executor::{ExecutorError, Exit, ExitCause, HintSender, Observed, Phase, TaskWork};
use crate::shim::files::{STOP, TaskDir};
use crate::shim::spec::{Running, Spec};

/// How long the start of the daemon waits for a shim that the last daemon has just begun.
const ADOPT_PATIENCE: Duration = Duration::from_secs(10);

/// How often a shim is looked at whose end the system does not tell.
const LOOK_FOR_END_EVERY: Duration = Duration::from_millis(500);

/// The tasks of one executor.
pub(super) struct Inner {
    pub(super) options: ProcessOptions,
    pub(super) hints: HintSender,
    tasks: Mutex<BTreeMap<TaskId, Entry>>,
    /// Each waits for the end of one shim. They go with this table.
    watchers: Mutex<JoinSet<()>>,
}

/// One task, or the place of one that is being prepared.
#[derive(Default)]
struct Entry {
    /// Orders take turns.
    turn: Arc<tokio::sync::Mutex<()>>,
    known: Option<Known>,
}

/// What is known of a task.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) work: Arc<TaskWork>,
    pub(super) phase: Phase,
    /// Its shim, while it runs.
    pub(super) shim: Option<Arc<OwnedFd>>,
}

impl Inner {
    /// No tasks yet.
    pub(super) fn new(options: ProcessOptions) -> Self {
        Inner {
            options,
            hints: HintSender::default(),
            tasks: Mutex::default(),
            watchers: Mutex::default(),
        }
    }

    /// The directory of a task.
    pub(super) fn dir(&self, task: TaskId) -> TaskDir {
        task_dir(&self.options, task)
    }

    /// Takes over all tasks that the last daemon left.
    pub(super) fn adopt_all(self: &Arc<Self>) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.options.dir)? {
            let name = entry?.file_name();
            let Some(task) = name.to_str().and_then(|name| name.parse::<TaskId>().ok()) else {
                continue;
            };
            if let Err(error) = self.adopt(task) {
                self.give_up_unreadable(task, &error);
            }
        }
        Ok(())
    }

    fn adopt(self: &Arc<Self>, task: TaskId) -> Result<(), ExecutorError> {
        match self.refresh(task, ADOPT_PATIENCE, None)? {
            // Its preparation was cut off: nothing was started, so nothing is lost.
            None => {
                if let Err(error) = self.dir(task).delete() {
                    tracing::warn!(%task, %error, "cannot tidy up after this task");
                }
                Ok(())
            }
            Some(known) => {
                if let (Some(shim), true) = (&known.shim, self.dir(task).has(STOP)) {
                    // The last daemon may have died between the order and the call.
                    super::orders::call(shim);
                }
                Ok(())
            }
        }
    }

    /// Reads how far a task is and remembers it; `child` is its shim, if that is our child.
    /// None: there is no such task.
    pub(super) fn refresh(
        self: &Arc<Self>,
        task: TaskId,
        patience: Duration,
        mut child: Option<Child>,
    ) -> Result<Option<Known>, ExecutorError> {
        let dir = self.dir(task);
        let known = match settled(&dir, patience).map_err(failed("cannot read the task"))? {
            Found::Nothing | Found::Beginning => return Ok(None),
            Found::Prepared(spec) => Known::new(spec, Phase::Prepared, None),
            Found::Ended(spec, exit) => Known::new(spec, Phase::Exited(exit), None),
            Found::Running(spec, shim, running) => {
                let shim = Arc::new(shim);
                self.watch(task, shim.clone(), child.take());
                let Running { pid, since } = running;
                let pid = u32::try_from(pid).unwrap_or_default();
                let phase = Phase::Running {
                    pid,
                    since: Timestamp(since),
                };
                Known::new(spec, phase, Some(shim))
            }
            Found::Lost { spec, rebooted } => {
                let exit = give_up(&dir, &spec, rebooted)?;
                Known::new(spec, Phase::Exited(exit), None)
            }
        };
        self.set(task, Some(known.clone()));
        // A shim that has written the end is about to go.
        child.map_or(Ok(()), collect)?;
        Ok(Some(known))
    }

    /// Waits for the end of a shim, then reads what it left.
    fn watch(self: &Arc<Self>, task: TaskId, shim: Arc<OwnedFd>, child: Option<Child>) {
        let table = Arc::downgrade(self);
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        while watchers.try_join_next().is_some() {}
        let runtime = tokio::runtime::Handle::current();
        watchers.spawn_on(
            async move {
                ended(shim).await;
                if let Err(error) = take_end(&table, task, child).await {
                    tracing::error!(%task, %error, "cannot tell how this task ended");
                }
            },
            &runtime,
        );
    }

    /// Waits for the turn of an order.
    pub(super) async fn turn(self: &Arc<Self>, task: TaskId) -> Turn {
        let turn = self.tasks().entry(task).or_default().turn.clone();
        let guard = turn.lock_owned().await;
        Turn {
            table: self.clone(),
            task,
            guard: Some(guard),
        }
    }

    /// What is known of a task.
    pub(super) fn known(&self, task: TaskId) -> Option<Known> {
        self.tasks().get(&task)?.known.clone()
    }

    /// What is known of a task, which must be there.
    pub(super) fn must_know(&self, task: TaskId) -> Result<Known, ExecutorError> {
        self.known(task).ok_or(ExecutorError::UnknownTask(task))
    }

    /// Remembers what is known of a task, or that it is gone.
    pub(super) fn set(&self, task: TaskId, known: Option<Known>) {
        self.tasks().entry(task).or_default().known = known;
        self.hints.send(task);
    }

    /// All tasks.
    pub(super) fn list(&self) -> Vec<Observed> {
        self.tasks()
            .values()
            .filter_map(|entry| Some(entry.known.as_ref()?.observed()))
            .collect()
    }

    /// One task.
    pub(super) fn get(&self, task: TaskId) -> Option<Observed> {
        Some(self.known(task)?.observed())
    }

    fn tasks(&self) -> MutexGuard<'_, BTreeMap<TaskId, Entry>> {
        // Nothing that is done under this lock leaves the map half changed.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// A task that runs or ran this.
    pub(super) fn new(spec: Spec, phase: Phase, shim: Option<Arc<OwnedFd>>) -> Self {
        Known {
            work: Arc::new(spec.work),
            phase,
            shim,
        }
    }

    fn observed(&self) -> Observed {
        let work = &self.work;
        Observed {
            ports: work.ports.clone(),
            ..Observed::new(work.task, work.stop(), self.phase.clone())
        }
    }
}

/// The turn of one order. At its end the place of a task that does not exist is given up.
pub(super) struct Turn {
    table: Arc<Inner>,
    task: TaskId,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut tasks = self.table.tasks();
        self.guard = None;
        if let Some(entry) = tasks.get(&self.task) {
            // Two hold it if one waits for its turn: it must meet the same place.
            if entry.known.is_none() && Arc::strong_count(&entry.turn) == 1 {
                tasks.remove(&self.task);
            }
        }
    }
}

/// Waits until the process behind this handle has ended.
async fn ended(shim: Arc<OwnedFd>) {
    if let Err(error) = told_of_end(shim.clone()).await {
        tracing::warn!(%error, "the system does not tell of the end of a task: it is looked for");
        look_for_end(&shim).await;
    }
}

/// The handle of a process becomes readable when the process has ended.
#[allow(unsafe_code)]
async fn told_of_end(shim: Arc<OwnedFd>) -> io::Result<()> {
    // SAFETY: the descriptor is open as long as the `Arc` lives, which the `AsyncFd` owns, and
    // an `OwnedFd` never changes its number.
    let handle = unsafe { AsyncFd::register_with_interest(shim, Interest::READABLE) }?;
    handle.readable().await.map(drop)
}

/// Looks now and then whether the process behind this handle has ended.
async fn look_for_end(shim: &OwnedFd) {
    while !has_ended(shim) {
        tokio::time::sleep(LOOK_FOR_END_EVERY).await;
    }
}

async fn take_end(
    table: &Weak<Inner>,
    task: TaskId,
    child: Option<Child>,
) -> Result<(), ExecutorError> {
    let Some(table) = table.upgrade() else {
        return Ok(());
    };
    let _turn = table.turn(task).await;
    blocking(move || {
        child.map_or(Ok(()), collect)?;
        // It may have been removed meanwhile.
        if table.known(task).is_some()
            && let Err(error) = table.refresh(task, Duration::ZERO, None)
        {
            table.give_up_unreadable(task, &error);
        }
        Ok(())
    })
    .await
}

fn collect(mut shim: Child) -> Result<(), ExecutorError> {
    shim.wait()
        .map(drop)
        .map_err(failed("cannot collect the task's supervisor"))
}

/// Ends a task whose shim is gone: kills what is left and writes down that nobody knows more.
fn give_up(dir: &TaskDir, spec: &Spec, rebooted: bool) -> Result<Exit, ExecutorError> {
    let mut message = if rebooted {
        "the machine was restarted while the task ran".to_owned()
    } else if sweep(spec.work.task, &spec.cgroup) {
        "the task's supervisor was killed, so nobody knows how the task ended; \
         what was left of it was killed"
            .to_owned()
    } else {
        "the task's supervisor was killed, and some of the task's processes cannot be killed"
            .to_owned()
    };
    spec.cgroup.remove();
    let complaints = dir.complaints();
    if !complaints.is_empty() {
        message = format!("{message}; the supervisor's last words: {complaints}");
    }
    let (cause, at) = (ExitCause::Lost, clock::now());
    let exit = Exit {
        cause,
        code: None,
        signal: None,
        at,
        message,
    };
    dir.write_exit(&exit)
        .map_err(failed("cannot write down the end of a task"))?;
    Ok(exit)
}

/// Gives an error of the system the words for what was being done.
pub(super) fn failed(what: &'static str) -> impl Fn(io::Error) -> ExecutorError {
    move |error| ExecutorError::io(what, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shim::identity::ProcessIdentity;

    #[tokio::test]
    async fn an_end_that_the_system_does_not_tell_is_found() {
        let mut child = std::process::Command::new("/bin/sleep")
            .arg("1000")
            .spawn()
            .expect("a process");
        let pid = i32::try_from(child.id()).expect("a process id");
        let identity = ProcessIdentity::of(pid).expect("it runs");
        let handle = identity.open().expect("a handle").expect("it runs");
        assert!(!has_ended(&handle));
        child.kill().expect("killed");
        let looked = tokio::time::timeout(Duration::from_secs(60), look_for_end(&handle));
        looked.await.expect("it is found");
        child.wait().expect("its end");
    }
}
