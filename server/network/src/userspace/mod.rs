// SPDX-License-Identifier: Apache-2.0
//! The data plane that works everywhere: a proxy made of plain sockets.
//!
//! One task of the runtime, [`control`], owns the table and the listeners. Each published port
//! has a listener ([`tcp`], [`udp`]) with a [`route`]: the backends in effect, which control
//! replaces and the listener reads. A TCP connection is one more task that connects to a
//! backend and then relays bytes; it belongs to its service, which can end it.
//!
//! ```text
//!  put, commit ──► inbox ──► control ──► listeners ──► connections, UDP sessions
//!                              │             ▲
//!                              └── routes ───┘
//! ```

mod connections;
mod control;
mod front;
mod limits;
mod pipe;
mod relay;
mod route;
mod scratch;
mod shared;
mod socket;
mod tcp;
mod udp;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use skep_core::model::{Revision, ServiceEndpoints, ServiceId};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::changes::Changes;
use crate::plane::{DataPlane, PlaneStatus};

pub use limits::Limits;
pub use shared::PlaneStats;
pub use socket::every_address;

/// How a [`UserspacePlane`] works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Address that published ports are opened on; unspecified: on all of the machine's
    /// addresses (see [`every_address`]).
    pub bind: IpAddr,
    /// How much it carries at once.
    pub limits: Limits,
    /// How often a port that could not be opened is tried again.
    pub bind_retry: Duration,
    /// How long a UDP client keeps its backend without a datagram in either direction.
    pub udp_idle: Duration,
}

impl Options {
    /// The usual settings for ports opened on `bind`: what this process's limit of open files
    /// allows, a second between tries to open a port, a minute for idle UDP clients.
    #[must_use]
    pub fn new(bind: IpAddr) -> Options {
        Options {
            bind,
            limits: Limits::of_this_process(),
            bind_retry: Duration::from_secs(1),
            udp_idle: Duration::from_secs(60),
        }
    }
}

/// A proxy that listens on every published port and connects clients to backends.
///
/// - New connections take turns among the serving backends of all nodes. One that cannot be
///   reached is passed over for the next, before any byte is sent.
/// - Each direction of a connection ends by itself, and a reset is passed on as a reset.
/// - What is established goes on when the table changes, also when its backend is drained or
///   gone from the table; it ends with its service.
/// - A UDP client keeps its backend until that refuses it, is gone, or nothing was said for
///   some time.
///
/// It ends, with all it carries, when it is dropped; [`shutdown`](Self::shutdown) is kinder.
#[derive(Debug)]
pub struct UserspacePlane {
    inbox: Arc<Inbox>,
    status: watch::Receiver<PlaneStatus>,
    shared: Arc<shared::Shared>,
    stop: watch::Sender<Option<Duration>>,
    control: Mutex<Option<JoinHandle<()>>>,
}

impl UserspacePlane {
    /// Starts it with an empty table.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(options: Options) -> UserspacePlane {
        let inbox = Arc::new(Inbox::default());
        let shared = Arc::new(shared::Shared::new(options));
        let (status_sender, status) = watch::channel(PlaneStatus::default());
        let stop = watch::Sender::new(None);
        let control = control::Control::new(Arc::clone(&inbox), Arc::clone(&shared), status_sender);
        let control = tokio::spawn(control.run(stop.subscribe()));
        UserspacePlane {
            inbox,
            status,
            shared,
            stop,
            control: Mutex::new(Some(control)),
        }
    }

    /// Closes all ports at once, lets connections go on for up to `grace`, then ends them.
    /// Returns when nothing is left. Later calls return at once.
    pub async fn shutdown(&self, grace: Duration) {
        let control = lock(&self.control).take();
        self.stop
            .send_if_modified(|stop| stop.replace(grace).is_none());
        if let Some(control) = control {
            // It only fails if it panicked, and then nothing is left of it either.
            let _ = control.await;
        }
    }

    /// What it has carried so far.
    #[must_use]
    pub fn stats(&self) -> PlaneStats {
        self.shared.stats()
    }
}

impl DataPlane for UserspacePlane {
    fn clear(&self) {
        lock(&self.inbox.waiting).staged.clear();
    }

    fn put(&self, endpoints: Arc<ServiceEndpoints>) {
        lock(&self.inbox.waiting).staged.put(endpoints);
    }

    fn remove(&self, service: ServiceId) {
        lock(&self.inbox.waiting).staged.remove(service);
    }

    fn commit(&self, revision: Revision) {
        self.inbox.commit(revision);
    }

    fn status(&self) -> watch::Receiver<PlaneStatus> {
        self.status.clone()
    }
}

/// Changes on their way to [`control`].
#[derive(Default, Debug)]
struct Inbox {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default, Debug)]
struct Waiting {
    staged: Changes,
    committed: Option<(Changes, Revision)>,
}

impl Inbox {
    fn commit(&self, revision: Revision) {
        let mut waiting = lock(&self.waiting);
        let staged = std::mem::take(&mut waiting.staged);
        match &mut waiting.committed {
            Some((changes, number)) => {
                changes.then(staged);
                *number = revision;
            }
            None => waiting.committed = Some((staged, revision)),
        }
        self.arrived.notify_one();
    }

    /// Waits for a commit, and takes all that was committed.
    async fn next(&self) -> (Changes, Revision) {
        loop {
            if let Some(committed) = lock(&self.waiting).committed.take() {
                return committed;
            }
            self.arrived.notified().await;
        }
    }
}

/// Locks, also after a panic elsewhere: what is locked here is whole between any two lines.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn commits_that_are_not_taken_become_one() {
        let inbox = Inbox::default();
        lock(&inbox.waiting).staged.remove(ServiceId(1));
        inbox.commit(Revision(1));
        lock(&inbox.waiting).staged.remove(ServiceId(2));
        inbox.commit(Revision(2));
        lock(&inbox.waiting).staged.remove(ServiceId(3));

        let (changes, revision) = inbox.next().await;
        assert_eq!(revision, Revision(2));
        assert!(changes.services.keys().eq(&[ServiceId(1), ServiceId(2)]));
        assert!(
            lock(&inbox.waiting).committed.is_none(),
            "the third is not committed yet"
        );
    }
}
