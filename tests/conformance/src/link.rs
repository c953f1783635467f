// SPDX-License-Identifier: Apache-2.0
//! The link between a driver and the daemon: it stays at one address, and can be cut, or lose
//! answers.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::frames::Frames;
use crate::scenario::Link as State;

/// What holds for the whole link.
#[derive(Debug, Clone, Copy)]
struct Now {
    state: State,
    daemon: SocketAddr,
    /// Connections of earlier generations end.
    generation: u64,
}

/// A link that connections are taken on.
pub(crate) struct Link {
    pub(crate) address: SocketAddr,
    now: Arc<watch::Sender<Now>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Link {
    /// A link to the daemon at an address.
    pub(crate) async fn to(daemon: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let now = Now {
            state: State::Whole,
            daemon,
            generation: 0,
        };
        let now = Arc::new(watch::channel(now).0);
        let state = Arc::clone(&now);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, Arc::clone(&state)));
            }
        });
        Ok(Self {
            address,
            now,
            accepting,
        })
    }

    /// The daemon is at another address from now on.
    pub(crate) fn lead_to(&self, daemon: SocketAddr) {
        self.now.send_modify(|now| now.daemon = daemon);
    }

    /// Puts it into a state.
    pub(crate) fn set(&self, state: State) {
        self.now.send_modify(|now| {
            let ends = matches!(state, State::Cut | State::Broken);
            now.generation += u64::from(ends);
            now.state = if state == State::Broken {
                State::Whole
            } else {
                state
            };
        });
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One connection, until either side or the link ends it.
async fn serve(client: TcpStream, shared: Arc<watch::Sender<Now>>) {
    let mut changes = shared.subscribe();
    let now = *changes.borrow_and_update();
    if now.state == State::Cut {
        return;
    }
    let Ok(daemon) = TcpStream::connect(now.daemon).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_daemon, to_daemon) = daemon.into_split();
    let ended = async {
        let _ = changes
            .wait_for(|later| later.generation != now.generation)
            .await;
    };
    tokio::select! {
        () = ended => {}
        () = forth(from_client, to_daemon, &shared) => {}
        () = back(from_daemon, to_client, &shared) => {}
    }
}

/// From the client to the daemon. While the link is silent, a daemon that is gone is not told of.
async fn forth(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &watch::Sender<Now>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match from.read(&mut buffer).await {
            Ok(count) if count > 0 => {
                let written = to.write_all(&buffer[..count]).await;
                if written.is_err() && shared.borrow().state != State::Silent {
                    break;
                }
            }
            _ => break,
        }
    }
    let _ = to.shutdown().await;
}

/// From the daemon to the client.
async fn back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &watch::Sender<Now>) {
    let mut buffer = vec![0; 64 << 10];
    let mut frames = Frames::default();
    loop {
        let count = from.read(&mut buffer).await.unwrap_or(0);
        let state = shared.borrow().state;
        if count == 0 {
            if state == State::Silent {
                // The client learns of it when the link ends.
                std::future::pending::<()>().await;
            }
            break;
        }
        let answers = frames.answers(&buffer[..count]);
        if state == State::LosesAnswer && answers {
            shared.send_modify(|now| {
                now.state = State::Whole;
                now.generation += 1;
            });
            std::future::pending::<()>().await;
        }
        if state != State::Silent && to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
