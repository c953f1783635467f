// SPDX-License-Identifier: Apache-2.0
//! Runs tasks that exist only in memory: thousands on one machine, for scale and for tests.
//!
//! A task's environment says how it behaves:
//!
//! | variable | meaning |
//! |---|---|
//! | `SIM_EXIT=3` | it ends by itself with this code |
//! | `SIM_SIGNAL=11` | it ends by itself by this signal |
//! | `SIM_AFTER=500ms` | it ends by itself after this long; with one of the two above: not at once |
//! | `SIM_STOP=2s` | it takes this long to obey a stop signal; longer than the grace: it is killed |
//! | `SIM_REFUSE=words` | it cannot be started, for this reason |
//! | `SIM_SICK=words` | its health checks fail, for this reason |
//! | `SIM_LOG=words` | it prints this when it starts |
//! | `SIM_LOG_EVERY=1s` | and again each time so long has passed |
//!
//! Times are whole numbers with `ms`, `s` or `m`. Without any of them a task runs until it is
//! stopped. Nothing outlives the daemon.
//!
//! [`SimWorld`] is the simulation itself, where time is an argument; [`SimulatedExecutor`] lets
//! it run with the time of the tokio runtime, which a test may pause.

mod behaviour;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use skep_core::model::{TaskId, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Executor, ExecutorError, Hint, HintSender, Observed, Phase, Work};
use crate::clock;
use crate::logs::{LogItem, LogItems, LogQuery};

pub use world::SimWorld;

/// Between two looks at the log of a task that is followed.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Runs a [`SimWorld`] in time. Its tasks end with it.
pub struct SimulatedExecutor {
    shared: Arc<Shared>,
    driver: tokio::task::JoinHandle<()>,
}

struct Shared {
    world: Mutex<SimWorld>,
    hints: HintSender,
    /// Something was ordered, so the next event may be nearer.
    ordered: Notify,
    began: (Instant, Timestamp),
}

impl SimulatedExecutor {
    /// A world without tasks. Needs a tokio runtime.
    #[must_use]
    pub fn new() -> Self {
        let shared = Arc::new(Shared {
            world: Mutex::default(),
            hints: HintSender::default(),
            ordered: Notify::new(),
            began: (Instant::now(), clock::now()),
        });
        let driver = tokio::spawn(drive(shared.clone()));
        SimulatedExecutor { shared, driver }
    }

    /// Gives an order to the world.
    fn order<T>(&self, task: TaskId, order: impl FnOnce(&mut SimWorld, Timestamp) -> T) -> T {
        let now = self.shared.now();
        let answer = order(&mut self.shared.world(), now);
        self.shared.ordered.notify_one();
        self.shared.hints.send(task);
        answer
    }
}

impl Default for SimulatedExecutor {
    fn default() -> Self {
        SimulatedExecutor::new()
    }
}

impl Drop for SimulatedExecutor {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Shared {
    fn now(&self) -> Timestamp {
        self.began.1.after(self.began.0.elapsed())
    }

    fn world(&self) -> MutexGuard<'_, SimWorld> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets things happen when they are due.
async fn drive(shared: Arc<Shared>) {
    loop {
        let (changed, wake) = {
            let mut world = shared.world();
            (world.advance(shared.now()), world.next_wake())
        };
        changed.into_iter().for_each(|task| shared.hints.send(task));
        let due = wake.map(|at| shared.began.0 + at.since(shared.began.1));
        let wait = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wait => {}
            () = shared.ordered.notified() => {}
        }
    }
}

#[async_trait::async_trait]
impl Executor for SimulatedExecutor {
    fn capabilities(&self) -> Vec<&'static str> {
        // What uses nothing stays below every limit.
        vec![
            "workload.process",
            "limits.cpu",
            "limits.memory",
            "limits.pids",
            "workload.container",
            "container.limits.cpu",
            "container.limits.memory",
            "container.limits.pids",
        ]
    }

    async fn prepare(&self, work: Work) -> Result<(), ExecutorError> {
        self.order(work.task(), |world, _| world.prepare(work))
    }

    async fn start(&self, task: TaskId) -> Result<(), ExecutorError> {
        self.order(task, |world, now| world.start(task, now))
    }

    async fn stop(&self, task: TaskId, signal: i32, grace: Duration) -> Result<(), ExecutorError> {
        self.order(task, |world, now| world.stop(task, signal, grace, now))
    }

    async fn remove(&self, task: TaskId) -> Result<(), ExecutorError> {
        self.order(task, |world, _| world.remove(task));
        Ok(())
    }

    async fn check(&self, task: TaskId, _: &[String], _: Duration) -> Result<(), ExecutorError> {
        self.shared.world().check(task)
    }

    fn list(&self) -> Vec<Observed> {
        self.shared.world().list()
    }

    fn get(&self, task: TaskId) -> Option<Observed> {
        self.shared.world().get(task)
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        self.shared.hints.listen()
    }

    fn logs(&self, task: TaskId, query: LogQuery) -> Result<LogItems, ExecutorError> {
        self.get(task).ok_or(ExecutorError::UnknownTask(task))?;
        let batches = stream::unfold(
            (self.shared.clone(), Some(1)),
            move |(shared, from)| async move {
                let from = from?;
                let (items, over) = look(&shared, task, &query, from);
                if items.is_empty() && !over {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                let last = items.iter().rev().find_map(|item| match item {
                    LogItem::Line(line) => Some(line.seq + 1),
                    LogItem::Gap { .. } => None,
                });
                let from = (!over).then_some(last.unwrap_or(from));
                Some((stream::iter(items.into_iter().map(Ok)), (shared, from)))
            },
        );
        Ok(batches.flatten().boxed())
    }
}

/// The next lines, and whether they are the last.
fn look(shared: &Shared, task: TaskId, query: &LogQuery, from: u64) -> (Vec<LogItem>, bool) {
    let world = shared.world();
    let runs = matches!(
        world.get(task).map(|known| known.phase),
        Some(Phase::Prepared | Phase::Running { .. })
    );
    let items = world.lines(task, query, from).unwrap_or_default();
    (items, !query.follow || !runs)
}
