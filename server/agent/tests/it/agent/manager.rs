// SPDX-License-Identifier: Apache-2.0
//! A manager without a store: a state in memory, and core's end of the sessions.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures::{Stream, stream};
use skep_agent::{Connection, Connector};
use skep_core::assign::{EndpointTable, Tracker};
use skep_core::model::*;
use skep_core::session::{
    AssignmentsAck, LogRequest, LogSubscription, ManagerMessage, ManagerOutput, ManagerSession,
};
use skep_core::state::{NewTask, Observation, State, Write};
use skep_core::testing::World;
use skep_proto::internal::v1::dispatcher_service_server::{
    DispatcherService, DispatcherServiceServer,
};
use skep_proto::internal::v1::{
    PublishLogsRequest, PublishLogsResponse, SessionRequest, SessionResponse,
};
use skep_proto::v1;
use skep_wire::session::{manager_message, read_agent_message};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use crate::support::DEADLINE;

/// The only node.
pub(super) const NODE: NodeId = NodeId(1);

/// A manager that can be told to misbehave.
#[derive(Clone)]
pub(super) struct Manager {
    inner: Arc<Mutex<Inner>>,
    /// Something changed.
    turn: watch::Sender<u64>,
    began: Instant,
}

struct Inner {
    world: World,
    tracker: Tracker,
    ack: AssignmentsAck,
    reachable: bool,
    /// Breaks the session off instead of taking the next report.
    lose_report: bool,
    /// Ends the sessions with a smaller number.
    cut_before: u64,
    sessions: u64,
    subscription: Option<LogSubscription>,
    logs: Vec<v1::StreamLogsResponse>,
    logs_ended: bool,
}

impl Manager {
    /// A swarm of one node, with heartbeats ten times as fast as usual.
    pub(super) fn new() -> Manager {
        let mut world = World::with_nodes(1);
        let spec = SwarmSpec {
            heartbeat_period: Some(Duration::from_millis(100)),
            ..SwarmSpec::default()
        };
        world.apply([Write::PutSwarm {
            id: SwarmId(1),
            spec: Arc::new(spec),
        }]);
        let inner = Inner {
            world,
            tracker: Tracker::default(),
            ack: AssignmentsAck::default(),
            reachable: true,
            lose_report: false,
            cut_before: 0,
            sessions: 0,
            subscription: None,
            logs: Vec::new(),
            logs_ended: false,
        };
        Manager {
            inner: Arc::new(Mutex::new(inner)),
            turn: watch::Sender::new(0),
            began: Instant::now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no test panicked")
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let changed = change(&mut self.lock());
        self.turn.send_modify(|turn| *turn += 1);
        changed
    }

    fn now(&self) -> Timestamp {
        Timestamp(0).after(self.began.elapsed())
    }

    // === what a test does ===

    pub(super) fn state(&self) -> State {
        self.lock().world.state.clone()
    }

    pub(super) fn ack(&self) -> AssignmentsAck {
        self.lock().ack
    }

    /// How many sessions there have been.
    pub(super) fn sessions(&self) -> u64 {
        self.lock().sessions
    }

    /// Creates a service with a task for the node.
    pub(super) fn run(&self, template: TaskTemplate, ports: Vec<Port>) -> TaskId {
        self.run_on(NODE, template, ports)
    }

    fn run_on(&self, node: NodeId, template: TaskTemplate, ports: Vec<Port>) -> TaskId {
        self.change(|inner| {
            let world = &mut inner.world;
            let name = format!("web-{}", world.state.revision());
            let spec = ServiceSpec {
                template: Arc::new(template),
                ports,
                ..skep_core::testing::replicated(&name, 1)
            };
            let service = world.create_service(spec);
            let task = crate::support::new_task();
            let template_revision = world
                .state
                .service(service)
                .expect("it is there")
                .template_revision;
            let new = NewTask {
                id: task,
                service,
                slot: 1,
                attempt: 1,
                template_revision,
                node: None,
                desired: DesiredState::Running,
                restart_time: None,
                restart: RestartMemory::default(),
                step: None,
                beside: false,
            };
            let applied = world.apply([Write::CreateTask(new), Write::AssignTask { task, node }]);
            assert_eq!(applied.refusal, None);
            task
        })
    }

    /// Creates a service that is published and answers on another node, at this address.
    pub(super) fn elsewhere(&self, published: u16, backend: std::net::SocketAddr) {
        let port = |number: u16| skep_core::testing::tcp(80, number, PortMode::Ingress);
        let Write::CreateNode {
            id: node,
            spec,
            role,
            description,
        } = skep_core::testing::create_node(2)
        else {
            panic!("it creates a node");
        };
        let description = NodeDescription {
            address: backend.ip(),
            ..NodeDescription::clone(&description)
        };
        let description = Arc::new(description);
        self.apply(Write::CreateNode {
            id: node,
            spec,
            role,
            description,
        });
        let template = skep_core::testing::template();
        let task = self.run_on(node, template, vec![port(published)]);
        let mut seen = Observation::of(TaskState::Running, Timestamp(1));
        seen.ports = vec![port(backend.port())];
        self.apply(Write::ObserveTask {
            task,
            observation: seen,
        });
    }

    pub(super) fn want(&self, task: TaskId, desired: DesiredState) {
        self.apply(Write::SetDesired { task, desired });
    }

    pub(super) fn apply(&self, write: Write) {
        self.change(|inner| _ = inner.world.apply([write]));
    }

    /// Nobody can connect any more, and who is connected is cut off; or all is well again.
    pub(super) fn set_reachable(&self, reachable: bool) {
        self.change(|inner| {
            inner.reachable = reachable;
            inner.cut_before = inner.sessions + 1;
        });
    }

    pub(super) fn lose_next_report(&self) {
        self.change(|inner| inner.lose_report = true);
    }

    pub(super) fn ask_for_logs(&self, task: TaskId, follow: bool) {
        let mut request = LogRequest {
            follow,
            ..LogRequest::default()
        };
        request.filter.tasks = vec![task];
        self.change(|inner| {
            inner.subscription = Some(LogSubscription {
                id: "logs".into(),
                request: Some(request),
            });
        });
    }

    /// All lines that came, and whether there are no more.
    pub(super) fn logs(&self) -> (Vec<String>, bool) {
        let inner = self.lock();
        let lines = inner.logs.iter().flat_map(|message| &message.lines);
        let lines = lines.map(|line| String::from_utf8_lossy(&line.data).into_owned());
        (lines.collect(), inner.logs_ended)
    }

    // === what a test waits for ===

    pub(super) async fn until<T>(&self, what: &str, look: impl Fn(&Manager) -> Option<T>) -> T {
        let mut turns = self.turn.subscribe();
        let found = async {
            loop {
                if let Some(found) = look(self) {
                    return found;
                }
                turns.changed().await.expect("the manager is there");
            }
        };
        match tokio::time::timeout(DEADLINE, found).await {
            Ok(found) => found,
            Err(_) => panic!("never came true: {what}; tasks: {:#?}", self.statuses()),
        }
    }

    fn statuses(&self) -> BTreeMap<TaskId, TaskStatus> {
        let state = self.state();
        state
            .tasks()
            .map(|task| (task.meta.id, task.status.clone()))
            .collect()
    }

    /// Waits until a task is in this state.
    pub(super) async fn reaches(&self, task: TaskId, state: TaskState) -> TaskStatus {
        self.until(&format!("{task} in {state:?}"), |manager| {
            let known = manager.state().task(task)?.status.clone();
            (known.state == state).then_some(known)
        })
        .await
    }

    // === the manager's end ===

    async fn talk(
        self,
        mut inbox: Streaming<SessionRequest>,
        outbox: mpsc::Sender<Result<SessionResponse, Status>>,
    ) {
        let mut turns = self.turn.subscribe();
        let (number, tracker) = self.change(|inner| {
            inner.sessions += 1;
            (inner.sessions, std::mem::take(&mut inner.tracker))
        });
        let mut machine = ManagerSession::new(NODE, tracker, self.now());
        while self.act(number, &mut machine, &outbox).await {
            let patience = machine.wake_at().unwrap_or_default().since(self.now());
            let event = async {
                tokio::select! {
                    message = inbox.message() => Some(message),
                    _ = turns.changed() => None,
                }
            };
            match tokio::time::timeout(patience, event).await {
                Ok(Some(Ok(Some(message)))) => {
                    let message = read_agent_message(message).expect("understood");
                    machine.receive(message, &self.state(), self.now());
                }
                Ok(Some(_)) => break,
                Ok(None) | Err(_) => {}
            }
        }
        self.change(|inner| inner.tracker = machine.into_tracker());
    }

    /// Whether the session goes on.
    async fn act(
        &self,
        number: u64,
        machine: &mut ManagerSession,
        outbox: &mpsc::Sender<Result<SessionResponse, Status>>,
    ) -> bool {
        let now = self.now();
        if number < self.lock().cut_before {
            return false;
        }
        self.refresh(machine, now);
        for output in machine.tick(&self.state(), now) {
            match output {
                ManagerOutput::Send(message) => {
                    if outbox.send(Ok(manager_message(&message))).await.is_err() {
                        return false;
                    }
                }
                ManagerOutput::Write { report, writes } => {
                    if report.is_some() && std::mem::take(&mut self.lock().lose_report) {
                        return false;
                    }
                    self.change(|inner| _ = inner.world.apply(writes));
                    report
                        .into_iter()
                        .for_each(|seq| machine.committed(seq, now));
                }
                ManagerOutput::Refused(refused) => panic!("not its own: {refused:?}"),
                ManagerOutput::Close(_) => return false,
            }
        }
        if self.lock().ack != machine.ack() {
            self.change(|inner| inner.ack = machine.ack());
        }
        true
    }

    fn refresh(&self, machine: &mut ManagerSession, now: Timestamp) {
        let state = self.state();
        machine.refresh(&state, &EndpointTable::new(&state, &|_| false), now);
        if machine.is_live()
            && let Some(subscription) = self.lock().subscription.take()
        {
            machine.tell(ManagerMessage::Logs(subscription), now);
        }
    }
}

#[async_trait]
impl Connector for Manager {
    async fn connect(&self) -> io::Result<Box<dyn Connection>> {
        if !self.lock().reachable {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (agents, managers) = tokio::io::duplex(64 << 10);
        let service = DispatcherServiceServer::new(self.clone());
        let incoming = stream::iter([Ok::<_, io::Error>(managers)]);
        tokio::spawn(
            Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming),
        );
        Ok(Box::new(agents))
    }
}

#[tonic::async_trait]
impl DispatcherService for Manager {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<SessionResponse, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<SessionRequest>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (outbox, messages) = mpsc::channel(64);
        tokio::spawn(self.clone().talk(request.into_inner(), outbox));
        Ok(Response::new(Box::pin(ReceiverStream::new(messages))))
    }

    async fn publish_logs(
        &self,
        request: Request<Streaming<PublishLogsRequest>>,
    ) -> Result<Response<PublishLogsResponse>, Status> {
        let mut messages = request.into_inner();
        while let Some(message) = messages.message().await? {
            self.change(|inner| inner.logs.extend(message.logs));
        }
        self.change(|inner| inner.logs_ended = true);
        Ok(Response::new(PublishLogsResponse {}))
    }
}
