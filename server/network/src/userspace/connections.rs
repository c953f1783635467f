// SPDX-License-Identifier: Apache-2.0
//! The connections of one service.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};

use tokio::task::AbortHandle;

use super::lock;

/// The connections of one service, which end with it.
#[derive(Default, Debug)]
pub(super) struct Connections(Mutex<State>);

#[derive(Default, Debug)]
struct State {
    ended: bool,
    serial: u64,
    /// A connection that is just being started has no handle yet.
    running: HashMap<u64, Option<AbortHandle>>,
}

impl Connections {
    /// Runs a connection, unless the service is gone.
    pub(super) fn spawn(self: &Arc<Self>, connection: impl Future<Output = ()> + Send + 'static) {
        let Some(entry) = self.enter() else { return };
        let serial = entry.serial;
        // The lock is not held here: a runtime that is shutting down drops the future, and
        // `entry` with it, before `spawn` returns.
        let task = tokio::spawn(async move {
            connection.await;
            drop(entry);
        });
        let mut state = lock(&self.0);
        if state.ended {
            task.abort();
        } else if let Some(handle) = state.running.get_mut(&serial) {
            *handle = Some(task.abort_handle());
        }
    }

    /// Ends all connections, and those still to come.
    pub(super) fn end(&self) {
        let running = {
            let mut state = lock(&self.0);
            state.ended = true;
            std::mem::take(&mut state.running)
        };
        for handle in running.into_values().flatten() {
            handle.abort();
        }
    }

    fn enter(self: &Arc<Self>) -> Option<Entry> {
        let mut state = lock(&self.0);
        if state.ended {
            return None;
        }
        state.serial += 1;
        let serial = state.serial;
        state.running.insert(serial, None);
        Some(Entry {
            of: Arc::clone(self),
            serial,
        })
    }
}

/// Stands for a connection until it is dropped.
struct Entry {
    of: Arc<Connections>,
    serial: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.of.0).running.remove(&self.serial);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn a_connection_that_ends_is_forgotten() {
        let connections = Arc::new(Connections::default());
        let (done, end) = oneshot::channel::<()>();
        connections.spawn(async move {
            let _ = end.await;
        });
        assert_eq!(lock(&connections.0).running.len(), 1);
        done.send(()).unwrap();
        while !lock(&connections.0).running.is_empty() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn ending_the_service_ends_connections_and_admits_no_more() {
        let connections = Arc::new(Connections::default());
        let (held, dropped) = oneshot::channel::<()>();
        connections.spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        connections.end();
        assert!(
            dropped.await.is_err(),
            "the sender is dropped with its connection"
        );

        let (held, dropped) = oneshot::channel::<()>();
        connections.spawn(async move {
            let _held = held;
        });
        assert!(dropped.await.is_err());
        assert!(lock(&connections.0).running.is_empty());
    }
}
