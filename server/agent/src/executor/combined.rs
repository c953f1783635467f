// SPDX-License-Identifier: Apache-2.0
//! Several executors of one node as one: each task goes to the one that can run it.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use skep_core::model::TaskId;

use super::{Executor, ExecutorError, Hint, Observed, Trouble, Work};
use crate::logs::{LogItems, LogQuery};

/// Several executors as one. What a task runs says who runs it; after that whoever has it.
pub struct CombinedExecutor {
    /// In this order, each with the workload that it runs.
    parts: Vec<(&'static str, Arc<dyn Executor>)>,
}

impl CombinedExecutor {
    /// All of these, each with the workload that it runs, as capabilities name it.
    #[must_use]
    pub fn new(parts: Vec<(&'static str, Arc<dyn Executor>)>) -> Self {
        CombinedExecutor { parts }
    }

    fn all(&self) -> impl Iterator<Item = &Arc<dyn Executor>> {
        self.parts.iter().map(|(_, executor)| executor)
    }

    /// Who has a task.
    fn holder(&self, task: TaskId) -> Result<&Arc<dyn Executor>, ExecutorError> {
        let mut holders = self.all().filter(|executor| executor.get(task).is_some());
        holders.next().ok_or(ExecutorError::UnknownTask(task))
    }
}

#[async_trait::async_trait]
impl Executor for CombinedExecutor {
    fn capabilities(&self) -> Vec<&'static str> {
        self.all()
            .flat_map(|executor| executor.capabilities())
            .collect()
    }

    async fn prepare(&self, work: Work) -> Result<(), ExecutorError> {
        let wanted = work.capability();
        let part = self.parts.iter().find(|(workload, _)| *workload == wanted);
        match part {
            Some((_, executor)) => executor.prepare(work).await,
            None => {
                let field = wanted.trim_start_matches("workload.");
                let problem = "this node has no executor for it; see skepd --executor";
                Err(ExecutorError::refused(field, problem))
            }
        }
    }

    async fn start(&self, task: TaskId) -> Result<(), ExecutorError> {
        self.holder(task)?.start(task).await
    }

    async fn stop(&self, task: TaskId, signal: i32, grace: Duration) -> Result<(), ExecutorError> {
        self.holder(task)?.stop(task, signal, grace).await
    }

    async fn remove(&self, task: TaskId) -> Result<(), ExecutorError> {
        // Also where it is only about to be known.
        for executor in self.all() {
            executor.remove(task).await?;
        }
        Ok(())
    }

    async fn check(
        &self,
        task: TaskId,
        command: &[String],
        patience: Duration,
    ) -> Result<(), ExecutorError> {
        self.holder(task)?.check(task, command, patience).await
    }

    fn list(&self) -> Vec<Observed> {
        let mut tasks: Vec<_> = self.all().flat_map(|executor| executor.list()).collect();
        tasks.sort_by_key(|known| known.task);
        tasks
    }

    async fn recall(&self, containers: Vec<(TaskId, Arc<str>)>) {
        for executor in self.all() {
            executor.recall(containers.clone()).await;
        }
    }

    fn unseen(&self) -> Vec<&'static str> {
        self.all().flat_map(|executor| executor.unseen()).collect()
    }

    fn troubles(&self) -> Vec<Trouble> {
        let each = self.all().map(|executor| executor.troubles());
        each.flatten().collect()
    }

    fn get(&self, task: TaskId) -> Option<Observed> {
        self.all().find_map(|executor| executor.get(task))
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        stream::select_all(self.all().map(|executor| executor.hints())).boxed()
    }

    fn logs(&self, task: TaskId, query: LogQuery) -> Result<LogItems, ExecutorError> {
        self.holder(task)?.logs(task, query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::simulated::SimulatedExecutor;
    use crate::executor::{ContainerWork, Phase, TaskWork};

    fn process(number: u128) -> Work {
        let work = TaskWork {
            task: TaskId(number),
            ..TaskWork::default()
        };
        work.into()
    }

    fn container(number: u128) -> Work {
        Work::Container(Box::new(ContainerWork {
            task: TaskId(number),
            name: "web.1".into(),
            service_id: skep_core::model::ServiceId(1),
            service: "web".into(),
            template_revision: skep_core::model::Revision(1),
            slot: 1,
            launch: Default::default(),
            reservations: Default::default(),
            limits: Default::default(),
            ports: Vec::new(),
            stop: skep_core::node_agent::StopHow {
                signal: 15,
                grace: Duration::ZERO,
            },
        }))
    }

    #[tokio::test]
    async fn each_task_goes_to_the_one_that_can_run_it() {
        let (processes, containers) = (
            Arc::new(SimulatedExecutor::new()),
            Arc::new(SimulatedExecutor::new()),
        );
        let both = CombinedExecutor::new(vec![
            ("workload.process", processes.clone()),
            ("workload.container", containers.clone()),
        ]);
        let mut hints = both.hints();
        both.prepare(container(1)).await.expect("prepared");
        both.prepare(process(2)).await.expect("prepared");
        assert!(hints.next().await.is_some());
        assert_eq!((containers.list().len(), processes.list().len()), (1, 1));
        assert_eq!(containers.list()[0].task, TaskId(1));

        both.start(TaskId(1)).await.expect("started");
        let runs = |known: &Observed| matches!(known.phase, Phase::Running { .. });
        let tasks: Vec<_> = both.list().iter().map(|it| (it.task, runs(it))).collect();
        assert_eq!(tasks, [(TaskId(1), true), (TaskId(2), false)]);
        both.stop(TaskId(1), 9, Duration::ZERO)
            .await
            .expect("stopped");
        both.remove(TaskId(1)).await.expect("removed");
        both.remove(TaskId(1)).await.expect("removed already");
        assert!(both.get(TaskId(1)).is_none());
        let unknown = both.start(TaskId(1)).await.expect_err("it is gone");
        assert!(matches!(unknown, ExecutorError::UnknownTask(_)));
    }

    #[tokio::test]
    async fn what_nobody_runs_is_refused() {
        let processes = Arc::new(SimulatedExecutor::new());
        let one = CombinedExecutor::new(vec![("workload.process", processes)]);
        let error = one.prepare(container(1)).await.expect_err("refused");
        assert!(error.is_refusal());
        let text = error.to_string();
        assert!(
            text.contains("no executor for it") && text.contains("field container"),
            "{text}"
        );
    }
}
