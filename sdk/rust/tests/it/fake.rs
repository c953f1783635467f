// SPDX-License-Identifier: Apache-2.0
//! A server whose answers are prepared and whose requests are kept.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use skep_sdk::v1::daemon_service_server::{DaemonService, DaemonServiceServer};
use skep_sdk::v1::service_service_server::{ServiceService, ServiceServiceServer};
use skep_sdk::v1::task_service_server::{TaskService, TaskServiceServer};
use skep_sdk::v1::watch_service_server::{WatchService, WatchServiceServer};
use skep_sdk::v1::*;
use skep_sdk::{Client, Code, Context, Request, Status};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::Response;
use tonic::transport::Server;
use tonic_types::{ErrorDetails, StatusExt};

type Answer<T> = Result<Response<T>, Status>;
type Frames<T> = Pin<Box<dyn futures::Stream<Item = Result<T, Status>> + Send>>;

/// What the server will answer, and what it was asked.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) creates: VecDeque<Result<CreateServiceResponse, Status>>,
    pub(crate) asked_creates: Vec<CreateServiceRequest>,
    pub(crate) gets: VecDeque<GetServiceResponse>,
    pub(crate) updates: VecDeque<Result<UpdateServiceResponse, Status>>,
    pub(crate) asked_updates: Vec<UpdateServiceRequest>,
    pub(crate) inits: VecDeque<Result<InitSwarmResponse, Status>>,
    /// Each watch gets one of these; a stream ends after its last frame.
    pub(crate) watches: VecDeque<Vec<Result<WatchResponse, Status>>>,
    pub(crate) asked_watches: Vec<WatchRequest>,
    /// What the next waits come to; once there is nothing more they do not end.
    pub(crate) waits: VecDeque<Result<WaitServiceResponse, Status>>,
    pub(crate) asked_waits: Vec<WaitServiceRequest>,
    pub(crate) timeouts: Vec<Option<String>>,
}

#[derive(Clone, Default)]
pub(crate) struct Fake {
    pub(crate) script: Arc<Mutex<Script>>,
}

/// A running fake, and a client of it. Both end with this value.
pub(crate) struct Running {
    pub(crate) fake: Fake,
    pub(crate) client: Client,
    server: JoinHandle<()>,
    dir: TempDir,
}

impl Running {
    /// Cuts all connections and serves again on the same socket.
    pub(crate) async fn restart(&mut self) {
        self.server.abort();
        let _ = (&mut self.server).await;
        self.server = self.fake.serve(self.dir.path());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// An error as the real server makes them.
pub(crate) fn refusal(code: Code, reason: &str) -> Status {
    let details = ErrorDetails::with_error_info(reason, "skep", HashMap::new());
    Status::with_error_details(code, reason.to_lowercase(), details)
}

impl Fake {
    pub(crate) async fn start() -> Running {
        let dir = tempfile::tempdir().unwrap();
        let fake = Self::default();
        let server = fake.serve(dir.path());
        let host = format!("unix://{}/skep.sock", dir.path().display());
        let context = Context::new([host]).unwrap();
        let client = Client::connect(&context).await.unwrap();
        Running {
            fake,
            client,
            server,
            dir,
        }
    }

    /// Serves on the socket of a folder until the task is aborted.
    fn serve(&self, dir: &Path) -> JoinHandle<()> {
        let path = dir.join("skep.sock");
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let server = Server::builder()
            .add_service(DaemonServiceServer::new(self.clone()))
            .add_service(ServiceServiceServer::new(self.clone()))
            .add_service(TaskServiceServer::new(self.clone()))
            .add_service(WatchServiceServer::new(self.clone()))
            .serve_with_incoming(UnixListenerStream::new(listener));
        tokio::spawn(async move { server.await.unwrap() })
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.script.lock().unwrap())
    }
}

fn timeout_of<T>(request: &Request<T>) -> Option<String> {
    request
        .metadata()
        .get("grpc-timeout")
        .map(|value| value.to_str().unwrap().to_owned())
}

#[tonic::async_trait]
impl ServiceService for Fake {
    async fn create_service(
        &self,
        request: Request<CreateServiceRequest>,
    ) -> Answer<CreateServiceResponse> {
        let timeout = timeout_of(&request);
        self.with(|script| {
            script.timeouts.push(timeout);
            script.asked_creates.push(request.into_inner());
            script.creates.pop_front().unwrap().map(Response::new)
        })
    }

    async fn get_service(&self, _: Request<GetServiceRequest>) -> Answer<GetServiceResponse> {
        Ok(Response::new(
            self.with(|script| script.gets.pop_front().unwrap()),
        ))
    }

    async fn list_services(&self, _: Request<ListServicesRequest>) -> Answer<ListServicesResponse> {
        Ok(Response::new(ListServicesResponse {
            services: vec![Service::default()],
            ..Default::default()
        }))
    }

    async fn update_service(
        &self,
        request: Request<UpdateServiceRequest>,
    ) -> Answer<UpdateServiceResponse> {
        self.with(|script| {
            script.asked_updates.push(request.into_inner());
            script.updates.pop_front().unwrap().map(Response::new)
        })
    }

    async fn delete_service(
        &self,
        _: Request<DeleteServiceRequest>,
    ) -> Answer<DeleteServiceResponse> {
        Err(Status::unimplemented("not part of the script"))
    }

    async fn wait_service(
        &self,
        request: Request<WaitServiceRequest>,
    ) -> Answer<WaitServiceResponse> {
        let timeout = timeout_of(&request);
        let answer = self.with(|script| {
            script.timeouts.push(timeout);
            script.asked_waits.push(request.into_inner());
            script.waits.pop_front()
        });
        match answer {
            Some(answer) => answer.map(Response::new),
            None => std::future::pending().await,
        }
    }

    async fn control_rollout(
        &self,
        _: Request<ControlRolloutRequest>,
    ) -> Answer<ControlRolloutResponse> {
        Err(Status::unimplemented("not part of the script"))
    }

    async fn list_service_revisions(
        &self,
        _: Request<ListServiceRevisionsRequest>,
    ) -> Answer<ListServiceRevisionsResponse> {
        Err(Status::unimplemented("not part of the script"))
    }
}

#[tonic::async_trait]
impl DaemonService for Fake {
    async fn get_daemon(&self, _: Request<GetDaemonRequest>) -> Answer<GetDaemonResponse> {
        Err(Status::unimplemented("not part of the script"))
    }

    async fn init_swarm(&self, _: Request<InitSwarmRequest>) -> Answer<InitSwarmResponse> {
        self.with(|script| script.inits.pop_front().unwrap().map(Response::new))
    }

    async fn leave_swarm(&self, _: Request<LeaveSwarmRequest>) -> Answer<LeaveSwarmResponse> {
        Err(Status::unimplemented("not part of the script"))
    }
}

#[tonic::async_trait]
impl TaskService for Fake {
    type WatchTasksStream = Frames<EncodedFrame>;

    async fn get_task(&self, _: Request<GetTaskRequest>) -> Answer<GetTaskResponse> {
        Err(Status::unimplemented("not part of the script"))
    }

    async fn list_tasks(&self, _: Request<ListTasksRequest>) -> Answer<ListTasksResponse> {
        Err(Status::unimplemented("not part of the script"))
    }

    async fn stop_task(&self, _: Request<StopTaskRequest>) -> Answer<StopTaskResponse> {
        Err(Status::unimplemented("not part of the script"))
    }

    async fn watch_tasks(&self, _: Request<WatchTasksRequest>) -> Answer<Self::WatchTasksStream> {
        Err(Status::unimplemented("not part of the script"))
    }
}

#[tonic::async_trait]
impl WatchService for Fake {
    type WatchStream = Frames<EncodedFrame>;

    async fn watch(&self, request: Request<WatchRequest>) -> Answer<Self::WatchStream> {
        let timeout = timeout_of(&request);
        let frames = self.with(|script| {
            script.timeouts.push(timeout);
            script.asked_watches.push(request.into_inner());
            script.watches.pop_front()
        });
        match frames {
            Some(frames) => Ok(Response::new(encoded(frames))),
            None => Ok(Response::new(Box::pin(futures::stream::pending()))),
        }
    }
}

/// Frames as servers send them.
fn encoded<T: Into<EncodedFrame>>(frames: Vec<Result<T, Status>>) -> Frames<EncodedFrame> {
    let frames: Vec<_> = frames.into_iter().map(|frame| frame.map(T::into)).collect();
    Box::pin(futures::stream::iter(frames))
}
