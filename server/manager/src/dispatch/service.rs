// SPDX-License-Identifier: Apache-2.0
//! `skep.internal.v1.DispatcherService`, served on connections of agents alone.

use std::pin::Pin;

use futures::{Stream, StreamExt};
use skep_core::model::NodeId;
use skep_proto::internal::v1::dispatcher_service_server::{
    DispatcherService, DispatcherServiceServer,
};
use skep_proto::internal::v1::{
    PublishLogsRequest, PublishLogsResponse, SessionRequest, SessionResponse,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use super::connection::{Caller, Incoming};
use super::{Dispatch, Published, session};

/// Frames that wait for a slow agent.
const OUTBOX_FRAMES: usize = 64;
/// The largest message taken from an agent: a report of a thousand tasks with long messages.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Calls of one agent at a time: its session, and a call for each reader of its logs.
const CALLS_MAX: u32 = 1_000;
/// Bytes that one call may be ahead of who reads it.
const CALL_BYTES_MAX: u32 = 64 << 10;
/// Bytes that all calls of a connection may be ahead: enough for all of them, so that readers
/// who stop reading never hold up the session.
const CONNECTION_BYTES_MAX: u32 = CALLS_MAX * CALL_BYTES_MAX;

/// Serves these connections until `stop`.
pub(super) async fn serve(dispatch: Dispatch, incoming: Incoming, stop: CancellationToken) {
    let incoming = ReceiverStream::new(incoming).map(Ok::<_, std::io::Error>);
    let service = DispatcherServiceServer::new(Service {
        dispatch,
        stop: stop.clone(),
    })
    .max_decoding_message_size(MESSAGE_BYTES_MAX)
    .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let served = Server::builder()
        .max_concurrent_streams(CALLS_MAX)
        .initial_stream_window_size(CALL_BYTES_MAX)
        .initial_connection_window_size(CONNECTION_BYTES_MAX)
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "agents are not served any more");
    }
}

struct Service {
    dispatch: Dispatch,
    stop: CancellationToken,
}

fn caller<T>(request: &Request<T>) -> Result<NodeId, Status> {
    let caller = request.extensions().get::<Caller>();
    caller
        .map(|caller| caller.node)
        .ok_or_else(|| Status::unauthenticated("the connection does not say whose it is"))
}

#[tonic::async_trait]
impl DispatcherService for Service {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<SessionResponse, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<SessionRequest>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let node = caller(&request)?;
        let (outbox, frames) = mpsc::channel(OUTBOX_FRAMES);
        let session = session::run(
            self.dispatch.clone(),
            node,
            request.into_inner(),
            outbox,
            self.stop.clone(),
        );
        tokio::spawn(session);
        Ok(Response::new(Box::pin(ReceiverStream::new(frames))))
    }

    async fn publish_logs(
        &self,
        request: Request<Streaming<PublishLogsRequest>>,
    ) -> Result<Response<PublishLogsResponse>, Status> {
        let node = caller(&request)?;
        let mut lines = request.into_inner();
        let mut sink = None;
        while let Some(message) = lines.message().await? {
            if sink.is_none() {
                sink = self.dispatch.inner.hub.take_log_sink(&message.subscription);
            }
            let Some(sink) = &sink else {
                tracing::debug!(%node, "a node sends logs that nobody asked for");
                return Ok(Response::new(PublishLogsResponse {}));
            };
            if let Some(logs) = message.logs
                && sink.send(Published::Lines(logs)).await.is_err()
            {
                return Ok(Response::new(PublishLogsResponse {}));
            }
        }
        if let Some(sink) = sink {
            // A reader who is gone needs no end.
            let _ = sink.send(Published::End).await;
        }
        Ok(Response::new(PublishLogsResponse {}))
    }
}
