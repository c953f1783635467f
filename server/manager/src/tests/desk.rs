// SPDX-License-Identifier: Apache-2.0
//! A daemon with three nodes, and clients that call it.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use skep_core::model::{
    DesiredState, NodeId, RestartMemory, Revision, ServiceId, TaskId, TaskState,
};
use skep_core::state::{NewTask, Observation, State, Write};
use skep_core::testing::World;
use skep_proto::v1;
use skep_proto::v1::ErrorReason;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::service_fn;

use super::stand_ins::{StandClock, StandDaemon, StandFacts, StandStreams};
use crate::api::{Api, services};
use crate::cluster::Cluster;
use crate::error::{code_of, reason_name};
use crate::layer::{Door, GuardLayer};
use crate::member::{Manager, Membership};
use crate::streams::Streams;
use crate::testing::MemoryCluster;
use crate::waits::{WAITS_MAX, Waits};

type ServiceClient = v1::service_service_client::ServiceServiceClient<Channel>;
type NodeClient = v1::node_service_client::NodeServiceClient<Channel>;
type TaskClient = v1::task_service_client::TaskServiceClient<Channel>;
type SwarmClient = v1::swarm_service_client::SwarmServiceClient<Channel>;
type DaemonClient = v1::daemon_service_client::DaemonServiceClient<Channel>;

/// A daemon, and what tests do to it.
pub(super) struct Desk {
    pub(super) cluster: Arc<MemoryCluster>,
    pub(super) membership: Arc<Membership>,
    pub(super) daemon: Arc<StandDaemon>,
    pub(super) channel: Channel,
    pub(super) waits: Waits,
    server: JoinHandle<()>,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Desk {
    /// A manager of three nodes, node-1 being itself, behind its dev address.
    pub(super) async fn new() -> Desk {
        Desk::of(World::with_nodes(3)).await
    }

    pub(super) async fn of(world: World) -> Desk {
        Desk::with_streams(world, |_| Arc::new(StandStreams)).await
    }

    /// With streams over its cluster.
    pub(super) async fn with_streams(
        world: World,
        streams: impl FnOnce(Arc<MemoryCluster>) -> Arc<dyn Streams>,
    ) -> Desk {
        let cluster = Arc::new(MemoryCluster::new(world));
        let membership = Arc::new(Membership::outside());
        let waits = Waits::new(WAITS_MAX);
        membership.join(Manager {
            cluster: cluster.clone(),
            facts: Arc::new(StandFacts),
            streams: streams(cluster.clone()),
            clock: Arc::new(StandClock),
            waits: waits.clone(),
        });
        let daemon = Arc::new(StandDaemon::default());
        let api = Api {
            membership: membership.clone(),
            daemon: daemon.clone(),
        };
        let (channel, server) = serve(&api).await;
        Desk {
            cluster,
            membership,
            daemon,
            channel,
            waits,
            server,
        }
    }

    pub(super) fn services(&self) -> ServiceClient {
        ServiceClient::new(self.channel.clone())
    }

    pub(super) fn nodes(&self) -> NodeClient {
        NodeClient::new(self.channel.clone())
    }

    pub(super) fn tasks(&self) -> TaskClient {
        TaskClient::new(self.channel.clone())
    }

    pub(super) fn swarm(&self) -> SwarmClient {
        SwarmClient::new(self.channel.clone())
    }

    pub(super) fn daemon(&self) -> DaemonClient {
        DaemonClient::new(self.channel.clone())
    }

    pub(super) fn view(&self) -> State {
        let cluster: &dyn Cluster = &*self.cluster;
        cluster.view()
    }

    /// Creates a service.
    pub(super) async fn create(&self, spec: v1::ServiceSpec) -> v1::Service {
        let request = v1::CreateServiceRequest {
            spec: Some(spec),
            request_id: String::new(),
        };
        let response = self.services().create_service(request).await;
        let service = response
            .expect("nothing is wrong with it")
            .into_inner()
            .service;
        service.expect("the answer shows it")
    }

    pub(super) async fn get(&self, service: &str) -> v1::Service {
        let request = v1::GetServiceRequest {
            service: service.to_owned(),
            consistency: None,
        };
        let response = self.services().get_service(request).await;
        response
            .expect("it is there")
            .into_inner()
            .service
            .expect("the answer shows it")
    }

    /// Makes a task of a service that runs on a node.
    pub(super) fn task(&self, service: &v1::Service, slot: u32, node: NodeId) -> TaskId {
        let id: ServiceId = id_of(service).parse().expect("an id");
        let state = self.view();
        let task = TaskId(u128::from(slot) + 0x4000);
        let template_revision = state.service(id).expect("it is there").template_revision;
        self.cluster.write([
            Write::CreateTask(NewTask {
                id: task,
                service: id,
                slot,
                attempt: 1,
                template_revision,
                node: None,
                desired: DesiredState::Running,
                restart_time: None,
                restart: RestartMemory::default(),
                step: None,
                beside: false,
            }),
            Write::AssignTask { task, node },
            Write::ObserveTask {
                task,
                observation: Observation::of(TaskState::Running, state.time()),
            },
        ]);
        task
    }

    pub(super) fn head(&self) -> Revision {
        self.view().revision()
    }
}

/// Serves the API on connections in memory; a channel that makes them, and the server.
pub(super) async fn serve(api: &Api) -> (Channel, JoinHandle<()>) {
    let (connect, incoming) = mpsc::unbounded_channel::<DuplexStream>();
    let incoming = UnboundedReceiverStream::new(incoming).map(Ok::<_, std::io::Error>);
    let routes = services(api).await.routes;
    let server = tokio::spawn(async move {
        let server = Server::builder()
            .layer(GuardLayer::new(Door::Dev))
            .add_routes(routes);
        server
            .serve_with_incoming(incoming)
            .await
            .expect("memory does not fail");
    });
    let connector = service_fn(move |_| {
        let connect = connect.clone();
        async move {
            let (ours, theirs) = tokio::io::duplex(1 << 20);
            let gone = |_| std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
            connect.send(theirs).map_err(gone)?;
            Ok::<_, std::io::Error>(TokioIo::new(ours))
        }
    });
    let endpoint = Endpoint::from_static("http://127.0.0.1:2378");
    (endpoint.connect_with_connector_lazy(connector), server)
}

pub(super) fn id_of(service: &v1::Service) -> &str {
    service.meta.as_ref().map_or("", |meta| meta.id.as_str())
}

/// A service of one program that sleeps.
pub(super) fn spec(name: &str) -> v1::ServiceSpec {
    let process = v1::Process {
        command: vec!["/bin/sleep".to_owned(), "600".to_owned()],
        ..v1::Process::default()
    };
    v1::ServiceSpec {
        name: name.to_owned(),
        template: Some(v1::TaskTemplate {
            workload: Some(v1::task_template::Workload::Process(process)),
            ..v1::TaskTemplate::default()
        }),
        ..v1::ServiceSpec::default()
    }
}

/// The same with a port in the mesh; 0: any.
pub(super) fn with_port(name: &str, published: u32) -> v1::ServiceSpec {
    let port = v1::Port {
        target: 80,
        published,
        ..v1::Port::default()
    };
    v1::ServiceSpec {
        endpoint: Some(v1::EndpointSpec { ports: vec![port] }),
        ..spec(name)
    }
}

/// What an error says to programs.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) reason: String,
    pub(super) metadata: BTreeMap<String, String>,
    /// The bad fields.
    pub(super) fields: Vec<String>,
    pub(super) message: String,
}

/// What an error says; it must be whole.
pub(super) fn told(status: &Status) -> Told {
    let info = status.get_details_error_info();
    let info = info.unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "skep");
    let reason = format!("ERROR_REASON_{}", info.reason);
    let reason = ErrorReason::from_str_name(&reason);
    let reason = reason.unwrap_or_else(|| panic!("{} is no reason", info.reason));
    assert_eq!(status.code(), code_of(reason), "{status:?}");
    let bad = status.get_details_bad_request();
    let violations = bad.map(|bad| bad.field_violations).unwrap_or_default();
    assert_eq!(violations.is_empty(), reason != ErrorReason::InvalidField);
    assert_ne!(status.code(), Code::Ok);
    Told {
        reason: info.reason,
        metadata: info.metadata.into_iter().collect(),
        fields: violations
            .into_iter()
            .map(|violation| violation.field)
            .collect(),
        message: status.message().to_owned(),
    }
}

/// Checks that a call failed for this reason, with these metadata.
#[track_caller]
pub(super) fn failed<T: std::fmt::Debug>(
    result: Result<T, Status>,
    reason: ErrorReason,
    metadata: &[(&str, &str)],
) -> Told {
    let told = told(&result.expect_err("it fails"));
    assert_eq!(told.reason, reason_name(reason), "{told:?}");
    let wanted: BTreeMap<_, _> = metadata
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    assert_eq!(told.metadata, wanted, "{}", told.message);
    told
}

/// Checks that a call failed because of these fields.
#[track_caller]
pub(super) fn refused<T: std::fmt::Debug>(result: Result<T, Status>, fields: &[&str]) {
    let told = failed(result, ErrorReason::InvalidField, &[]);
    assert_eq!(told.fields, fields);
}
