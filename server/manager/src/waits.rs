// SPDX-License-Identifier: Apache-2.0
//! Calls that wait: how many there are, and what ends them all.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::error::Failure;

/// Most waits that a manager serves at a time. Each costs a timer and a look at one service with
/// every change.
pub const WAITS_MAX: usize = 10_000;

/// Room for calls that wait, until the manager stops. They have it apart from watches and from
/// all other calls, so that they take nothing from those.
#[derive(Clone, Debug)]
pub struct Waits {
    free: Arc<Semaphore>,
    limit: usize,
    stop: CancellationToken,
}

impl Default for Waits {
    fn default() -> Waits {
        Waits::new(WAITS_MAX)
    }
}

impl Waits {
    /// At most `limit` at a time.
    #[must_use]
    pub fn new(limit: usize) -> Waits {
        Waits {
            free: Arc::new(Semaphore::new(limit)),
            limit,
            stop: CancellationToken::new(),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.limit - self.free.available_permits()
    }

    /// Ends all that there are, and all that come.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Room for one more, for as long as what is given back is kept.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn enter(&self) -> Result<OwnedSemaphorePermit, Failure> {
        self.free
            .clone()
            .try_acquire_owned()
            .map_err(|_| Failure::Limit {
                subject: "waits",
                limit: self.limit as u64,
                message: format!(
                    "{} calls wait at this manager already; end some, or watch instead: one watch \
                     shows all services",
                    self.limit
                ),
            })
    }

    /// Ends when all waits are to end.
    pub(crate) async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}
