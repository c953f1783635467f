// SPDX-License-Identifier: Apache-2.0
//! Connections in memory that carry the identity of their node.
//!
//! An agent in the same process speaks the very protocol that one on another machine will, over
//! one of these. What a certificate will say, the connection says: who calls.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use skep_core::model::NodeId;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;
use tonic::transport::server::Connected;

/// Bytes that one end may be ahead of the other.
const BUFFER_BYTES: usize = 64 << 10;
/// Connections that wait to be served.
const WAITING_MAX: usize = 1_024;

/// Where agents connect.
#[derive(Clone, Debug)]
pub struct Gate {
    waiting: mpsc::Sender<NodeConnection>,
}

/// Connections as they come in.
pub(super) type Incoming = mpsc::Receiver<NodeConnection>;

pub(super) fn gate() -> (Gate, Incoming) {
    let (waiting, incoming) = mpsc::channel(WAITING_MAX);
    (Gate { waiting }, incoming)
}

impl Gate {
    /// Connects as this node.
    ///
    /// # Errors
    /// If the manager has stopped.
    pub async fn connect(&self, node: NodeId) -> io::Result<DuplexStream> {
        let (own, other) = tokio::io::duplex(BUFFER_BYTES);
        let connection = NodeConnection {
            node,
            stream: other,
        };
        let stopped = |_| io::Error::new(io::ErrorKind::ConnectionRefused, "the manager stopped");
        self.waiting.send(connection).await.map_err(stopped)?;
        Ok(own)
    }
}

/// The manager's end of a connection.
#[derive(Debug)]
pub(super) struct NodeConnection {
    node: NodeId,
    stream: DuplexStream,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) node: NodeId,
}

impl Connected for NodeConnection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        Caller { node: self.node }
    }
}

impl AsyncRead for NodeConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for NodeConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
