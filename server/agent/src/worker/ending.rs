// SPDX-License-Identifier: Apache-2.0
//! Ends all tasks of a node and removes what is left of them.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use skep_core::model::{TaskId, signal};
use tokio::time::Instant;

use crate::executor::{Executor, Observed, Phase};

/// The longest grace that a task gets when its node goes.
const GRACE_MAX: Duration = Duration::from_secs(10);
/// How long after its grace a task that still runs is killed again.
const MARGIN: Duration = Duration::from_secs(5);
/// How often is looked, should a hint be lost.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The longest that all of it may take: a task that hangs in the kernel, or a disk that does,
/// must not keep the daemon from ending.
const END_TIME_MAX: Duration = Duration::from_secs(60);

/// Stops every task as it wants to be stopped, waits until all have ended, and removes them;
/// gives up what cannot be ended.
pub(super) async fn end_all(executor: &dyn Executor) {
    let all = tokio::time::timeout(END_TIME_MAX, end_and_remove(executor));
    if all.await.is_err() {
        let left = executor.list();
        let tasks: Vec<String> = left.iter().map(|left| left.task.to_string()).collect();
        tracing::error!(
            ?tasks,
            seconds = END_TIME_MAX.as_secs(),
            "these tasks could not be ended and removed in time, and are left"
        );
    }
}

async fn end_and_remove(executor: &dyn Executor) {
    let mut hints = executor.hints();
    let mut told = BTreeSet::new();
    let mut kill_at = Instant::now() + GRACE_MAX + MARGIN;
    loop {
        let left = live(executor);
        if left.is_empty() {
            break;
        }
        // Orders that were on their way may have made tasks since the last look.
        let new = left.iter().filter(|known| told.insert(known.task));
        let stops = new.map(|known| {
            let grace = known.stop.grace.min(GRACE_MAX);
            stop(executor, known.task, known.stop.signal, grace)
        });
        join_all(stops).await;
        if Instant::now() >= kill_at {
            kill_at = Instant::now() + MARGIN;
            let tasks = left.iter().map(|known| known.task);
            let kills = tasks.map(|task| stop(executor, task, signal::KILL, Duration::ZERO));
            join_all(kills).await;
        }
        // Hint or not: then it is looked again.
        tokio::time::timeout(LOOK_EVERY, hints.next()).await.ok();
    }
    let tasks = executor.list();
    let tasks = tasks.iter().map(|known| known.task);
    join_all(tasks.map(|task| remove(executor, task))).await;
}

fn live(executor: &dyn Executor) -> Vec<Observed> {
    let mut tasks = executor.list();
    tasks.retain(|known| !matches!(known.phase, Phase::Exited(_)));
    tasks
}

async fn stop(executor: &dyn Executor, task: TaskId, signal: i32, grace: Duration) {
    if let Err(error) = executor.stop(task, signal, grace).await {
        tracing::warn!(%task, %error, "a task could not be told to end");
    }
}

async fn remove(executor: &dyn Executor, task: TaskId) {
    if let Err(error) = executor.remove(task).await {
        tracing::warn!(%task, %error, "something of a task is left");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::stream::BoxStream;

    use super::*;
    use crate::executor::TaskWork;
    use crate::executor::{ExecutorError, Hint, Work};
    use crate::logs::{LogItems, LogQuery};

    /// One task, and whoever gives an order waits for ever.
    struct Hung;

    #[async_trait::async_trait]
    impl Executor for Hung {
        fn capabilities(&self) -> Vec<&'static str> {
            Vec::new()
        }

        async fn prepare(&self, _: Work) -> Result<(), ExecutorError> {
            std::future::pending().await
        }

        async fn start(&self, _: TaskId) -> Result<(), ExecutorError> {
            std::future::pending().await
        }

        async fn stop(&self, _: TaskId, _: i32, _: Duration) -> Result<(), ExecutorError> {
            std::future::pending().await
        }

        async fn remove(&self, _: TaskId) -> Result<(), ExecutorError> {
            std::future::pending().await
        }

        fn list(&self) -> Vec<Observed> {
            let work = TaskWork::default();
            vec![Observed::new(work.task, work.stop(), Phase::Prepared)]
        }

        fn get(&self, _: TaskId) -> Option<Observed> {
            self.list().pop()
        }

        fn hints(&self) -> BoxStream<'static, Hint> {
            futures::stream::pending().boxed()
        }

        fn logs(&self, task: TaskId, _: LogQuery) -> Result<LogItems, ExecutorError> {
            Err(ExecutorError::UnknownTask(task))
        }
    }

    /// Two tasks, of which one is being made ready until the other was told to stop.
    struct Late(Mutex<Vec<TaskId>>);

    #[async_trait::async_trait]
    impl Executor for Late {
        fn capabilities(&self) -> Vec<&'static str> {
            Vec::new()
        }

        async fn prepare(&self, _: Work) -> Result<(), ExecutorError> {
            Ok(())
        }

        async fn start(&self, _: TaskId) -> Result<(), ExecutorError> {
            Ok(())
        }

        async fn stop(&self, task: TaskId, _: i32, _: Duration) -> Result<(), ExecutorError> {
            self.0
                .lock()
                .expect("nobody panics")
                .retain(|left| *left != task);
            Ok(())
        }

        async fn remove(&self, _: TaskId) -> Result<(), ExecutorError> {
            Ok(())
        }

        fn list(&self) -> Vec<Observed> {
            let left = self.0.lock().expect("nobody panics");
            let first = left.first().map(|task| {
                let stop = TaskWork::default().stop();
                Observed::new(*task, stop, Phase::Prepared)
            });
            first.into_iter().collect()
        }

        fn get(&self, _: TaskId) -> Option<Observed> {
            self.list().pop()
        }

        fn hints(&self) -> BoxStream<'static, Hint> {
            futures::stream::pending().boxed()
        }

        fn logs(&self, task: TaskId, _: LogQuery) -> Result<LogItems, ExecutorError> {
            Err(ExecutorError::UnknownTask(task))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_late_is_told_to_stop_as_well() {
        let began = Instant::now();
        let executor = Late(Mutex::new(vec![TaskId(1), TaskId(2)]));
        end_all(&executor).await;
        assert!(began.elapsed() < MARGIN, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_hangs_is_given_up() {
        let far_more = END_TIME_MAX * 10;
        let ended = tokio::time::timeout(far_more, end_all(&Hung)).await;
        assert!(ended.is_ok(), "it still waits");
    }
}
