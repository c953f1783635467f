// SPDX-License-Identifier: Apache-2.0
//! Connections that can be cut, or fall silent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
use skep_agent::{Connection, Connector};
use skep_core::model::NodeId;
use skep_manager::dispatch::connection::Gate;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// The cable of one node.
#[derive(Clone)]
pub(crate) struct Wire {
    gate: Gate,
    node: NodeId,
    switch: Arc<Switch>,
}

#[derive(Default)]
struct Switch {
    /// Nothing goes through, and nobody is told.
    silent: AtomicBool,
    connections: AtomicUsize,
}

impl Wire {
    pub(crate) fn new(gate: Gate, node: NodeId) -> Wire {
        Wire {
            gate,
            node,
            switch: Arc::default(),
        }
    }

    /// Lets nothing through, or lets everything through that begins from now on.
    pub(crate) fn set_silent(&self, silent: bool) {
        self.switch.silent.store(silent, Ordering::SeqCst);
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.switch.connections.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Connector for Wire {
    async fn connect(&self) -> io::Result<Box<dyn Connection>> {
        if self.switch.silent.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        self.switch.connections.fetch_add(1, Ordering::SeqCst);
        let stream = self.gate.connect(self.node).await?;
        let switch = self.switch.clone();
        Ok(Box::new(Strand { stream, switch }))
    }
}

/// One connection. Once silent, it stays so: whoever waits on it is not woken again.
struct Strand {
    stream: DuplexStream,
    switch: Arc<Switch>,
}

impl Strand {
    fn is_silent(&self) -> bool {
        self.switch.silent.load(Ordering::SeqCst)
    }
}

impl AsyncRead for Strand {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_silent() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Strand {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_silent() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
