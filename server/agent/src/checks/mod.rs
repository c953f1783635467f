// SPDX-License-Identifier: Apache-2.0
//! Health checks: asks the tasks of a node how they are, each in its own time.
//!
//! When to ask and what the answers mean is decided by [`CheckCourse`]; this only asks.

mod ask;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use skep_core::model::{HealthCheck, Port, Probe, Protocol, TaskId};
use skep_core::node_agent::{CheckCourse, Health};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::executor::Executor;

/// The checks of the tasks that run here.
pub(crate) struct Checks {
    executor: Arc<dyn Executor>,
    address: IpAddr,
    tasks: BTreeMap<TaskId, Check>,
    /// Counts the changes of any task's health.
    news: watch::Sender<u64>,
}

/// The checks of one task, which end with it.
struct Check {
    health: watch::Receiver<Health>,
    asking: JoinHandle<()>,
}

impl Drop for Check {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

impl Checks {
    pub(crate) fn new(executor: Arc<dyn Executor>, address: IpAddr) -> Checks {
        Checks {
            executor,
            address,
            tasks: BTreeMap::new(),
            news: watch::Sender::new(0),
        }
    }

    /// Hears of changes.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// What the checks of a task that runs say; the first time this begins them.
    pub(crate) fn health(&mut self, task: TaskId, check: &HealthCheck, ports: &[Port]) -> Health {
        if !self.tasks.contains_key(&task) {
            self.begin(task, check.clone(), ports);
        }
        let known = self.tasks.get(&task);
        known.map_or(Health::Unchecked, |known| known.health.borrow().clone())
    }

    /// Ends the checks of all tasks that do not run any more.
    pub(crate) fn keep(&mut self, runs: impl Fn(TaskId) -> bool) {
        self.tasks.retain(|task, _| runs(*task));
    }

    fn begin(&mut self, task: TaskId, check: HealthCheck, ports: &[Port]) {
        let (said, health) = watch::channel(Health::Starting(Arc::default()));
        let asked = Asked {
            executor: self.executor.clone(),
            task,
            at: place(&check, self.address, ports),
            check,
        };
        let news = self.news.clone();
        let asking = tokio::spawn(async move {
            let mut clock = Clock::start();
            let mut course = CheckCourse::begin(asked.check.clone(), clock.now());
            loop {
                tokio::time::sleep(course.next_at().since(clock.now())).await;
                let answer = asked.once().await;
                course.note(answer, clock.now());
                let health = course.health();
                let changed = said.send_if_modified(|known| {
                    let changed = *known != health;
                    *known = health;
                    changed
                });
                if changed {
                    news.send_modify(|count| *count += 1);
                }
            }
        });
        self.tasks.insert(task, Check { health, asking });
    }
}

/// Where a task answers for its check.
fn place(check: &HealthCheck, address: IpAddr, ports: &[Port]) -> Option<SocketAddr> {
    let target = check.probe.as_ref().and_then(Probe::port)?;
    let open = |port: &&Port| port.target == target && port.protocol == Protocol::Tcp;
    let number = ports.iter().find(open)?.published;
    Some(SocketAddr::new(address, number))
}

struct Asked {
    executor: Arc<dyn Executor>,
    task: TaskId,
    check: HealthCheck,
    at: Option<SocketAddr>,
}

impl Asked {
    async fn once(&self) -> Result<(), Arc<str>> {
        let patience = self.check.timeout();
        match (&self.check.probe, self.at) {
            (Some(Probe::Exec { command }), _) => self
                .executor
                .check(self.task, command, patience)
                .await
                .map_err(|error| error.to_string().into()),
            (Some(probe), Some(at)) => ask::ask(probe, at, patience).await,
            (Some(probe), None) => {
                let port = probe.port().unwrap_or_default();
                Err(format!("port {port} of the task is not open on this node").into())
            }
            (None, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
