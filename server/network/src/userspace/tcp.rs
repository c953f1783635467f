// SPDX-License-Identifier: Apache-2.0
//! A published TCP port: accepts clients and connects each to a backend.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};

use super::relay::{relay, reset_on_close};
use super::route::Route;
use super::shared::{Shared, count};
use super::socket;
use crate::balance::Target;
use crate::dial;

/// Pause after a failure to accept that will come again, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A published TCP port.
pub(super) struct TcpPort {
    listener: TcpListener,
    route: watch::Receiver<Arc<Route>>,
    shared: Arc<Shared>,
    /// Room for connections to this port.
    room: Arc<Semaphore>,
}

impl TcpPort {
    pub(super) fn new(
        listener: TcpListener,
        route: watch::Receiver<Arc<Route>>,
        shared: Arc<Shared>,
    ) -> TcpPort {
        let room = Arc::new(Semaphore::new(
            shared.options.limits.tcp_connections_per_port_max,
        ));
        TcpPort {
            listener,
            route,
            shared,
            room,
        }
    }

    /// Accepts clients until it is aborted.
    pub(super) async fn run(self) {
        loop {
            let client = match self.listener.accept().await {
                Ok((client, _)) => client,
                Err(error) => {
                    self.recover(&error).await;
                    continue;
                }
            };
            // Only now, so that ports which nobody uses take no room.
            let room = self.take_room().await;
            let connections = Arc::clone(&self.route.borrow().connections);
            let (route, shared) = (self.route.clone(), Arc::clone(&self.shared));
            connections.spawn(carry(client, route, shared, room));
        }
    }

    async fn recover(&self, error: &io::Error) {
        // A listener whose runtime ends fails at once, again and again: without this it would
        // keep its thread for ever.
        yield_now().await;
        if dial::is_of_one_client(error) {
            return;
        }
        if self.shared.may_report() {
            warn!(listener = ?self.listener.local_addr(), %error, "cannot accept connections");
        }
        sleep(ACCEPT_PAUSE).await;
    }

    /// Waits for room. Meanwhile further clients wait in the kernel.
    async fn take_room(&self) -> Room {
        if (self.room.available_permits() == 0 || self.shared.tcp_room.available_permits() == 0)
            && self.shared.may_report()
        {
            warn!(
                listener = ?self.listener.local_addr(),
                per_port_max = self.shared.options.limits.tcp_connections_per_port_max,
                max = self.shared.options.limits.tcp_connections_max,
                "as many connections as allowed: new ones wait"
            );
        }
        let never_closed = "the room for connections is never closed";
        let port = Arc::clone(&self.room)
            .acquire_owned()
            .await
            .expect(never_closed);
        let all = Arc::clone(&self.shared.tcp_room)
            .acquire_owned()
            .await
            .expect(never_closed);
        (port, all)
    }
}

/// What a connection holds of the limits.
type Room = (OwnedSemaphorePermit, OwnedSemaphorePermit);

async fn carry(
    client: TcpStream,
    mut route: watch::Receiver<Arc<Route>>,
    shared: Arc<Shared>,
    _room: Room,
) {
    match reach(&mut route, &shared).await {
        Ok(backend) => {
            drop(route);
            count(&shared.counters.connections);
            relay(client, backend, &shared.pipes).await;
        }
        Err(Unreachable) => {
            count(&shared.counters.connections_failed);
            reset_on_close(&client);
        }
    }
}

/// No backend could be reached in time.
struct Unreachable;

/// Connects to the backend whose turn it is, or to the first after it that answers. If none
/// does, it goes round again for a little while.
async fn reach(
    route: &mut watch::Receiver<Arc<Route>>,
    shared: &Shared,
) -> Result<TcpStream, Unreachable> {
    let started = Instant::now();
    let service = route.borrow().service;
    for round in 0.. {
        let present = Arc::clone(&route.borrow_and_update());
        if present.service != service {
            return Err(Unreachable);
        }
        for target in present.targets.order(&present.cursor, shared.now()) {
            if !dial::may_try(started.elapsed()) {
                return Err(Unreachable);
            }
            let Some(stream) = attempt(target, round, shared).await else {
                continue;
            };
            // It may have begun to drain meanwhile, and that may have been confirmed already.
            if route.borrow().targets.offers(target) {
                return Ok(stream);
            }
        }
        let Some(pause) = dial::next_round(round, started.elapsed()) else {
            break;
        };
        tokio::select! {
            () = sleep(pause) => {}
            changed = route.changed() => if changed.is_err() { break },
        }
    }
    Err(Unreachable)
}

/// Tries one backend, and notes whether it answers.
async fn attempt(target: &Target, round: u32, shared: &Shared) -> Option<TcpStream> {
    let connecting = timeout(
        dial::attempt_timeout(round),
        socket::connect(target.address),
    );
    let error = match connecting.await {
        Ok(Ok(stream)) => {
            target.welcome();
            return Some(stream);
        }
        Ok(Err(error)) => error,
        Err(_) => io::ErrorKind::TimedOut.into(),
    };
    count(&shared.counters.dials_failed);
    if dial::blames_backend(&error) {
        target.shun(shared.now());
        debug!(task = %target.task, address = %target.address, %error, "backend does not answer");
    } else if shared.may_report() {
        warn!(address = %target.address, %error, "cannot connect to backends");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::Cursor;
    use crate::userspace::{Limits, Options};
    use skep_core::model::{Port, PortMode, Protocol, ServiceEndpoints, ServiceId};
    use tokio::runtime::{Builder, Runtime};

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    fn route() -> Route {
        let port = Port {
            target: 80,
            published: 80,
            protocol: Protocol::Tcp,
            mode: PortMode::Ingress,
            name: "".into(),
        };
        let endpoints = ServiceEndpoints {
            service: ServiceId(1),
            name: "web".into(),
            ports: vec![port.clone()],
            backends: vec![],
        };
        Route::new(&endpoints, &port, Arc::default(), Cursor::new(0))
    }

    #[test]
    fn a_listener_that_always_fails_lets_others_work() {
        let ended = runtime();
        let listener = ended.block_on(async { socket::listen(([127, 0, 0, 1], 0).into()) });
        drop(ended);

        let options = Options {
            limits: Limits::within(256),
            ..Options::new([127, 0, 0, 1].into())
        };
        let (_sender, route) = watch::channel(Arc::new(route()));
        let port = TcpPort::new(listener.unwrap(), route, Arc::new(Shared::new(options)));
        runtime().block_on(async {
            let error = port.listener.accept().await.unwrap_err();
            assert!(!dial::is_of_one_client(&error), "{error}");
            tokio::select! {
                biased;
                () = port.run() => panic!("it never ends"),
                () = yield_now() => {}
            }
        });
    }
}
