// SPDX-License-Identifier: Apache-2.0
//! The generated stubs: those of the SDK, or, where a fault is planted, bare ones without the
//! SDK under them; and a call of any method by its name.

use std::time::Duration;

use serde_json::{Value, json};
use skep_sdk::v1::{self, *};
use skep_sdk::{Calls, Client, Error, Request, Status};
use tonic::transport::Endpoint;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use crate::json::{Answer, broken, failure, read, write};

/// Stubs over a bare channel: no deadline, no `request_id`, nothing is repeated.
#[derive(Clone)]
pub(crate) struct Bare(Calls);

impl Bare {
    /// A channel to a host that was connected to before.
    pub(crate) fn to(host: &str) -> Result<Self, Value> {
        let endpoint = Endpoint::from_shared(host.to_owned());
        let endpoint = endpoint.map_err(|error| broken(&error.to_string()))?;
        let lost = |error: tonic::transport::Error| Status::unavailable(error.to_string());
        let channel = endpoint.connect_lazy().map_err(lost);
        Ok(Self(BoxCloneSyncService::new(channel)))
    }
}

/// A stub of each service that has calls which give one answer.
pub(crate) trait Stubs {
    fn daemon(&self) -> daemon_service_client::DaemonServiceClient<Calls>;
    fn swarm(&self) -> swarm_service_client::SwarmServiceClient<Calls>;
    fn nodes(&self) -> node_service_client::NodeServiceClient<Calls>;
    fn services(&self) -> service_service_client::ServiceServiceClient<Calls>;
    fn tasks(&self) -> task_service_client::TaskServiceClient<Calls>;
}

macro_rules! stubs {
    ($($name:ident: $module:ident::$stub:ident;)+) => {
        impl Stubs for Client {
            $(fn $name(&self) -> $module::$stub<Calls> {
                Client::$name(self)
            })+
        }

        impl Stubs for Bare {
            $(fn $name(&self) -> $module::$stub<Calls> {
                $module::$stub::new(self.0.clone())
            })+
        }
    };
}

stubs! {
    daemon: daemon_service_client::DaemonServiceClient;
    swarm: swarm_service_client::SwarmServiceClient;
    nodes: node_service_client::NodeServiceClient;
    services: service_service_client::ServiceServiceClient;
    tasks: task_service_client::TaskServiceClient;
}

fn status(status: Status) -> Value {
    failure(&Error::from(status))
}

fn request<M>(message: M, timeout: Option<Duration>) -> Request<M> {
    let mut request = Request::new(message);
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    request
}

macro_rules! unary {
    ($($name:literal => $stub:ident.$call:ident($request:ident);)+) => {
        /// Calls a method that gives one answer.
        pub(crate) async fn call(
            stubs: &(impl Stubs + Sync),
            method: &str,
            message: &Value,
            timeout: Option<Duration>,
        ) -> Answer {
            match method {
                $($name => {
                    let message: v1::$request = read(message)?;
                    let answer = stubs.$stub().$call(request(message, timeout)).await;
                    let answer = answer.map_err(status)?.into_inner();
                    Ok(json!({"response": write(&answer)}))
                })+
                _ => Err(broken(&format!("there is no method {method}"))),
            }
        }
    };
}

unary! {
    "DaemonService/GetDaemon" => daemon.get_daemon(GetDaemonRequest);
    "DaemonService/InitSwarm" => daemon.init_swarm(InitSwarmRequest);
    "DaemonService/LeaveSwarm" => daemon.leave_swarm(LeaveSwarmRequest);
    "SwarmService/GetSwarm" => swarm.get_swarm(GetSwarmRequest);
    "SwarmService/UpdateSwarm" => swarm.update_swarm(UpdateSwarmRequest);
    "NodeService/GetNode" => nodes.get_node(GetNodeRequest);
    "NodeService/ListNodes" => nodes.list_nodes(ListNodesRequest);
    "NodeService/UpdateNode" => nodes.update_node(UpdateNodeRequest);
    "NodeService/DeleteNode" => nodes.delete_node(DeleteNodeRequest);
    "ServiceService/CreateService" => services.create_service(CreateServiceRequest);
    "ServiceService/GetService" => services.get_service(GetServiceRequest);
    "ServiceService/ListServices" => services.list_services(ListServicesRequest);
    "ServiceService/WaitService" => services.wait_service(WaitServiceRequest);
    "ServiceService/UpdateService" => services.update_service(UpdateServiceRequest);
    "ServiceService/DeleteService" => services.delete_service(DeleteServiceRequest);
    "ServiceService/ControlRollout" => services.control_rollout(ControlRolloutRequest);
    "ServiceService/ListServiceRevisions" => services.list_service_revisions(ListServiceRevisionsRequest);
    "TaskService/GetTask" => tasks.get_task(GetTaskRequest);
    "TaskService/ListTasks" => tasks.list_tasks(ListTasksRequest);
    "TaskService/StopTask" => tasks.stop_task(StopTaskRequest);
}

macro_rules! streams {
    ($($name:literal => $stub:ident.$call:ident($request:ident);)+) => {
        /// Reads a stream until it ends, `max` messages came, or the time is over.
        pub(crate) async fn stream(
            client: &Client,
            method: &str,
            message: &Value,
            max: usize,
            timeout: Duration,
        ) -> Answer {
            let until = tokio::time::Instant::now() + timeout;
            let mut responses = Vec::new();
            match method {
                $($name => {
                    let message: v1::$request = read(message)?;
                    let mut stream = client.$stub().$call(message).await.map_err(status)?.into_inner();
                    while responses.len() < max {
                        match tokio::time::timeout_at(until, stream.message()).await {
                            Err(_) => break,
                            Ok(Err(error)) => return Err(status(error)),
                            Ok(Ok(None)) => return Ok(json!({"responses": responses, "ended": true})),
                            Ok(Ok(Some(response))) => responses.push(write(&response)),
                        }
                    }
                    Ok(json!({"responses": responses, "ended": false}))
                })+
                _ => Err(broken(&format!("there is no stream {method}"))),
            }
        }
    };
}

streams! {
    "TaskService/WatchTasks" => tasks.watch_tasks(WatchTasksRequest);
    "WatchService/Watch" => watches.watch(WatchRequest);
    "LogService/StreamLogs" => logs.stream_logs(StreamLogsRequest);
}
