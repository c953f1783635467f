// SPDX-License-Identifier: Apache-2.0
//! An agent and a manager in one process, over the real protocol.

mod life;
mod manager;
mod memory;
mod node;
mod processes;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use skep_agent::executor::simulated::SimulatedExecutor;
use skep_agent::executor::{Executor, ExecutorError, Hint, Observed, TaskWork, Work};
use skep_agent::logs::{LogItems, LogQuery};
use skep_agent::{Agent, AgentHandle, AgentOptions};
use skep_core::model::{Process, TaskId, TaskTemplate, Workload};
use skep_network::{DataPlane, IdlePlane};
use tempfile::TempDir;

use manager::Manager;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// One node: what outlives its agents.
struct Node {
    manager: Manager,
    executor: Arc<dyn Executor>,
    plane: Arc<dyn DataPlane>,
    root: TempDir,
}

impl Node {
    fn new(executor: impl Executor) -> Node {
        Node {
            manager: Manager::new(),
            executor: Arc::new(executor),
            plane: Arc::new(IdlePlane::new()),
            root: tempfile::tempdir().expect("a directory"),
        }
    }

    fn simulated() -> Node {
        Node::new(SimulatedExecutor::new())
    }

    /// Where its agents remember.
    fn dir(&self) -> PathBuf {
        self.root.path().join("agent")
    }

    fn agent(&self) -> AgentHandle {
        Agent::start(AgentOptions {
            address: HERE,
            dir: Some(self.dir()),
            capacity: None,
            executor: self.executor.clone(),
            plane: self.plane.clone(),
            connector: Arc::new(self.manager.clone()),
        })
        .expect("an agent")
    }
}

/// A template of a simulated task that behaves so.
fn behaving(env: &[(&str, &str)]) -> TaskTemplate {
    let env = env.iter();
    let env = env.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    TaskTemplate {
        workload: Workload::Process(Process {
            command: vec!["/bin/true".to_owned()],
            env: env.collect(),
            ..Process::default()
        }),
        ..skep_core::testing::template()
    }
}

/// An executor that counts how often tasks were started, and remembers what they run.
struct Counting {
    inner: SimulatedExecutor,
    starts: Arc<AtomicUsize>,
    /// What the tasks run.
    works: Arc<Mutex<Vec<TaskWork>>>,
}

#[async_trait]
impl Executor for Counting {
    fn capabilities(&self) -> Vec<&'static str> {
        self.inner.capabilities()
    }

    async fn prepare(&self, work: Work) -> Result<(), ExecutorError> {
        if let Work::Process(work) = &work {
            let mut works = self.works.lock().expect("no test panicked");
            works.push(TaskWork::clone(work));
        }
        self.inner.prepare(work).await
    }

    async fn start(&self, task: TaskId) -> Result<(), ExecutorError> {
        self.starts.fetch_add(1, Ordering::SeqCst);
        self.inner.start(task).await
    }

    async fn stop(&self, task: TaskId, signal: i32, grace: Duration) -> Result<(), ExecutorError> {
        self.inner.stop(task, signal, grace).await
    }

    async fn remove(&self, task: TaskId) -> Result<(), ExecutorError> {
        self.inner.remove(task).await
    }

    async fn check(
        &self,
        task: TaskId,
        command: &[String],
        patience: Duration,
    ) -> Result<(), ExecutorError> {
        self.inner.check(task, command, patience).await
    }

    fn list(&self) -> Vec<Observed> {
        self.inner.list()
    }

    fn get(&self, task: TaskId) -> Option<Observed> {
        self.inner.get(task)
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        self.inner.hints()
    }

    fn logs(&self, task: TaskId, query: LogQuery) -> Result<LogItems, ExecutorError> {
        self.inner.logs(task, query)
    }
}
