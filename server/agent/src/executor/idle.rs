// SPDX-License-Identifier: Apache-2.0
//! An executor that runs nothing: of a node that only manages.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use skep_core::model::TaskId;

use super::{Executor, ExecutorError, Hint, Observed, Work};
use crate::logs::{LogItems, LogQuery};

/// Runs nothing, so it offers nothing, and no task comes here.
#[derive(Clone, Copy, Default, Debug)]
pub struct IdleExecutor;

fn refused() -> ExecutorError {
    let problem = "this node runs no tasks; start its skepd with --executor";
    ExecutorError::refused("process", problem)
}

#[async_trait::async_trait]
impl Executor for IdleExecutor {
    fn capabilities(&self) -> Vec<&'static str> {
        Vec::new()
    }

    async fn prepare(&self, _work: Work) -> Result<(), ExecutorError> {
        Err(refused())
    }

    async fn start(&self, task: TaskId) -> Result<(), ExecutorError> {
        Err(ExecutorError::UnknownTask(task))
    }

    async fn stop(&self, task: TaskId, _: i32, _: Duration) -> Result<(), ExecutorError> {
        Err(ExecutorError::UnknownTask(task))
    }

    async fn remove(&self, _task: TaskId) -> Result<(), ExecutorError> {
        Ok(())
    }

    fn list(&self) -> Vec<Observed> {
        Vec::new()
    }

    fn get(&self, _task: TaskId) -> Option<Observed> {
        None
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        stream::pending().boxed()
    }

    fn logs(&self, task: TaskId, _query: LogQuery) -> Result<LogItems, ExecutorError> {
        Err(ExecutorError::UnknownTask(task))
    }
}
