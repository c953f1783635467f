// SPDX-License-Identifier: Apache-2.0
//! A swarm for a test.

use std::sync::Arc;
use std::time::Duration;

use skep_agent::executor::Executor;
use skep_agent::executor::simulated::SimulatedExecutor;
use skep_agent::{Agent, AgentHandle, AgentOptions};
use skep_core::model::*;
use skep_core::state::{State, Write};
use skep_core::testing::World;
use skep_manager::cluster::Cluster;
use skep_manager::dispatch::Dispatch;
use skep_manager::logs::Logs;
use skep_manager::member::{Clock, SystemClock};
use skep_manager::testing::MemoryCluster;
use skep_manager::{loops, member};
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::plane::Recorder;
use crate::wire::Wire;

/// Far more than anything here takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// One node: what outlives its agents, and the present one.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) wire: Wire,
    pub(crate) executor: Arc<SimulatedExecutor>,
    pub(crate) plane: Arc<Recorder>,
    dir: TempDir,
    agent: Option<AgentHandle>,
}

impl Node {
    fn options(&self) -> AgentOptions {
        AgentOptions {
            address: [127, 0, 0, 1].into(),
            dir: Some(self.dir.path().join("agent")),
            capacity: Some(Resources {
                cpu_millis: 1_000_000,
                memory_bytes: 1 << 40,
            }),
            executor: self.executor.clone(),
            plane: self.plane.clone(),
            connector: Arc::new(self.wire.clone()),
        }
    }

    pub(crate) fn start(&mut self) {
        self.agent = Some(Agent::start(self.options()).expect("an agent"));
    }

    /// Its agent dies; its tasks go on.
    pub(crate) fn kill(&mut self) {
        self.agent = None;
    }

    /// The tasks it has, whatever became of them.
    pub(crate) fn tasks(&self) -> Vec<TaskId> {
        let list = self.executor.list();
        list.iter().map(|known| known.task).collect()
    }
}

/// A manager with its nodes.
pub(crate) struct Swarm {
    pub(crate) cluster: Arc<MemoryCluster>,
    pub(crate) dispatch: Dispatch,
    pub(crate) logs: Logs,
    pub(crate) nodes: Vec<Node>,
    _stop: DropGuard,
}

impl Swarm {
    /// So many nodes, with heartbeats that are ten times as fast as usual.
    pub(crate) async fn new(nodes: u128) -> Swarm {
        let quick = SwarmSpec {
            heartbeat_period: Some(Duration::from_millis(100)),
            down_after: Some(Duration::from_millis(1_500)),
            ..SwarmSpec::default()
        };
        Swarm::with(nodes, quick).await
    }

    /// So many nodes.
    pub(crate) async fn with(nodes: u128, spec: SwarmSpec) -> Swarm {
        let mut world = World::with_nodes(0);
        world.apply([Write::PutSwarm {
            id: SwarmId(1),
            spec: Arc::new(spec),
        }]);
        let cluster = Arc::new(MemoryCluster::new(world));
        let stop = CancellationToken::new();
        let clock: Arc<dyn member::Clock> = Arc::new(SystemClock);
        let shared: Arc<dyn Cluster> = cluster.clone();
        let dispatch = Dispatch::start(shared.clone(), clock.clone(), &[], stop.clone());
        let logs = Logs::new(shared.clone(), dispatch.clone(), stop.clone());
        tokio::spawn(loops::run(shared, clock, stop.clone()));
        let mut swarm = Swarm {
            cluster,
            dispatch,
            logs,
            nodes: Vec::new(),
            _stop: stop.drop_guard(),
        };
        for id in 1..=nodes {
            swarm.add_node(NodeId(id)).await;
        }
        swarm
    }

    async fn add_node(&mut self, id: NodeId) {
        let mut node = Node {
            id,
            wire: Wire::new(self.dispatch.gate(), id),
            executor: Arc::new(SimulatedExecutor::new()),
            plane: Arc::new(Recorder::new()),
            dir: tempfile::tempdir().expect("a directory"),
            agent: None,
        };
        let description = Arc::new(node.options().description());
        let name = Name::parse(&format!("node-{}", id.0)).ok();
        self.dispatch
            .join(id, NodeRole::Worker, description, name, None)
            .await
            .expect("the node is known");
        node.start();
        self.nodes.push(node);
    }

    pub(crate) fn state(&self) -> State {
        let cluster: &dyn Cluster = self.cluster.as_ref();
        cluster.view()
    }

    /// Creates a service of simulated tasks that behave so.
    pub(crate) fn service(
        &self,
        name: &str,
        replicas: u32,
        env: &[(&str, &str)],
        ports: Vec<Port>,
    ) -> ServiceId {
        let env = env.iter();
        let env = env.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let template = TaskTemplate {
            workload: Workload::Process(Process {
                command: vec!["/bin/true".to_owned()],
                env: env.collect(),
                ..Process::default()
            }),
            ..skep_core::testing::template()
        };
        let spec = ServiceSpec {
            template: Arc::new(template),
            ports: ports.clone(),
            ..skep_core::testing::replicated(name, replicas)
        };
        let id = ServiceId(rand());
        let spec = Arc::new(spec);
        self.cluster
            .write([Write::CreateService { id, spec, ports }]);
        id
    }

    /// Wants another number of tasks.
    pub(crate) fn scale(&self, service: ServiceId, replicas: u32) {
        let known = self.state().service(service).expect("it is there").clone();
        let mut spec = ServiceSpec::clone(&known.spec);
        spec.mode = Mode::Replicated {
            replicas: Some(replicas),
        };
        self.cluster.write([Write::PutServiceSpec {
            service,
            spec: Arc::new(spec),
            ports: known.ports.clone(),
            new_template: false,
        }]);
    }

    /// Has every task replaced, one after the other.
    pub(crate) fn roll(&self, service: ServiceId, token: &str) {
        let known = self.state().service(service).expect("it is there").clone();
        let mut spec = ServiceSpec::clone(&known.spec);
        Arc::make_mut(&mut spec.template).restart_token = token.to_owned();
        spec.update = Some(UpdatePolicy {
            monitor: Some(Duration::ZERO),
            ..UpdatePolicy::default()
        });
        self.cluster.write([Write::PutServiceSpec {
            service,
            spec: Arc::new(spec),
            ports: known.ports.clone(),
            new_template: true,
        }]);
    }

    /// The tasks of a service that are in this state.
    pub(crate) fn in_state(&self, service: ServiceId, state: TaskState) -> Vec<Arc<Task>> {
        let all = self.state();
        let tasks = all.service_tasks(service).cloned();
        tasks.filter(|task| task.status.state == state).collect()
    }

    /// Waits until so many tasks of a service run.
    pub(crate) async fn running(&self, service: ServiceId, count: usize) -> Vec<Arc<Task>> {
        self.until("its tasks run", |swarm| {
            let tasks = swarm.in_state(service, TaskState::Running);
            (tasks.len() == count).then_some(tasks)
        })
        .await
    }

    /// Waits until a node is in this state.
    pub(crate) async fn node_is(&self, node: NodeId, state: NodeState) {
        self.until(&format!("{node} is {state:?}"), |swarm| {
            let known = swarm.state().node(node)?.status.state;
            (known == state).then_some(())
        })
        .await;
    }

    /// Waits for something that the state shows.
    pub(crate) async fn until<T>(&self, what: &str, look: impl Fn(&Swarm) -> Option<T>) -> T {
        let mut heads = self.cluster.heads();
        let found = async {
            loop {
                if let Some(found) = look(self) {
                    return found;
                }
                heads.changed().await.expect("the cluster is there");
            }
        };
        match tokio::time::timeout(DEADLINE, found).await {
            Ok(found) => found,
            Err(_) => panic!("never came true: {what}; tasks: {:#?}", self.statuses()),
        }
    }

    fn statuses(&self) -> Vec<String> {
        let state = self.state();
        let tasks = state.tasks().take(20);
        tasks
            .map(|task| format!("{} {} {:?}", task.meta.id, task.name, task.status))
            .collect()
    }
}

/// Waits for something that no revision tells of, by looking again and again.
pub(crate) async fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    let found = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            looks.tick().await;
        }
    };
    match tokio::time::timeout(DEADLINE, found).await {
        Ok(found) => found,
        Err(_) => panic!("never came true: {what}"),
    }
}

/// A port of the routing mesh.
pub(crate) fn ingress() -> Port {
    Port {
        target: 80,
        published: 30_080,
        protocol: Protocol::Tcp,
        mode: PortMode::Ingress,
        name: "".into(),
    }
}

/// Bits for an id that no other test has.
fn rand() -> u128 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let now = SystemClock.now().0.unsigned_abs();
    (u128::from(now) << 64) | u128::from(COUNT.fetch_add(1, Ordering::Relaxed))
}
