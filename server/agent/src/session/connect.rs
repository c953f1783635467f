// SPDX-License-Identifier: Apache-2.0
//! The way to a manager.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use hyper_util::rt::TokioIo;
use skep_core::session::AgentMessage;
use skep_proto::internal::v1::dispatcher_service_client::DispatcherServiceClient;
use skep_proto::internal::v1::{SessionRequest, SessionResponse};
use skep_wire::session::agent_message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Status, Streaming};

/// A connection to a manager, in order and without loss, both ways.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Connection for T {}

/// Makes connections to managers. Which node calls is known to the manager from the connection,
/// so each connector is for one node.
#[async_trait]
pub trait Connector: Send + Sync + 'static {
    /// Connects to a manager, any that can be reached.
    ///
    /// # Errors
    /// If none can be reached now.
    async fn connect(&self) -> io::Result<Box<dyn Connection>>;
}

/// Messages to the manager that are not on their way yet. What is on its way without an answer
/// is bounded, so more than this means that the connection stands still.
const OUTBOX_MESSAGES: usize = 64;

/// The largest message taken from a manager. Assignments are cut to much less; only one thing
/// that is larger by itself travels in a message of its own.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A client of a manager's services for agents.
pub(super) type Client = DispatcherServiceClient<Channel>;

/// A connection with a session on it.
pub(super) struct Link {
    outbox: mpsc::Sender<SessionRequest>,
    inbox: Streaming<SessionResponse>,
    client: Client,
}

impl Link {
    /// Connects and calls for a session.
    pub(super) async fn open(connector: Arc<dyn Connector>) -> Result<Link, Status> {
        let dial = tower::service_fn(move |_: Uri| {
            let connector = connector.clone();
            async move { connector.connect().await.map(TokioIo::new) }
        });
        let channel = Endpoint::from_static("http://manager.skep")
            .connect_with_connector(dial)
            .await
            .map_err(|error| Status::from_error(error.into()))?;
        let mut client = Client::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let (outbox, messages) = mpsc::channel(OUTBOX_MESSAGES);
        let session = client.session(ReceiverStream::new(messages)).await?;
        Ok(Link {
            outbox,
            inbox: session.into_inner(),
            client,
        })
    }

    /// Sends a message. Says whether the connection still takes some.
    pub(super) fn send(&self, message: &AgentMessage) -> bool {
        self.outbox.try_send(agent_message(message)).is_ok()
    }

    /// The next message of the manager; nothing: it ended the session.
    pub(super) async fn receive(&mut self) -> Result<Option<SessionResponse>, Status> {
        self.inbox.message().await
    }

    /// For further calls on the same connection.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }
}
