// SPDX-License-Identifier: Apache-2.0
//! Real answers of real servers.

use std::time::Duration;

use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic_health::ServingStatus;

use super::*;

/// Longer than any answer here takes.
const PATIENCE: Duration = Duration::from_secs(20);

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("its address");
    (listener, at)
}

/// A server that answers one request so, and then closes; gives what it was asked.
async fn answering(answer: &'static str) -> (SocketAddr, JoinHandle<String>) {
    let (listener, at) = listener().await;
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("somebody asks");
        let mut asked = vec![0; 4_096];
        let length = stream.read(&mut asked).await.expect("a request");
        stream.write_all(answer.as_bytes()).await.expect("answered");
        String::from_utf8_lossy(&asked[..length]).into_owned()
    });
    (at, asked)
}

fn http(path: &str) -> Probe {
    Probe::Http {
        port: 80,
        path: path.to_owned(),
    }
}

async fn said(probe: Probe, at: SocketAddr) -> String {
    match ask::ask(&probe, at, PATIENCE).await {
        Ok(()) => "well".to_owned(),
        Err(said) => said.to_string(),
    }
}

#[tokio::test]
async fn http_answers_of_2xx_and_3xx_are_healthy_and_others_are_repeated() {
    let (at, asked) = answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(said(http("/healthz?deep=1"), at).await, "well");
    let asked = asked.await.expect("it was asked");
    assert!(
        asked.starts_with("GET /healthz?deep=1 HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(asked.contains(&format!("host: {at}\r\n")), "{asked}");

    let (at, _asked) = answering("HTTP/1.1 302 Found\r\nlocation: /x\r\n\r\n").await;
    assert_eq!(said(http(""), at).await, "well");

    let (at, _asked) =
        answering("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 5\r\n\r\nbusy\n").await;
    assert_eq!(
        said(http("/"), at).await,
        "HTTP 503 Service Unavailable: busy"
    );

    let (at, _asked) = answering("nonsense\r\n\r\n").await;
    assert!(
        said(http("/"), at)
            .await
            .starts_with("no answer over HTTP: ")
    );
}

#[tokio::test]
async fn a_connection_is_enough_for_tcp_and_none_is_said_so() {
    let (listener, at) = listener().await;
    let tcp = || Probe::Tcp { port: 80 };
    assert_eq!(said(tcp(), at).await, "well");
    drop(listener);
    assert!(
        said(tcp(), at)
            .await
            .starts_with(&format!("cannot connect to {at}: "))
    );
}

#[tokio::test]
async fn a_connection_that_is_closed_at_once_is_none_unless_it_says_something() {
    let (listener, at) = listener().await;
    let server = tokio::spawn(async move {
        // As the proxy before a container does if nobody listens behind it.
        drop(listener.accept().await);
        let (mut greeter, _) = listener.accept().await.expect("somebody asks");
        greeter.write_all(b"hello").await.expect("said");
    });
    let tcp = || Probe::Tcp { port: 80 };
    let want = format!("the connection to {at} is closed at once");
    assert_eq!(said(tcp(), at).await, want);
    assert_eq!(said(tcp(), at).await, "well");
    server.await.expect("both were served");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_in_time_has_failed() {
    let (listener, at) = listener().await;
    let silent = tokio::spawn(async move { listener.accept().await });
    let answer = ask::ask(&http("/"), at, Duration::from_secs(2)).await;
    assert_eq!(answer.expect_err("silence").as_ref(), "no answer within 2s");
    silent.abort();
}

#[tokio::test]
async fn grpc_servers_say_whether_they_serve() {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter
        .set_service_status("web", ServingStatus::NotServing)
        .await;
    let (listener, at) = listener().await;
    let server = tonic::transport::Server::builder()
        .add_service(health)
        .serve_with_incoming(TcpListenerStream::new(listener).map(|stream| stream));
    let server = tokio::spawn(server);
    let grpc = |service: &str| Probe::Grpc {
        port: 80,
        service: service.to_owned(),
    };
    assert_eq!(said(grpc(""), at).await, "well");
    assert_eq!(said(grpc("web"), at).await, "it says NOT_SERVING");
    let unknown = said(grpc("other"), at).await;
    assert!(unknown.contains("not registered"), "{unknown}");
    server.abort();
}
