// SPDX-License-Identifier: Apache-2.0
//! Serving the API on the daemon's sockets.

use std::time::Duration;

use anyhow::{Context, Result};
use skep_gateway::GatewayLayer;
use skep_manager::layer::{Door, GuardLayer};
use tokio::net::{TcpListener, UnixListener};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tower::layer::util::{Identity, Stack};

use crate::gather::Gathering;

/// A connection on which nothing was heard for this long is asked whether it is still there.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// And is given up without an answer for this long.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// What stands before the services: outermost what makes gRPC of everything.
type Layers = Stack<GuardLayer, Stack<GatewayLayer, Identity>>;

fn server(door: Door) -> Server<Layers> {
    Server::builder()
        .accept_http1(true)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .layer(GatewayLayer)
        .layer(GuardLayer::new(door))
}

/// Serves on the Unix socket until `stop`, and then lets calls that are on their way end.
///
/// # Errors
/// If serving fails.
pub(crate) async fn socket(
    listener: UnixListener,
    routes: Routes,
    stop: CancellationToken,
) -> Result<()> {
    let incoming = UnixListenerStream::new(listener).map(|io| io.map(Gathering::new));
    server(Door::Socket)
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
        .await
        .context("cannot serve on the socket")
}

/// Serves on the dev address until `stop`, and then lets calls that are on their way end.
///
/// # Errors
/// If serving fails.
pub(crate) async fn dev(
    listener: TcpListener,
    routes: Routes,
    stop: CancellationToken,
) -> Result<()> {
    let incoming = TcpIncoming::from(listener)
        .with_nodelay(Some(true))
        // HTTP/1 has no pings.
        .with_keepalive(Some(KEEPALIVE_INTERVAL))
        .map(|io| io.map(Gathering::new));
    server(Door::Dev)
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
        .await
        .context("cannot serve on the dev address")
}
