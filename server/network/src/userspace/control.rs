// SPDX-License-Identifier: Apache-2.0
//! Puts the endpoint table into effect: opens, routes and closes ports.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use skep_core::model::{Protocol, Revision, ServiceId};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{debug, info, warn};

use super::Inbox;
use super::connections::Connections;
use super::front::Front;
use super::route::Route;
use super::shared::{SHORTEST, Shared};
use super::socket;
use super::tcp::TcpPort;
use super::udp::UdpPort;
use crate::balance::Cursor;
use crate::changes::Changes;
use crate::plan::{PortKey, Table};
use crate::plane::{PlaneStatus, PortCause, PortProblem};

/// Owns the table and everything that listens.
pub(super) struct Control {
    inbox: Arc<Inbox>,
    shared: Arc<Shared>,
    status: watch::Sender<PlaneStatus>,
    table: Table,
    services: BTreeMap<ServiceId, Arc<Connections>>,
    listeners: BTreeMap<PortKey, Listener>,
    /// Ports that should be open and are not.
    blocked: BTreeMap<PortKey, PortProblem>,
    revision: Revision,
}

struct Listener {
    route: watch::Sender<Arc<Route>>,
    task: JoinHandle<()>,
}

impl Control {
    pub(super) fn new(
        inbox: Arc<Inbox>,
        shared: Arc<Shared>,
        status: watch::Sender<PlaneStatus>,
    ) -> Control {
        Control {
            inbox,
            shared,
            status,
            table: Table::default(),
            services: BTreeMap::new(),
            listeners: BTreeMap::new(),
            blocked: BTreeMap::new(),
            revision: Revision::default(),
        }
    }

    /// Runs until told to stop, or until nobody is left who could tell.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<Option<Duration>>) {
        let mut retry = interval(self.shared.options.bind_retry.max(SHORTEST));
        retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let inbox = Arc::clone(&self.inbox);
        let grace = loop {
            tokio::select! {
                (changes, revision) = inbox.next() => self.commit(changes, revision).await,
                _ = retry.tick(), if !self.blocked.is_empty() => self.retry(),
                // It is an error that nobody is left to say for how long.
                _ = stop.changed() => break stop.borrow().unwrap_or_default(),
            }
        };
        self.stop(grace).await;
    }

    async fn commit(&mut self, changes: Changes, revision: Revision) {
        let plan = self.table.apply(changes);
        debug!(%revision, ?plan, "endpoint table");
        for key in plan.close {
            self.close(key).await;
        }
        for service in plan.end {
            if let Some(connections) = self.services.remove(&service) {
                connections.end();
            }
        }
        for key in plan.open {
            self.open(key);
        }
        for key in plan.reroute {
            self.reroute(key);
        }
        self.revision = revision;
        self.publish();
    }

    async fn close(&mut self, key: PortKey) {
        self.blocked.remove(&key);
        if let Some(listener) = self.listeners.remove(&key) {
            listener.task.abort();
            // Only when the task is gone is its port free. It is an error that it was aborted.
            let _ = listener.task.await;
        }
    }

    /// Opens a port, or notes why that cannot be.
    fn open(&mut self, key: PortKey) {
        let Some((endpoints, port)) = self.table.owner(key) else {
            return;
        };
        let (service, service_name) = (endpoints.service, Arc::clone(&endpoints.name));
        let connections = Arc::clone(self.services.entry(service).or_default());
        let cursor = Cursor::new(any_turn(key));
        let route = Arc::new(Route::new(endpoints, port, connections, cursor));
        match listen(&self.shared, key, route) {
            Ok(listener) => {
                if self.blocked.remove(&key).is_some() {
                    info!(
                        port = key.port,
                        protocol = key.protocol.as_str(),
                        "port is open now"
                    );
                }
                self.listeners.insert(key, listener);
            }
            Err(error) => {
                let problem = PortProblem {
                    port: key.port,
                    protocol: key.protocol,
                    address: self.shared.options.bind,
                    service,
                    service_name,
                    cause: PortCause::of(&error),
                };
                if self.blocked.get(&key) != Some(&problem) {
                    warn!("{problem}");
                }
                self.blocked.insert(key, problem);
            }
        }
    }

    fn reroute(&mut self, key: PortKey) {
        let Some(listener) = self.listeners.get(&key) else {
            self.open(key);
            return;
        };
        let Some((endpoints, port)) = self.table.owner(key) else {
            return;
        };
        let connections = Arc::clone(self.services.entry(endpoints.service).or_default());
        listener.route.send_modify(|route| {
            *route = Arc::new(route.next(endpoints, port, connections));
        });
    }

    fn retry(&mut self) {
        let keys: Vec<PortKey> = self.blocked.keys().copied().collect();
        for key in keys {
            self.open(key);
        }
        self.publish();
    }

    fn publish(&self) {
        let problems: Vec<PortProblem> = self.blocked.values().cloned().collect();
        let status = PlaneStatus {
            revision: self.revision,
            problems,
        };
        self.status.send_if_modified(|before| {
            let changed = *before != status;
            *before = status;
            changed
        });
    }

    async fn stop(mut self, grace: Duration) {
        let keys: Vec<PortKey> = self.listeners.keys().copied().collect();
        for key in keys {
            self.close(key).await;
        }
        let all = u32::try_from(self.shared.options.limits.tcp_connections_max);
        let all = all.unwrap_or(u32::MAX);
        // All room is free again when no connection is left.
        if timeout(grace, self.shared.tcp_room.acquire_many(all))
            .await
            .is_err()
        {
            for connections in self.services.values() {
                connections.end();
            }
            let _ = self.shared.tcp_room.acquire_many(all).await;
        }
    }
}

fn listen(shared: &Arc<Shared>, key: PortKey, route: Arc<Route>) -> io::Result<Listener> {
    let at = SocketAddr::new(shared.options.bind, key.port);
    let (sender, route) = watch::channel(route);
    let shared = Arc::clone(shared);
    let task = match key.protocol {
        Protocol::Tcp => tokio::spawn(TcpPort::new(socket::listen(at)?, route, shared).run()),
        Protocol::Udp => tokio::spawn(UdpPort::new(Front::open(at)?, route, shared).run()),
    };
    Ok(Listener {
        route: sender,
        task,
    })
}

/// Where the turns of a port begin: anywhere, so that the first clients of all nodes do not meet
/// at one backend.
fn any_turn(key: PortKey) -> usize {
    usize::try_from(RandomState::new().hash_one(key) >> 32).unwrap_or(0)
}
