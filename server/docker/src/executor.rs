// SPDX-License-Identifier: Apache-2.0
//! The executor: orders in, what is known out.

use std::future::Future;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use skep_agent::executor::{Executor, ExecutorError, Hint, Observed, Trouble, Work};
use skep_agent::logs::{LogItems, LogQuery};
use skep_core::model::TaskId;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::engine::Engine;
use crate::labels::Owner;
use crate::logs;
use crate::orders::Inner;
use crate::sync::{self, Pace, Status};

/// What tasks of containers ask of a node.
const WORKLOAD: &str = "workload.container";

/// The condition of a node whose engine cannot be reached.
const ENGINE_UNREACHABLE: &str = "ENGINE_UNREACHABLE";

/// The condition of a node whose engine is also one of Docker's own swarm mode.
const ENGINE_IN_SWARM_MODE: &str = "ENGINE_IN_SWARM_MODE";

/// How long the first look may hold up the start of a node.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// What a [`DockerExecutor`] needs to know.
#[derive(Clone, Debug)]
pub struct DockerOptions {
    /// The engine.
    pub engine: Engine,
    /// Whose containers it looks after.
    pub owner: Owner,
    /// The address of the node, which ports are opened at.
    pub address: IpAddr,
    /// Where credentials for registries are, as `docker login` writes them; none: nowhere.
    pub registry_config: Option<PathBuf>,
}

/// Runs tasks as containers. Dropping it leaves them as they are, for the next one to adopt.
pub struct DockerExecutor {
    inner: Arc<Inner>,
    status: watch::Receiver<Status>,
    _sync: AbortOnDropHandle<()>,
}

impl DockerExecutor {
    /// Begins with the containers that are there. An engine that cannot be reached now is looked
    /// for on and on; until it is found the executor says that it has not looked yet.
    pub async fn open(options: DockerOptions) -> DockerExecutor {
        DockerExecutor::open_at(options, Pace::default()).await
    }

    pub(crate) async fn open_at(options: DockerOptions, pace: Pace) -> DockerExecutor {
        let inner = Arc::new(Inner::new(
            options.engine,
            options.owner,
            options.address,
            options.registry_config,
        ));
        let sender = watch::Sender::new(Status::default());
        let mut status = sender.subscribe();
        let sync = tokio::spawn(sync::run(inner.clone(), sender, pace));
        let first = status.wait_for(|status| status.tries > 0);
        let waited = tokio::time::timeout(FIRST_LOOK, first).await.is_ok();
        if !waited {
            tracing::warn!("the Docker engine takes its time");
        }
        DockerExecutor {
            inner,
            status,
            _sync: AbortOnDropHandle::new(sync),
        }
    }

    /// Carries out an order, one at a time for each task, to its end even if nobody waits.
    async fn order<F>(
        &self,
        task: TaskId,
        order: impl FnOnce(Arc<Inner>) -> F + Send + 'static,
    ) -> Result<(), ExecutorError>
    where
        F: Future<Output = Result<(), ExecutorError>> + Send,
    {
        let inner = self.inner.clone();
        let carried_out = tokio::spawn(async move {
            let _turn = inner.table.turn(task).await;
            order(inner.clone()).await
        });
        let done = carried_out.await;
        done.map_err(|error| ExecutorError::io("an order broke off", error.into()))?
    }
}

#[async_trait::async_trait]
impl Executor for DockerExecutor {
    fn capabilities(&self) -> Vec<&'static str> {
        let about = self.status.borrow().about.clone();
        about.map_or_else(Vec::new, |about| {
            let mut capabilities = vec![WORKLOAD];
            capabilities.extend(about.limits);
            capabilities
        })
    }

    fn unseen(&self) -> Vec<&'static str> {
        if self.status.borrow().looked {
            Vec::new()
        } else {
            vec![WORKLOAD]
        }
    }

    fn troubles(&self) -> Vec<Trouble> {
        let status = self.status.borrow();
        let unreachable = status.trouble.as_ref().map(|words| Trouble {
            kind: ENGINE_UNREACHABLE,
            message: format!(
                "{words}; start it, or name another with --docker-host: no container is begun \
                 until it answers"
            ),
        });
        let about = status.about.as_ref();
        let swarm_mode = about.and_then(|about| about.swarm_mode.clone());
        let swarm_mode = swarm_mode.map(|message| Trouble {
            kind: ENGINE_IN_SWARM_MODE,
            message,
        });
        unreachable.into_iter().chain(swarm_mode).collect()
    }

    async fn prepare(&self, work: Work) -> Result<(), ExecutorError> {
        let Work::Container(work) = work else {
            let problem = "this executor runs containers only";
            return Err(ExecutorError::refused("process", problem));
        };
        self.order(work.task, |inner| async move { inner.prepare(*work).await })
            .await
    }

    async fn start(&self, task: TaskId) -> Result<(), ExecutorError> {
        self.order(task, move |inner| async move { inner.start(task).await })
            .await
    }

    async fn stop(&self, task: TaskId, signal: i32, grace: Duration) -> Result<(), ExecutorError> {
        self.order(task, move |inner| async move {
            inner.stop(task, signal, grace).await
        })
        .await
    }

    async fn remove(&self, task: TaskId) -> Result<(), ExecutorError> {
        self.inner.table.cancel(task);
        self.order(task, move |inner| async move { inner.remove(task).await })
            .await
    }

    async fn recall(&self, containers: Vec<(TaskId, Arc<str>)>) {
        let recalling = self.inner.recall(containers);
        if tokio::time::timeout(FIRST_LOOK, recalling).await.is_err() {
            tracing::warn!("the Docker engine takes its time");
        }
    }

    fn list(&self) -> Vec<Observed> {
        let known = self.inner.table.all().into_iter();
        known.map(|known| known.observed).collect()
    }

    fn get(&self, task: TaskId) -> Option<Observed> {
        Some(self.inner.table.known(task)?.observed)
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        self.inner.table.hints.listen()
    }

    fn logs(&self, task: TaskId, query: LogQuery) -> Result<LogItems, ExecutorError> {
        let known = self.inner.table.known(task);
        known.ok_or(ExecutorError::UnknownTask(task))?;
        Ok(logs::follow(self.inner.clone(), task, query))
    }
}
