// SPDX-License-Identifier: Apache-2.0
//! A swarm that keeps what it is asked, and a way to run the program against it.

use std::collections::HashMap;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use skep_sdk::v1::condition::Status as Truth;
use skep_sdk::v1::daemon_service_server::{DaemonService, DaemonServiceServer};
use skep_sdk::v1::log_service_server::{LogService, LogServiceServer};
use skep_sdk::v1::node_service_server::{NodeService, NodeServiceServer};
use skep_sdk::v1::service_service_server::{ServiceService, ServiceServiceServer};
use skep_sdk::v1::swarm_service_server::{SwarmService, SwarmServiceServer};
use skep_sdk::v1::task_service_server::{TaskService, TaskServiceServer};
use skep_sdk::v1::watch_service_server::{WatchService, WatchServiceServer};
use skep_sdk::v1::*;
use skep_sdk::{Code, Name, Request, Status};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::Response;
use tonic::transport::Server;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::sample;

type Answer<T> = Result<Response<T>, Status>;
type Frames<T> = Pin<Box<dyn futures::Stream<Item = Result<T, Status>> + Send>>;

/// What was asked: the message's name without its package, and the message.
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

#[derive(Clone, Default)]
struct Fake {
    asked: Asked,
}

/// A running swarm.
pub(crate) struct Swarm {
    asked: Asked,
    dir: TempDir,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Swarm {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The program with nothing of this machine's around it.
pub(crate) fn skep(home: &std::path::Path) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_skep"));
    command
        .env_clear()
        .env("HOME", home)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

pub(crate) async fn run(mut command: tokio::process::Command) -> Ran {
    let output = command.output().await.unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Swarm {
    pub(crate) async fn start() -> Self {
        let fake = Fake::default();
        let asked = fake.asked.clone();
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("skep.sock")).unwrap();
        let server = Server::builder()
            .add_service(DaemonServiceServer::new(fake.clone()))
            .add_service(SwarmServiceServer::new(fake.clone()))
            .add_service(NodeServiceServer::new(fake.clone()))
            .add_service(ServiceServiceServer::new(fake.clone()))
            .add_service(TaskServiceServer::new(fake.clone()))
            .add_service(LogServiceServer::new(fake.clone()))
            .add_service(WatchServiceServer::new(fake))
            .serve_with_incoming(UnixListenerStream::new(listener));
        let server = tokio::spawn(async move { server.await.unwrap() });
        Self { asked, dir, server }
    }

    /// The program, told where the swarm is.
    pub(crate) fn command(&self, line: &[&str]) -> tokio::process::Command {
        let mut command = skep(self.dir.path());
        command.env(
            "SKEP_HOST",
            format!("unix://{}/skep.sock", self.dir.path().display()),
        );
        command.args(line);
        command
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self, line: &[&str]) -> Ran {
        run(self.command(line)).await
    }

    /// Runs a line without blanks in its words.
    pub(crate) async fn line(&self, line: &str) -> Ran {
        self.run(&line.split_whitespace().collect::<Vec<_>>()).await
    }

    /// What was asked since the last time, `request_id`s left out.
    pub(crate) fn asked(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// A file for a run to read.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

fn error(code: Code, reason: &str, message: &str, facts: &[(&str, &str)]) -> Status {
    let facts: HashMap<String, String> = facts
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    let details = ErrorDetails::with_error_info(reason, "skep", facts);
    Status::with_error_details(code, message, details)
}

fn not_found(kind: &str, name: &str) -> Status {
    let message = format!("there is no {kind} {name:?}");
    error(
        Code::NotFound,
        "OBJECT_NOT_FOUND",
        &message,
        &[("kind", kind), ("name", name)],
    )
}

fn id_of(name: &str) -> String {
    format!("svc_{name:0>26}")
}

/// A service of a name, as its first answer shows it.
fn made(spec: ServiceSpec) -> Service {
    let mut service = sample::service();
    let meta = service.meta.as_mut().unwrap();
    meta.id = if spec.name == "web" {
        sample::id("svc", 1)
    } else {
        id_of(&spec.name)
    };
    service.spec = Some(spec);
    service.status = Some(ServiceStatus {
        desired_tasks: 1,
        template_revision: 12,
        ..Default::default()
    });
    service
}

impl Fake {
    fn keep<M: Name>(&self, message: &M) {
        let mut json = serde_json::to_value(skep_sdk::reflect::dynamic(message)).unwrap();
        json.as_object_mut().unwrap().remove("requestId");
        self.asked.lock().unwrap().push((M::NAME.to_owned(), json));
    }

    fn find(&self, reference: &str) -> Result<Service, Status> {
        match reference {
            "web" => Ok(sample::service()),
            "agent" => Ok(sample::global_service()),
            id if id == sample::id("svc", 1) => Ok(sample::service()),
            id if id == id_of("fine") => {
                let watch_response::event::Object::Service(service) =
                    with_condition(id, "CONVERGED", 1)
                else {
                    unreachable!()
                };
                Ok(service)
            }
            id if id == "halted" || id == id_of("halted") => Ok(halted()),
            _ => Err(not_found("service", reference)),
        }
    }
}

/// A service whose roll-out is paused.
fn halted() -> Service {
    let mut service = sample::service();
    service.meta.as_mut().unwrap().id = id_of("halted");
    let status = service.status.as_mut().unwrap();
    status.rollout.get_or_insert_default().state = rollout::State::Paused.into();
    service
}

#[tonic::async_trait]
impl DaemonService for Fake {
    async fn get_daemon(&self, _: Request<GetDaemonRequest>) -> Answer<GetDaemonResponse> {
        Ok(Response::new(GetDaemonResponse {
            daemon: Some(sample::daemon()),
        }))
    }

    async fn init_swarm(&self, request: Request<InitSwarmRequest>) -> Answer<InitSwarmResponse> {
        self.keep(request.get_ref());
        Ok(Response::new(InitSwarmResponse {
            node: sample::id("nod", 1),
            swarm: sample::id("swm", 1),
        }))
    }

    async fn leave_swarm(&self, request: Request<LeaveSwarmRequest>) -> Answer<LeaveSwarmResponse> {
        self.keep(request.get_ref());
        if request.into_inner().force {
            return Ok(Response::new(LeaveSwarmResponse {}));
        }
        let message = "this is the last manager: the swarm would be erased";
        Err(error(
            Code::FailedPrecondition,
            "QUORUM_AT_RISK",
            message,
            &[],
        ))
    }
}

#[tonic::async_trait]
impl SwarmService for Fake {
    async fn get_swarm(&self, _: Request<GetSwarmRequest>) -> Answer<GetSwarmResponse> {
        Ok(Response::new(GetSwarmResponse {
            swarm: Some(sample::swarm()),
            revision: 40,
        }))
    }

    async fn update_swarm(
        &self,
        request: Request<UpdateSwarmRequest>,
    ) -> Answer<UpdateSwarmResponse> {
        self.keep(request.get_ref());
        Ok(Response::new(UpdateSwarmResponse {
            swarm: Some(sample::swarm()),
            revision: 41,
        }))
    }
}

#[tonic::async_trait]
impl NodeService for Fake {
    async fn get_node(&self, request: Request<GetNodeRequest>) -> Answer<GetNodeResponse> {
        self.keep(request.get_ref());
        let node = sample::node("node-1");
        let name = request.into_inner().node;
        if name != "node-1" && name != sample::id("nod", 1) {
            return Err(not_found("node", &name));
        }
        Ok(Response::new(GetNodeResponse {
            node: Some(node),
            revision: 40,
        }))
    }

    async fn list_nodes(&self, request: Request<ListNodesRequest>) -> Answer<ListNodesResponse> {
        self.keep(request.get_ref());
        // Two pages of one node each.
        let (node, next) = match request.get_ref().page_token.as_str() {
            "" => (sample::node("node-1"), "more"),
            "more" => (sample::lost_node("node-2"), ""),
            other => panic!("no page {other}"),
        };
        Ok(Response::new(ListNodesResponse {
            nodes: vec![node],
            next_page_token: next.into(),
            revision: 40,
        }))
    }

    async fn update_node(&self, request: Request<UpdateNodeRequest>) -> Answer<UpdateNodeResponse> {
        self.keep(request.get_ref());
        let node = Some(sample::node("node-1"));
        Ok(Response::new(UpdateNodeResponse { node, revision: 41 }))
    }

    async fn delete_node(&self, request: Request<DeleteNodeRequest>) -> Answer<DeleteNodeResponse> {
        self.keep(request.get_ref());
        if request.get_ref().force {
            return Ok(Response::new(DeleteNodeResponse { revision: 41 }));
        }
        let message = "node-1 is not down";
        Err(error(
            Code::FailedPrecondition,
            "NODE_NOT_DOWN",
            message,
            &[],
        ))
    }
}

#[tonic::async_trait]
impl ServiceService for Fake {
    async fn create_service(
        &self,
        request: Request<CreateServiceRequest>,
    ) -> Answer<CreateServiceResponse> {
        self.keep(request.get_ref());
        let spec = request.into_inner().spec.unwrap();
        if spec.name == "taken" {
            let message = "the name \"taken\" belongs to another service";
            return Err(error(Code::AlreadyExists, "NAME_TAKEN", message, &[]));
        }
        if spec.name.contains(' ') {
            let mut details =
                ErrorDetails::with_error_info("INVALID_FIELD", "skep", HashMap::new());
            details.set_bad_request(vec![
                FieldViolation::new("spec.name", "must not contain a blank"),
                FieldViolation::new("spec.template.process.command[0]", "must be absolute"),
            ]);
            let message = "2 fields break their rules";
            return Err(Status::with_error_details(
                Code::InvalidArgument,
                message,
                details,
            ));
        }
        Ok(Response::new(CreateServiceResponse {
            service: Some(made(spec)),
            revision: 12,
        }))
    }

    async fn get_service(&self, request: Request<GetServiceRequest>) -> Answer<GetServiceResponse> {
        self.keep(request.get_ref());
        let service = Some(self.find(&request.into_inner().service)?);
        Ok(Response::new(GetServiceResponse {
            service,
            revision: 40,
        }))
    }

    async fn control_rollout(
        &self,
        request: Request<ControlRolloutRequest>,
    ) -> Answer<ControlRolloutResponse> {
        self.keep(request.get_ref());
        let service = Some(self.find(&request.into_inner().service)?);
        Ok(Response::new(ControlRolloutResponse {
            service,
            revision: 41,
        }))
    }

    async fn list_service_revisions(
        &self,
        _: Request<ListServiceRevisionsRequest>,
    ) -> Answer<ListServiceRevisionsResponse> {
        Err(Status::unimplemented("no command calls it"))
    }

    async fn list_services(
        &self,
        request: Request<ListServicesRequest>,
    ) -> Answer<ListServicesResponse> {
        self.keep(request.get_ref());
        let services = vec![sample::service(), sample::global_service()];
        Ok(Response::new(ListServicesResponse {
            services,
            revision: 40,
            ..Default::default()
        }))
    }

    async fn update_service(
        &self,
        request: Request<UpdateServiceRequest>,
    ) -> Answer<UpdateServiceResponse> {
        self.keep(request.get_ref());
        let service = Some(made(request.into_inner().spec.unwrap()));
        Ok(Response::new(UpdateServiceResponse {
            service,
            revision: 41,
        }))
    }

    async fn delete_service(
        &self,
        request: Request<DeleteServiceRequest>,
    ) -> Answer<DeleteServiceResponse> {
        self.keep(request.get_ref());
        let mut service = self.find(&request.into_inner().service)?;
        // What the watch then plays is the end of it.
        service.meta.as_mut().unwrap().id = id_of("goes");
        Ok(Response::new(DeleteServiceResponse {
            service: Some(service),
            revision: 41,
        }))
    }
}

#[tonic::async_trait]
impl TaskService for Fake {
    type WatchTasksStream = Frames<EncodedFrame>;

    async fn get_task(&self, request: Request<GetTaskRequest>) -> Answer<GetTaskResponse> {
        self.keep(request.get_ref());
        let id = request.into_inner().task;
        if !id.starts_with("tsk_00000001") {
            return Err(not_found("task", &id));
        }
        let task = Some(sample::task(1, 1));
        Ok(Response::new(GetTaskResponse {
            task,
            template: None,
            revision: 40,
        }))
    }

    async fn list_tasks(&self, request: Request<ListTasksRequest>) -> Answer<ListTasksResponse> {
        self.keep(request.get_ref());
        let services = request.into_inner().filter.unwrap_or_default().services;
        let mut tasks = vec![sample::task(1, 1), sample::pending_task(4, 2)];
        // It is on its way all the time.
        tasks.retain(|_| !services.contains(&id_of("slow")));
        Ok(Response::new(ListTasksResponse {
            tasks,
            revision: 40,
            ..Default::default()
        }))
    }

    async fn watch_tasks(&self, _: Request<WatchTasksRequest>) -> Answer<Self::WatchTasksStream> {
        Err(Status::unimplemented("the program does not call it"))
    }

    async fn stop_task(&self, request: Request<StopTaskRequest>) -> Answer<StopTaskResponse> {
        self.keep(request.get_ref());
        Ok(Response::new(StopTaskResponse {
            task: Some(sample::task(1, 1)),
            revision: 41,
        }))
    }
}

#[tonic::async_trait]
impl LogService for Fake {
    type StreamLogsStream = Frames<StreamLogsResponse>;

    async fn stream_logs(
        &self,
        request: Request<StreamLogsRequest>,
    ) -> Answer<Self::StreamLogsStream> {
        self.keep(request.get_ref());
        let task = sample::task(1, 1);
        let source = LogSource {
            task: Some(Ref {
                id: sample::id("tsk", 1),
                name: task.name,
            }),
            service: task.service,
            node: task.node,
        };
        let line = |stream: LogStream, text: &str| LogLine {
            task: sample::id("tsk", 1),
            stream: stream.into(),
            data: text.as_bytes().to_vec().into(),
            ..LogLine::default()
        };
        let lines = vec![
            line(LogStream::Stdout, "hello"),
            line(LogStream::Stderr, "oh no"),
        ];
        let frame = StreamLogsResponse {
            sources: vec![source],
            lines,
            gaps: vec![],
        };
        Ok(Response::new(Box::pin(futures::stream::iter([Ok(frame)]))))
    }
}

fn event(kind: EventType, object: watch_response::event::Object) -> watch_response::Event {
    watch_response::Event {
        r#type: kind.into(),
        object: Some(object),
    }
}

fn frame(revision: u64, events: Vec<watch_response::Event>) -> Result<WatchResponse, Status> {
    Ok(WatchResponse {
        revision,
        events,
        head_revision: revision,
    })
}

/// A change of a task, then a failure that ends the watch.
fn one_task() -> Vec<Result<WatchResponse, Status>> {
    let task = watch_response::event::Object::Task(sample::task(1, 1));
    let refused = error(
        Code::InvalidArgument,
        "INVALID_FIELD",
        "the script ends",
        &[],
    );
    vec![
        frame(41, vec![event(EventType::Changed, task)]),
        Err(refused),
    ]
}

/// The service of an id, with a condition that is true.
fn with_condition(id: &str, name: &str, updated_tasks: u32) -> watch_response::event::Object {
    let mut service = sample::service();
    service.meta.as_mut().unwrap().id = id.to_owned();
    let status = service.status.as_mut().unwrap();
    (status.desired_tasks, status.updated_tasks) = (1, updated_tasks);
    // Only what runs is watched whether it stays so.
    status.running_tasks = u32::from(id == id_of("fine"));
    let why = "web.1 failed 3 times";
    status.conditions = vec![sample::condition(
        name,
        Truth::True,
        "ATTEMPTS_EXHAUSTED",
        why,
    )];
    watch_response::event::Object::Service(service)
}

#[tonic::async_trait]
impl WatchService for Fake {
    type WatchStream = Frames<EncodedFrame>;

    /// Plays what the name of the service says: `stalls`, `pends`, `slow`, `goes`; any other
    /// converges, of which the tasks of `fine` run. Without services: a change of a task, and the
    /// end.
    async fn watch(&self, request: Request<WatchRequest>) -> Answer<Self::WatchStream> {
        use watch_response::event::Object;
        self.keep(request.get_ref());
        let Some(services) = request.into_inner().services else {
            return Ok(Response::new(Box::pin(futures::stream::iter(
                one_task()
                    .into_iter()
                    .map(|frame| frame.map(EncodedFrame::from)),
            ))));
        };
        let id = services.services.join("");
        let task = |task: Task| event(EventType::Added, Object::Task(task));
        let begin = |more: Vec<watch_response::Event>| {
            let mut events = vec![event(EventType::Added, with_condition(&id, "PLACED", 0))];
            events.extend(more);
            frame(12, events)
        };
        let changed = |name: &str, updated| {
            frame(
                13,
                vec![event(
                    EventType::Changed,
                    with_condition(&id, name, updated),
                )],
            )
        };
        let failed = sample::task_in(2, 1, TaskState::Failed, "task: non-zero exit (3)\nboom");
        let frames = match id.trim_start_matches("svc_").trim_start_matches('0') {
            "stalls" => vec![begin(vec![task(failed)]), changed("STALLED", 0)],
            "pends" => vec![begin(vec![task(sample::pending_task(4, 1))])],
            "slow" => vec![begin(vec![])],
            "goes" => {
                let gone = with_condition(&id, "PLACED", 0);
                let end = frame(14, vec![event(EventType::Deleted, gone)]);
                vec![begin(vec![task(sample::task(1, 1))]), end]
            }
            _ => vec![
                begin(vec![task(sample::task(1, 1))]),
                changed("CONVERGED", 1),
            ],
        };
        use futures::StreamExt;
        let frames = futures::stream::iter(frames)
            .map(|frame| frame.map(EncodedFrame::from))
            .chain(futures::stream::pending());
        Ok(Response::new(Box::pin(frames)))
    }
}
