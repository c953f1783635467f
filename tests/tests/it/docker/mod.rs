// SPDX-License-Identifier: Apache-2.0
//! Tasks as containers of a real engine. Each of the engine's traps that we know has a test here.

mod behind;
mod failing;
mod foreign;
mod hands;
mod health;
mod images;
mod life;
mod logs;
mod outage;
mod probes;
mod rolling;
mod rollout;
mod spec;
mod swarm;
mod tags;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use futures::StreamExt;
use skep_agent::executor::{
    ContainerWork, Executor, ExecutorError, Exit, ExitCause, Observed, Phase, Work,
};
use skep_core::model::{
    Container, NodeId, Port, PortMode, Protocol, PullPolicy, ResourceLimits, Resources, Revision,
    ServiceId, SwarmId, TaskId, signal,
};
use skep_core::node_agent::{ContainerLaunch, StopHow};
use skep_docker::{DockerExecutor, DockerOptions, Owner};
use skep_tests::{DEADLINE, Engine};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const TERM: i32 = signal::TERM;

/// A node on an engine.
struct Node<'a> {
    engine: &'a Engine,
    owner: Owner,
    executor: DockerExecutor,
}

impl<'a> Node<'a> {
    /// A node in a swarm of its own.
    async fn new(engine: &'a Engine) -> Node<'a> {
        let owner = Owner {
            swarm: SwarmId(rand::random()),
            node: NodeId(rand::random()),
        };
        Node::of(engine, owner, None).await
    }

    async fn of(engine: &'a Engine, owner: Owner, registry_config: Option<PathBuf>) -> Node<'a> {
        let options = DockerOptions {
            engine: skep_docker::Engine::new(engine.host().parse().expect("an address")),
            owner,
            address: HERE,
            registry_config,
        };
        Node {
            engine,
            owner,
            executor: DockerExecutor::open(options).await,
        }
    }

    /// The agent ends and starts again.
    async fn again(self) -> Node<'a> {
        let (engine, owner) = (self.engine, self.owner);
        drop(self);
        Node::of(engine, owner, None).await
    }

    async fn prepare(&self, work: ContainerWork) -> Result<TaskId, ExecutorError> {
        let task = work.task;
        self.executor
            .prepare(Work::Container(Box::new(work)))
            .await?;
        Ok(task)
    }

    async fn run(&self, work: ContainerWork) -> TaskId {
        let task = self.prepare(work).await.expect("prepared");
        self.executor.start(task).await.expect("started");
        task
    }

    async fn refusal(&self, work: ContainerWork) -> String {
        let error = self.prepare(work).await.expect_err("refused");
        assert!(error.is_refusal(), "{error}");
        error.to_string()
    }

    fn seen(&self, task: TaskId) -> Observed {
        self.executor.get(task).expect("it is there")
    }

    /// Waits until the task is as wanted.
    async fn until<T>(&self, task: TaskId, look: impl Fn(&Observed) -> Option<T>) -> T {
        let mut hints = self.executor.hints();
        let waiting = async {
            loop {
                if let Some(found) = self.executor.get(task).as_ref().and_then(&look) {
                    return found;
                }
                hints.next().await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, waiting).await;
        waited.unwrap_or_else(|_| panic!("in vain: {:?}", self.executor.get(task)))
    }

    async fn exit(&self, task: TaskId) -> Exit {
        self.until(task, |seen| match &seen.phase {
            Phase::Exited(exit) => Some(exit.clone()),
            _ => None,
        })
        .await
    }

    async fn gone(&self, task: TaskId) {
        let mut hints = self.executor.hints();
        let waiting = async {
            while self.executor.get(task).is_some() {
                hints.next().await;
            }
        };
        tokio::time::timeout(DEADLINE, waiting)
            .await
            .expect("it goes");
    }

    /// What the engine says of a task's container, by this template.
    fn inspect(&self, task: TaskId, template: &str) -> String {
        let container = self.seen(task).container;
        self.engine
            .docker_ok(&["inspect", "--format", template, &container])
    }
}

/// Work that runs skep-hello with these arguments.
fn hello(arguments: &[&str]) -> ContainerWork {
    image("skep-hello:1", arguments)
}

fn image(image: &str, arguments: &[&str]) -> ContainerWork {
    ContainerWork {
        task: TaskId(rand::random()),
        name: "web.1".to_owned(),
        service_id: ServiceId(1),
        service: "web".to_owned(),
        template_revision: Revision(5),
        slot: 1,
        launch: ContainerLaunch {
            container: Container {
                image: image.to_owned(),
                pull: Some(PullPolicy::Never),
                args: arguments.iter().map(|text| (*text).to_owned()).collect(),
                ..Container::default()
            },
            ..ContainerLaunch::default()
        },
        reservations: Resources::default(),
        limits: ResourceLimits::default(),
        ports: Vec::new(),
        stop: StopHow {
            signal: signal::OWN,
            grace: Duration::from_secs(10),
        },
    }
}

/// A port of a task, on this number of the node.
fn port(target: u16, published: u16) -> Port {
    Port {
        target,
        published,
        protocol: Protocol::Tcp,
        mode: PortMode::Host,
        name: "".into(),
    }
}

/// A number that nobody has.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind((HERE, 0)).expect("a free port");
    listener.local_addr().expect("it has one").port()
}

fn is_running(seen: &Observed) -> Option<()> {
    matches!(seen.phase, Phase::Running { .. }).then_some(())
}
