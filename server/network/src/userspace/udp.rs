// SPDX-License-Identifier: Apache-2.0
//! A published UDP port: each client talks to one backend, for as long as that answers.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{MsgFlags, recv};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::task::coop::consume_budget;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, warn};

use super::front::{Client, Front};
use super::route::Route;
use super::scratch::with_scratch;
use super::shared::{SHORTEST, Shared, count};
use super::socket;
use crate::balance::Target;
use crate::dial;
use crate::sessions::{LastUse, Sessions};

/// Datagrams taken in one go before other work gets its turn.
const BATCH_MAX: usize = 64;

/// The last datagram of a client is kept up to this size, to send it to another backend should
/// the first refuse it. Larger ones are lost then, as datagrams may be.
const KEPT_BYTES_MAX: usize = 2_048;

/// How many backends may refuse one datagram before it is dropped.
const REFUSALS_MAX: u8 = 3;

/// Refusals that may wait to be dealt with; further ones are noticed with the next datagram.
const REFUSED_QUEUE_MAX: usize = 256;

/// How often idle sessions are looked for.
const EXPIRY_PERIOD: Duration = Duration::from_secs(1);

/// A published UDP port.
pub(super) struct UdpPort {
    front: Arc<Front>,
    route: watch::Receiver<Arc<Route>>,
    shared: Arc<Shared>,
    sessions: Sessions<Client, Session>,
    refused: mpsc::Receiver<Refused>,
    refuse: mpsc::Sender<Refused>,
    serial: u64,
}

/// One client's talk with one backend.
struct Session {
    serial: u64,
    target: Arc<Target>,
    socket: Arc<UdpSocket>,
    /// The last datagram the client sent, if it is small.
    kept: Vec<u8>,
    /// How many backends have refused that one.
    refusals: u8,
    answers: AbortHandle,
    _room: OwnedSemaphorePermit,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.answers.abort();
    }
}

/// The backend of a session does not answer.
struct Refused {
    client: Client,
    serial: u64,
}

impl UdpPort {
    pub(super) fn new(
        front: Front,
        route: watch::Receiver<Arc<Route>>,
        shared: Arc<Shared>,
    ) -> UdpPort {
        let (refuse, refused) = mpsc::channel(REFUSED_QUEUE_MAX);
        let options = &shared.options;
        let sessions = Sessions::new(options.limits.udp_sessions_per_port_max, options.udp_idle);
        UdpPort {
            front: Arc::new(front),
            route,
            sessions,
            refused,
            refuse,
            serial: 0,
            shared,
        }
    }

    /// Passes datagrams on until it is aborted.
    pub(super) async fn run(mut self) {
        let mut expiry = interval(EXPIRY_PERIOD.min(self.shared.options.udp_idle.max(SHORTEST)));
        expiry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Readiness alone never lets others have their turn.
            consume_budget().await;
            tokio::select! {
                readable = self.front.readable() => match readable {
                    Ok(()) => self.take_batch(),
                    Err(_) => return,
                },
                Some(refused) = self.refused.recv() => self.refused(&refused),
                changed = self.route.changed() => match changed {
                    Ok(()) => self.rerouted(),
                    Err(_) => return,
                },
                _ = expiry.tick(), if self.sessions.len() > 0 => {
                    self.sessions.expire(self.shared.now());
                }
            }
        }
    }

    fn take_batch(&mut self) {
        let front = Arc::clone(&self.front);
        with_scratch(|scratch| {
            for _ in 0..BATCH_MAX {
                match front.try_receive(scratch) {
                    Ok((count, client)) => self.forward(client, &scratch[..count]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                    // Such an error is of an earlier answer to some client, and is now over.
                    Err(error) => debug!(%error, "cannot receive a datagram"),
                }
            }
        });
    }

    /// Passes one datagram of a client to its backend.
    fn forward(&mut self, client: Client, datagram: &[u8]) {
        let Some(session) = self.sessions.using(&client, self.shared.now()) else {
            self.begin(client, &[datagram], 0);
            return;
        };
        session.refusals = 0;
        match send(&session.socket, datagram) {
            Ok(()) => keep(&mut session.kept, datagram),
            Err(error) if is_for_backend(&error) => {
                // The error is of the datagram before this one, and this one was not sent.
                let before = self.forget(client);
                let both = before.iter().map(Vec::as_slice).chain([datagram]);
                self.begin(client, &both.collect::<Vec<_>>(), 1);
            }
            Err(_) => count(&self.shared.counters.datagrams_dropped),
        }
    }

    /// The backend of a session refuses: its client gets another one.
    fn refused(&mut self, refused: &Refused) {
        let Some(session) = self.sessions.peek(&refused.client) else {
            return;
        };
        if session.serial != refused.serial {
            return;
        }
        let refusals = session.refusals + 1;
        let kept = self.forget(refused.client);
        match kept {
            Some(kept) if refusals < REFUSALS_MAX => {
                self.begin(refused.client, &[&kept], refusals);
            }
            _ => count(&self.shared.counters.datagrams_dropped),
        }
    }

    /// Ends a session whose backend refuses, and returns the datagram it kept.
    fn forget(&mut self, client: Client) -> Option<Vec<u8>> {
        let mut session = self.sessions.remove(&client)?;
        session.target.shun(self.shared.now());
        debug!(task = %session.target.task, address = %session.target.address, "UDP backend refuses");
        let kept = std::mem::take(&mut session.kept);
        (!kept.is_empty()).then_some(kept)
    }

    /// Sessions whose backend is gone choose another one with their next datagram.
    fn rerouted(&mut self) {
        let route = Arc::clone(&self.route.borrow_and_update());
        self.sessions
            .retain(|session| route.targets.knows(&session.target));
    }

    /// Gives a client a backend, and sends it the datagrams.
    fn begin(&mut self, client: Client, datagrams: &[&[u8]], refusals: u8) {
        let route = Arc::clone(&self.route.borrow());
        let now = self.shared.now();
        for target in route
            .targets
            .order(&route.cursor, now)
            .take(usize::from(REFUSALS_MAX))
        {
            let connected = socket::connect_udp(target.address).and_then(|socket| {
                datagrams
                    .iter()
                    .try_for_each(|datagram| send(&socket, datagram))?;
                Ok(socket)
            });
            match connected {
                Ok(socket) => {
                    let kept = datagrams.last().copied().unwrap_or_default();
                    self.admit(client, Arc::clone(target), socket, kept, refusals);
                    return;
                }
                Err(error) if is_for_backend(&error) => target.shun(now),
                Err(error) => {
                    self.drop_for(&error);
                    return;
                }
            }
        }
        count(&self.shared.counters.datagrams_dropped);
    }

    fn drop_for(&self, error: &io::Error) {
        count(&self.shared.counters.datagrams_dropped);
        if self.shared.may_report() {
            warn!(%error, "cannot pass datagrams on");
        }
    }

    fn admit(
        &mut self,
        client: Client,
        target: Arc<Target>,
        socket: UdpSocket,
        datagram: &[u8],
        refusals: u8,
    ) {
        let Some(room) = self.take_room() else {
            count(&self.shared.counters.datagrams_dropped);
            return;
        };
        count(&self.shared.counters.sessions);
        self.serial += 1;
        let last_use = LastUse::new(self.shared.now());
        let answers = Answers {
            front: Arc::clone(&self.front),
            socket: Arc::new(socket),
            client,
            serial: self.serial,
            last_use: Arc::clone(&last_use),
            refuse: self.refuse.clone(),
            shared: Arc::clone(&self.shared),
        };
        let mut kept = Vec::new();
        keep(&mut kept, datagram);
        let session = Session {
            serial: self.serial,
            target,
            socket: Arc::clone(&answers.socket),
            kept,
            refusals,
            answers: tokio::spawn(answers.run()).abort_handle(),
            _room: room,
        };
        self.sessions.insert(client, session, last_use);
    }

    /// Room for one more session: free, or that of this port's session idle for longest.
    fn take_room(&mut self) -> Option<OwnedSemaphorePermit> {
        loop {
            let room = Arc::clone(&self.shared.udp_room);
            if let Ok(room) = room.try_acquire_owned() {
                return Some(room);
            }
            self.sessions.remove_idlest()?;
        }
    }
}

/// Passes the answers of one backend on to one client.
struct Answers {
    front: Arc<Front>,
    socket: Arc<UdpSocket>,
    client: Client,
    serial: u64,
    last_use: Arc<LastUse>,
    refuse: mpsc::Sender<Refused>,
    shared: Arc<Shared>,
}

impl Answers {
    async fn run(self) {
        // A refusal is an error of the socket, and does not make it readable.
        let either = Interest::READABLE.add(Interest::ERROR);
        while let Ok(ready) = self.socket.ready(either).await {
            // One of the two at a time: asked for both at once, `try_io` finds nothing ready.
            let seen = if ready.is_readable() {
                Interest::READABLE
            } else {
                Interest::ERROR
            };
            match self.pass_one(seen) {
                Ok(None) => {}
                Ok(Some(late)) => {
                    if self.front.send(&late, self.client).await.is_err() {
                        count(&self.shared.counters.datagrams_dropped);
                    }
                }
                Err(_) => {
                    let refused = Refused {
                        client: self.client,
                        serial: self.serial,
                    };
                    // If the queue is full, the error comes again with the next datagram.
                    let _ = self.refuse.try_send(refused);
                }
            }
            consume_budget().await;
        }
    }

    /// Passes an answer on; returns it if there is no room to send it now.
    ///
    /// # Errors
    /// If the backend refuses.
    fn pass_one(&self, seen: Interest) -> io::Result<Option<Vec<u8>>> {
        with_scratch(|scratch| {
            let receive = || Ok(recv(self.socket.as_raw_fd(), scratch, MsgFlags::empty())?);
            let answer = match self.socket.try_io(seen, receive) {
                Ok(count) => &scratch[..count],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            };
            self.last_use.note(self.shared.now());
            match self.front.send_now(answer, self.client) {
                Ok(()) => Ok(None),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    Ok(Some(answer.to_vec()))
                }
                Err(_) => {
                    count(&self.shared.counters.datagrams_dropped);
                    Ok(None)
                }
            }
        })
    }
}

/// Sends without asking the runtime whether the socket is ready: it would not know yet of one
/// that is new, and a datagram need not wait.
fn send(socket: &UdpSocket, datagram: &[u8]) -> io::Result<()> {
    SockRef::from(socket).send(datagram).map(drop)
}

/// Whether an error means that the backend is not there, so that another one may be.
fn is_for_backend(error: &io::Error) -> bool {
    error.kind() != io::ErrorKind::WouldBlock
        && error.raw_os_error() != Some(nix::libc::EMSGSIZE)
        && dial::blames_backend(error)
}

fn keep(kept: &mut Vec<u8>, datagram: &[u8]) {
    kept.clear();
    if datagram.len() <= KEPT_BYTES_MAX {
        kept.extend_from_slice(datagram);
    }
}
