// SPDX-License-Identifier: Apache-2.0
//! Asks a task over the network whether it works.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use skep_core::model::Probe;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// Most of an answer that is read, to be repeated when it says that something is wrong.
const ANSWER_BYTES_MAX: usize = 4_096;

/// For how long a new connection must not be closed; half the time for an answer if that is less.
const CLOSED_AT_ONCE: Duration = Duration::from_millis(200);

/// Asks once. Nothing: all is well.
///
/// # Errors
/// What was answered, or that nothing was in time.
pub(super) async fn ask(probe: &Probe, at: SocketAddr, patience: Duration) -> Result<(), Arc<str>> {
    let answer = async {
        match probe {
            Probe::Http { path, .. } => http(at, path).await,
            Probe::Tcp { .. } => stays(tcp(at).await?, at, patience / 2).await,
            Probe::Grpc { service, .. } => grpc(at, service).await,
            Probe::Exec { .. } | Probe::Disabled => Ok(()),
        }
    };
    match timeout(patience, answer).await {
        Ok(answer) => answer.map_err(Arc::from),
        Err(_) => Err(format!("no answer within {patience:?}").into()),
    }
}

async fn tcp(at: SocketAddr) -> Result<TcpStream, String> {
    let refused = |error| format!("cannot connect to {at}: {error}");
    TcpStream::connect(at).await.map_err(refused)
}

/// Whether a connection is not closed again at once: the proxy that engines put before a
/// container takes every connection, and closes it if nobody listens behind it.
async fn stays(stream: TcpStream, at: SocketAddr, most: Duration) -> Result<(), String> {
    let mut first = [0];
    match timeout(CLOSED_AT_ONCE.min(most), stream.peek(&mut first)).await {
        Ok(Ok(0) | Err(_)) => Err(format!("the connection to {at} is closed at once")),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

async fn http(at: SocketAddr, path: &str) -> Result<(), String> {
    let failed = |error: hyper::Error| format!("no answer over HTTP: {error}");
    let stream = TokioIo::new(tcp(at).await?);
    let (mut sender, connection) = http1::handshake(stream).await.map_err(failed)?;
    let path = if path.is_empty() { "/" } else { path };
    let request = Request::get(path)
        .header("host", at.to_string())
        .header("user-agent", concat!("skep/", env!("CARGO_PKG_VERSION")))
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("no such path can be asked for: {error}"))?;
    let exchange = async move {
        let answer = sender.send_request(request).await.map_err(failed)?;
        let status = answer.status();
        if status.is_success() || status.is_redirection() {
            return Ok(());
        }
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect();
        let body = body.await.map(|body| body.to_bytes()).unwrap_or_default();
        let text = String::from_utf8_lossy(&body);
        Err(format!("HTTP {status}: {}", text.trim()))
    };
    tokio::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // The connection only drives the exchange, which knows how it ended.
        _ = connection => exchange.await,
    }
}

async fn grpc(at: SocketAddr, service: &str) -> Result<(), String> {
    let endpoint = Endpoint::from_shared(format!("http://{at}"))
        .map_err(|error| format!("{at} cannot be asked: {error}"))?;
    let channel = endpoint
        .connect()
        .await
        .map_err(|_| format!("no gRPC server answers at {at}"))?;
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = HealthClient::new(channel).check(request).await;
    match answer.map(|answer| answer.into_inner().status()) {
        Ok(ServingStatus::Serving) => Ok(()),
        Ok(status) => Err(format!("it says {}", status.as_str_name())),
        Err(status) => Err(format!("{}: {}", status.code(), status.message())),
    }
}
