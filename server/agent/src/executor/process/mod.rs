// SPDX-License-Identifier: Apache-2.0
//! Runs tasks as process trees on the node itself, each under a shim of its own.
//!
//! The truth about a task stands in its directory (see [`crate::shim`]); what is kept in memory
//! is only what was read there, brought up to date when a shim ends. So a daemon that comes
//! back reads the directories and goes on: running tasks are adopted, and those that ended
//! meanwhile have left their status.

mod check;
mod find;
mod lost;
mod orders;
mod resolve;
mod spawn;
mod sweep;
mod table;

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use skep_core::model::TaskId;

use super::{Executor, ExecutorError, Hint, Observed, Phase, Work};
use crate::cgroup::Cgroups;
use crate::logs::{LogItems, LogLimits, LogQuery, follow};
use crate::shim::files::{EXIT, TaskDir};
use table::Inner;

pub use spawn::ShimProgram;

/// What a [`ProcessExecutor`] needs to know.
#[derive(Clone, Debug)]
pub struct ProcessOptions {
    /// Where the tasks' directories are; made if it is missing. No other executor uses it.
    pub dir: PathBuf,
    /// How shims are started.
    pub shim: ShimProgram,
    /// Where tasks get their control groups.
    pub cgroups: Cgroups,
    /// How much of each task's output is kept.
    pub logs: LogLimits,
}

impl ProcessOptions {
    /// Tasks in `dir`, everything else as usual.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        ProcessOptions {
            dir: dir.into(),
            shim: ShimProgram::default(),
            cgroups: Cgroups::detect(),
            logs: LogLimits::default(),
        }
    }
}

/// Runs tasks as process trees. Dropping it leaves them running, for the next one to adopt.
pub struct ProcessExecutor {
    inner: Arc<Inner>,
}

impl ProcessExecutor {
    /// Begins with the tasks that are in the directory. Needs a tokio runtime, as all its
    /// methods do.
    ///
    /// # Errors
    /// If the directory cannot be made or read.
    pub async fn open(options: ProcessOptions) -> Result<Self, ExecutorError> {
        let inner = blocking(move || {
            let dir = &options.dir;
            let failed = |error| ExecutorError::io(format!("cannot use {}", dir.display()), error);
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o711)
                .create(dir)
                .map_err(failed)?;
            // A shim has another working directory.
            let dir = dir.canonicalize().map_err(failed)?;
            let inner = Arc::new(Inner::new(ProcessOptions {
                dir: dir.clone(),
                ..options.clone()
            }));
            inner.adopt_all().map_err(failed)?;
            Ok(inner)
        })
        .await?;
        Ok(ProcessExecutor { inner })
    }

    /// Carries out an order, one at a time for each task, to its end even if nobody waits.
    async fn order<T: Send + 'static>(
        &self,
        task: TaskId,
        order: impl FnOnce(&Arc<Inner>) -> Result<T, ExecutorError> + Send + 'static,
    ) -> Result<T, ExecutorError> {
        let inner = self.inner.clone();
        let carried_out = tokio::spawn(async move {
            let _turn = inner.turn(task).await;
            blocking(move || order(&inner)).await
        });
        carried_out
            .await
            .map_err(|error| ExecutorError::io("an order broke off", error.into()))?
    }
}

#[async_trait::async_trait]
impl Executor for ProcessExecutor {
    fn capabilities(&self) -> Vec<&'static str> {
        let mut capabilities = vec!["workload.process"];
        capabilities.extend(self.inner.options.cgroups.capabilities());
        capabilities
    }

    async fn prepare(&self, work: Work) -> Result<(), ExecutorError> {
        let Work::Process(work) = work else {
            let problem = "this executor runs programs of the node only";
            return Err(ExecutorError::refused("container", problem));
        };
        self.order(work.task, move |inner| inner.prepare(*work))
            .await
    }

    async fn start(&self, task: TaskId) -> Result<(), ExecutorError> {
        self.order(task, move |inner| inner.start(task)).await
    }

    async fn stop(&self, task: TaskId, signal: i32, grace: Duration) -> Result<(), ExecutorError> {
        self.order(task, move |inner| inner.stop(task, signal, grace))
            .await
    }

    async fn remove(&self, task: TaskId) -> Result<(), ExecutorError> {
        self.order(task, move |inner| inner.remove(task)).await
    }

    async fn check(
        &self,
        task: TaskId,
        command: &[String],
        patience: Duration,
    ) -> Result<(), ExecutorError> {
        let (inner, command) = (self.inner.clone(), command.to_vec());
        let check = blocking(move || inner.check(task, &command)).await?;
        check::run(check, patience).await
    }

    fn list(&self) -> Vec<Observed> {
        self.inner.list()
    }

    fn get(&self, task: TaskId) -> Option<Observed> {
        self.inner.get(task)
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        self.inner.hints.listen()
    }

    fn logs(&self, task: TaskId, query: LogQuery) -> Result<LogItems, ExecutorError> {
        let known = self
            .inner
            .get(task)
            .ok_or(ExecutorError::UnknownTask(task))?;
        let dir = self.inner.dir(task);
        let log = dir.log();
        let over = matches!(known.phase, Phase::Exited(_));
        // The shim writes its record of the end after the last line. A directory that is gone
        // was removed.
        Ok(follow(log, query, move || {
            over || dir.has(EXIT) || !dir.path().exists()
        }))
    }
}

/// Runs something that waits for disks and processes away from the threads that serve others.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ExecutorError> + Send + 'static,
) -> Result<T, ExecutorError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ExecutorError::io("an order broke off", io::Error::from(error)))?
}

/// The directory of a task below that of all.
fn task_dir(options: &ProcessOptions, task: TaskId) -> TaskDir {
    TaskDir::new(options.dir.join(task.to_string()))
}
