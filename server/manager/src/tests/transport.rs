// SPDX-License-Identifier: Apache-2.0
//! What the guard and the services beside our own do, as a client sees it.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper_util::rt::TokioIo;
use skep_core::testing::World;
use skep_proto::v1;
use skep_proto::v1::ErrorReason;
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::Request;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Endpoint, Server};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1alpha::server_reflection_client::ServerReflectionClient as AlphaClient;
use tonic_types::StatusExt;
use tower::service_fn;

use super::desk::{Desk, failed, spec, told};
use super::raw::call;
use crate::api::{Api, services};
use crate::layer::{Door, GuardLayer};

#[tokio::test]
pub(super) async fn an_unknown_method_is_a_missing_feature() {
    let desk = Desk::new().await;
    for path in [
        "/skep.v1.TaskService/ExplainTask",
        "/skep.v2.TaskService/GetTask",
        "/x",
    ] {
        let feature = format!("method {}", path.trim_start_matches('/'));
        let answer = call(&desk.channel, path, Bytes::new()).await;
        failed(
            answer,
            ErrorReason::FeatureNotEnabled,
            &[("feature", &feature)],
        );
    }
    let path = "/grpc.health.v1.Health/Cure";
    let answer = call(&desk.channel, path, Bytes::new()).await;
    let feature = [("feature", "method grpc.health.v1.Health/Cure")];
    failed(answer, ErrorReason::FeatureNotEnabled, &feature);
}

#[tokio::test]
pub(super) async fn a_request_that_is_too_large_is_refused() {
    let desk = Desk::new().await;
    let path = "/skep.v1.ServiceService/CreateService";
    let answer = call(&desk.channel, path, vec![0; 5 << 20].into()).await;
    let status = answer.expect_err("it is too large");
    let quota = status
        .get_details_quota_failure()
        .expect("it says which limit");
    assert_eq!(quota.violations[0].subject, "request_bytes");
    failed::<()>(
        Err(status),
        ErrorReason::LimitExceeded,
        &[("limit", "4194304")],
    );
}

#[tokio::test]
pub(super) async fn a_request_that_cannot_be_read_is_refused() {
    let desk = Desk::new().await;
    let path = "/skep.v1.ServiceService/CreateService";
    let answer = call(&desk.channel, path, Bytes::from_static(b"\xff\xff\xff")).await;
    let told = failed(answer, ErrorReason::InvalidField, &[]);
    assert_eq!(told.fields, ["(the whole request)"]);
}

#[tokio::test]
pub(super) async fn requests_may_be_compressed() {
    let desk = Desk::new().await;
    let mut client = desk.services().send_compressed(CompressionEncoding::Gzip);
    let request = v1::CreateServiceRequest {
        spec: Some(spec("web")),
        request_id: String::new(),
    };
    client
        .create_service(request)
        .await
        .expect("gzip is understood");
    let mut client = HealthClient::new(desk.channel.clone());
    client = client.send_compressed(CompressionEncoding::Gzip);
    client
        .check(HealthCheckRequest::default())
        .await
        .expect("gzip is understood");
}

#[tokio::test]
pub(super) async fn a_panic_is_a_fault_of_the_server() {
    let desk = Desk::new().await;
    *desk.daemon.broken.lock().unwrap() = true;
    let answer = desk.daemon().get_daemon(v1::GetDaemonRequest {}).await;
    let fault = told(&answer.expect_err("it is broken"));
    assert_eq!(fault.reason, "INTERNAL");
    assert!(
        fault.message.contains(&fault.metadata["trace"]),
        "{fault:?}"
    );
    desk.create(spec("web")).await;
}

/// The end of a task watch with this fault, after its first frame.
async fn end_of_stream(fault: &str, timeout: Option<Duration>) -> tonic::Status {
    let desk = Desk::new().await;
    let filter = v1::TaskFilter {
        tasks: vec![fault.to_owned()],
        ..v1::TaskFilter::default()
    };
    let mut request = Request::new(v1::WatchTasksRequest {
        filter: Some(filter),
        ..v1::WatchTasksRequest::default()
    });
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    let mut frames = desk
        .tasks()
        .watch_tasks(request)
        .await
        .expect("it begins")
        .into_inner();
    let first = frames
        .message()
        .await
        .expect("it is good")
        .expect("there is one");
    assert_eq!(first.revision, 1);
    frames.message().await.expect_err("the stream ends badly")
}

#[tokio::test]
pub(super) async fn a_stream_ends_with_a_whole_error() {
    for fault in ["panic", "bare"] {
        let told = told(&end_of_stream(fault, None).await);
        assert_eq!(told.reason, "INTERNAL", "{fault}");
        assert_eq!(told.metadata.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
pub(super) async fn a_stream_ends_when_its_caller_said() {
    let end = end_of_stream("silence", Some(Duration::from_secs(90))).await;
    failed::<()>(Err(end), ErrorReason::DeadlineExceeded, &[]);
}

#[tokio::test(start_paused = true)]
pub(super) async fn a_call_with_one_answer_takes_a_minute_at_most() {
    let desk = Desk::new().await;
    desk.cluster.set_stuck(true);
    let begun = tokio::time::Instant::now();
    let mut request = Request::new(v1::CreateServiceRequest {
        spec: Some(spec("web")),
        request_id: String::new(),
    });
    request.set_timeout(Duration::from_secs(3_600));
    let answer = desk.services().create_service(request).await;
    failed(answer, ErrorReason::DeadlineExceeded, &[]);
    let taken = begun.elapsed();
    assert!(
        taken >= Duration::from_secs(59) && taken < Duration::from_secs(61),
        "{taken:?}"
    );
}

#[tokio::test]
pub(super) async fn a_foreign_page_gets_nothing() {
    let desk = Desk::new().await;
    let mut request = Request::new(v1::GetSwarmRequest::default());
    let origin = "https://evil.example".parse().expect("plain text");
    request.metadata_mut().insert("origin", origin);
    let answer = desk.swarm().get_swarm(request).await;
    failed(answer, ErrorReason::RoleRequired, &[("role", "VIEWER")]);
}

#[tokio::test]
pub(super) async fn what_streams_refuse_comes_through() {
    let desk = Desk::new().await;
    let mut client = v1::watch_service_client::WatchServiceClient::new(desk.channel.clone());
    let many = client.watch(v1::WatchRequest::default()).await;
    failed(
        many.map(|_| ()),
        ErrorReason::LimitExceeded,
        &[("limit", "0")],
    );
    let ahead = v1::WatchRequest {
        after_revision: 2_000,
        ..v1::WatchRequest::default()
    };
    let ahead = client.watch(ahead).await.map(|_| ());
    failed(
        ahead,
        ErrorReason::RevisionUnknown,
        &[("head_revision", "1000")],
    );
    let mut client = v1::log_service_client::LogServiceClient::new(desk.channel.clone());
    let lines = client.stream_logs(v1::StreamLogsRequest::default()).await;
    assert_eq!(
        lines
            .expect("it begins")
            .into_inner()
            .message()
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
pub(super) async fn health_is_told() {
    let desk = Desk::new().await;
    let mut client = HealthClient::new(desk.channel.clone());
    for service in ["", "skep.v1.ServiceService", "skep.v1.LogService"] {
        let service = service.to_owned();
        let health = client
            .check(HealthCheckRequest { service })
            .await
            .expect("it is known");
        assert_eq!(health.into_inner().status(), ServingStatus::Serving);
    }
    let service = "nothing".to_owned();
    let unknown = client.check(HealthCheckRequest { service }).await;
    let metadata = [("kind", "health service"), ("name", "")];
    failed(unknown, ErrorReason::ObjectNotFound, &metadata);
}

#[tokio::test]
pub(super) async fn reflection_tells_of_services_and_of_error_details() {
    let desk = Desk::new().await;
    let mut client = ServerReflectionClient::new(desk.channel.clone());
    let ask = |message| {
        tokio_stream::once(ServerReflectionRequest {
            host: String::new(),
            message_request: Some(message),
        })
    };
    let list = MessageRequest::ListServices(String::new());
    let answer = client
        .server_reflection_info(ask(list))
        .await
        .expect("it answers");
    let answer = answer
        .into_inner()
        .message()
        .await
        .expect("it is good")
        .expect("there is one");
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("another answer than asked for: {answer:?}");
    };
    let names: Vec<_> = list
        .service
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    for name in ["skep.v1.WatchService", "grpc.health.v1.Health"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let details = MessageRequest::FileContainingSymbol("google.rpc.ErrorInfo".to_owned());
    let answer = client
        .server_reflection_info(ask(details))
        .await
        .expect("it answers");
    assert!(
        answer
            .into_inner()
            .message()
            .await
            .is_ok_and(|answer| answer.is_some())
    );
    let nothing = MessageRequest::FileContainingSymbol("skep.v1.Nothing".to_owned());
    let answer = client
        .server_reflection_info(ask(nothing))
        .await
        .expect("it answers");
    let unknown = answer.into_inner().next().await.expect("it says so");
    let metadata = [("kind", "symbol"), ("name", "skep.v1.Nothing")];
    failed(unknown, ErrorReason::ObjectNotFound, &metadata);
}

#[tokio::test]
pub(super) async fn reflection_speaks_its_older_version_too() {
    use tonic_reflection::pb::v1alpha::ServerReflectionRequest;
    use tonic_reflection::pb::v1alpha::server_reflection_request::MessageRequest;
    let desk = Desk::new().await;
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = AlphaClient::new(desk.channel.clone());
    let answer = client
        .server_reflection_info(tokio_stream::once(request))
        .await;
    let answer = answer.expect("it answers").into_inner().message().await;
    assert!(answer.is_ok_and(|answer| answer.is_some()));
}

#[tokio::test]
pub(super) async fn a_caller_on_the_socket_is_known_by_the_system() {
    let desk = Desk::of(World::with_nodes(1)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("skep.sock");
    let listener = UnixListener::bind(&socket).expect("a short path");
    let api = Api {
        membership: desk.membership.clone(),
        daemon: desk.daemon.clone(),
    };
    let server = Server::builder().layer(GuardLayer::new(Door::Socket));
    let serving = {
        let (mut server, routes) = (server, services(&api).await.routes);
        let incoming = UnixListenerStream::new(listener);
        tokio::spawn(async move {
            server
                .add_routes(routes)
                .serve_with_incoming(incoming)
                .await
        })
    };
    let path = Arc::new(socket);
    let connector = service_fn(move |_| {
        let path = path.clone();
        async move { Ok::<_, std::io::Error>(TokioIo::new(UnixStream::connect(&*path).await?)) }
    });
    let endpoint = Endpoint::from_static("http://manager.skep");
    let channel = endpoint
        .connect_with_connector(connector)
        .await
        .expect("it listens");
    let mut client = v1::service_service_client::ServiceServiceClient::new(channel);
    let request = v1::CreateServiceRequest {
        spec: Some(spec("web")),
        request_id: String::new(),
    };
    client
        .create_service(request)
        .await
        .expect("nothing is wrong");
    let change = desk.cluster.last_change().expect("there was one");
    let uid = std::fs::metadata(folder.path()).expect("it is there").uid();
    assert_eq!(*change.caller, *format!("uid:{uid}"));
    serving.abort();
}
