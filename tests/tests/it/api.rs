// SPDX-License-Identifier: Apache-2.0
//! The SDK for tests that are no async functions, and the specs that they send.

use std::future::Future;
use std::time::Duration;

use skep_sdk::v1::service_spec::Mode;
use skep_sdk::v1::{
    CreateServiceRequest, GetServiceRequest, ListTasksRequest, Process, Replicated, Service,
    ServiceSpec, Task, TaskFilter, TaskTemplate,
};
use skep_sdk::{Client, Context};
use skep_tests::{DEADLINE, Daemon, until};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A client with threads of its own.
pub(super) struct Api {
    runtime: Runtime,
    pub(super) client: Client,
}

impl Api {
    /// Connects to a daemon's socket; the connection outlives its restarts.
    pub(super) fn of(daemon: &Daemon) -> Api {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("the system gives threads");
        let client = runtime.block_on(connect(daemon));
        Api { runtime, client }
    }

    /// Waits for a call.
    pub(super) fn run<F: Future>(&self, call: F) -> F::Output {
        self.runtime.block_on(call)
    }

    /// Waits for something, but no longer than this; nothing: it takes longer.
    pub(super) fn within<F: Future>(&self, time: Duration, work: F) -> Option<F::Output> {
        self.runtime
            .block_on(async { timeout(time, work).await.ok() })
    }

    /// Lets something run beside the test.
    pub(super) fn start<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.runtime.spawn(work)
    }

    /// Creates a service and gives it back.
    pub(super) fn create(&self, spec: ServiceSpec) -> Service {
        let request = CreateServiceRequest {
            spec: Some(spec),
            ..Default::default()
        };
        let answer = self.run(self.client.services().create_service(request));
        let answer = answer.expect("the service is good").into_inner();
        answer.service.expect("a service that was created")
    }

    /// Reads a service.
    pub(super) fn service(&self, name: &str) -> Service {
        let request = GetServiceRequest {
            service: name.to_owned(),
            ..Default::default()
        };
        let answer = self.run(self.client.services().get_service(request));
        let answer = answer.expect("the service is there").into_inner();
        answer.service.expect("a service that was read")
    }

    /// All tasks of a service, also those that ended.
    pub(super) fn tasks(&self, service: &str) -> Vec<Task> {
        let filter = TaskFilter {
            services: vec![service.to_owned()],
            ..Default::default()
        };
        let request = ListTasksRequest {
            filter: Some(filter),
            page_size: 1_000,
            ..Default::default()
        };
        let answer = self.run(self.client.tasks().list_tasks(request));
        answer.expect("tasks can be listed").into_inner().tasks
    }

    /// Waits until a service has its number of up to date tasks, and gives these.
    pub(super) fn converged(&self, service: &str) -> Vec<Task> {
        until(&format!("{service} is as wanted"), DEADLINE, || {
            let now = self.service(service);
            let status = now.status.unwrap_or_default();
            let wanted = status.desired_tasks;
            if status.running_tasks != wanted || status.updated_tasks != wanted {
                return None;
            }
            let tasks = self.tasks(service).into_iter();
            let running: Vec<Task> = tasks.filter(runs).collect();
            (u32::try_from(running.len()) == Ok(wanted)).then_some(running)
        })
    }
}

/// A client over a daemon's socket.
pub(super) async fn connect(daemon: &Daemon) -> Client {
    let host = format!("unix://{}", daemon.ready.socket.display());
    let context = Context::choose(Some(&host), None).expect("a good address");
    Client::connect(&context).await.expect("a daemon is there")
}

/// Whether a task is in RUNNING.
pub(super) fn runs(task: &Task) -> bool {
    state(task) == skep_sdk::v1::TaskState::Running
}

/// The state of a task.
pub(super) fn state(task: &Task) -> skep_sdk::v1::TaskState {
    task.status
        .as_ref()
        .map_or_else(Default::default, |status| status.state())
}

/// The id of a task.
pub(super) fn id(task: &Task) -> String {
    task.meta.clone().unwrap_or_default().id
}

/// A service of so many tasks that run a program.
pub(super) fn program(name: &str, replicas: u32, command: &[&str]) -> ServiceSpec {
    let process = Process {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        ..Default::default()
    };
    let template = TaskTemplate {
        workload: Some(skep_sdk::v1::task_template::Workload::Process(process)),
        ..Default::default()
    };
    ServiceSpec {
        name: name.to_owned(),
        mode: Some(Mode::Replicated(Replicated {
            replicas: Some(replicas),
        })),
        template: Some(template),
        ..Default::default()
    }
}
