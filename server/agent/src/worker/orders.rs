// SPDX-License-Identifier: Apache-2.0
//! Orders on their way through the executor.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use skep_core::model::TaskId;
use skep_core::node_agent::{OrderFailure, OrderKind};
use tokio::sync::Semaphore;

use crate::executor::{Executor, Work};

use super::convert;

/// How many tasks of a node are made ready at a time: some of them only wait for an image.
const PREPARES_MAX: usize = 64;
/// How many are started at a time.
const STARTS_MAX: usize = 16;
/// How many are stopped or removed at a time.
const STOPS_MAX: usize = 64;

/// One order, with all it needs.
#[derive(Debug)]
pub(super) enum Job {
    /// Make this ready; or say why it cannot be.
    Prepare(Result<Box<Work>, OrderFailure>),
    Start,
    Stop {
        signal: i32,
        grace: Duration,
    },
    Remove,
}

impl Job {
    fn kind(&self) -> OrderKind {
        match self {
            Job::Prepare(_) => OrderKind::Prepare,
            Job::Start => OrderKind::Start,
            Job::Stop { .. } => OrderKind::Stop,
            Job::Remove => OrderKind::Remove,
        }
    }
}

/// What became of an order.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) task: TaskId,
    pub(super) kind: OrderKind,
    pub(super) result: Result<(), OrderFailure>,
    /// Orders for the task that were given together with it and come next.
    rest: VecDeque<Job>,
}

/// The orders of one node that are being carried out.
pub(super) struct Orders {
    executor: Arc<dyn Executor>,
    running: FuturesUnordered<BoxFuture<'static, Done>>,
    preparing: BTreeSet<TaskId>,
    prepares: Arc<Semaphore>,
    starts: Arc<Semaphore>,
    stops: Arc<Semaphore>,
}

impl Orders {
    pub(super) fn new(executor: Arc<dyn Executor>) -> Orders {
        Orders {
            executor,
            running: FuturesUnordered::new(),
            preparing: BTreeSet::new(),
            prepares: Arc::new(Semaphore::new(PREPARES_MAX)),
            starts: Arc::new(Semaphore::new(STARTS_MAX)),
            stops: Arc::new(Semaphore::new(STOPS_MAX)),
        }
    }

    /// Gives orders for one task, to be carried out one after the other.
    pub(super) fn give(&mut self, task: TaskId, mut jobs: VecDeque<Job>) {
        let Some(job) = jobs.pop_front() else { return };
        if matches!(job, Job::Prepare(_)) {
            self.preparing.insert(task);
        }
        let turns = match job {
            Job::Prepare(_) => self.prepares.clone(),
            Job::Start => self.starts.clone(),
            Job::Stop { .. } | Job::Remove => self.stops.clone(),
        };
        let executor = self.executor.clone();
        self.running.push(Box::pin(async move {
            let _turn = turns.acquire().await;
            let kind = job.kind();
            let result = carry_out(executor.as_ref(), task, job).await;
            Done {
                task,
                kind,
                result,
                rest: jobs,
            }
        }));
    }

    /// The next order that is done; for ever nothing while there are none.
    pub(super) async fn next(&mut self) -> Done {
        let Some(mut done) = self.running.next().await else {
            return std::future::pending().await;
        };
        if done.kind == OrderKind::Prepare {
            self.preparing.remove(&done.task);
        }
        self.give(done.task, std::mem::take(&mut done.rest));
        done
    }

    /// Whether a task is being made ready.
    pub(super) fn is_preparing(&self, task: TaskId) -> bool {
        self.preparing.contains(&task)
    }
}

async fn carry_out(executor: &dyn Executor, task: TaskId, job: Job) -> Result<(), OrderFailure> {
    let done = match job {
        Job::Prepare(work) => executor.prepare(*work?).await,
        Job::Start => executor.start(task).await,
        Job::Stop { signal, grace } => executor.stop(task, signal, grace).await,
        Job::Remove => executor.remove(task).await,
    };
    done.map_err(|error| convert::failure(&error))
}
