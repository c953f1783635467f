// SPDX-License-Identifier: Apache-2.0
//! The swarm that this daemon is a manager of, while it is one.

use std::sync::{Arc, PoisonError, RwLock};

use crate::cluster::Cluster;
use crate::daemon::DaemonState;
use crate::error::Failure;
use crate::facts::LiveFacts;
use crate::streams::Streams;

pub use crate::clock::{Clock, SystemClock};

/// What a manager answers calls with.
#[derive(Clone)]
pub struct Manager {
    /// The replicated state.
    pub cluster: Arc<dyn Cluster>,
    /// What only the leader's memory knows.
    pub facts: Arc<dyn LiveFacts>,
    /// Watches and logs.
    pub streams: Arc<dyn Streams>,
    /// Where the time of a change comes from.
    pub clock: Arc<dyn Clock>,
}

/// Whether this daemon is a manager, and of what. The daemon sets it; calls look.
#[derive(Default)]
pub struct Membership {
    present: RwLock<Present>,
}

#[derive(Clone, Default)]
enum Present {
    #[default]
    Outside,
    Member(Arc<Manager>),
    Failed(String),
}

impl Membership {
    /// In no swarm.
    #[must_use]
    pub fn outside() -> Membership {
        Membership::default()
    }

    /// From now on calls are answered with this manager.
    pub fn join(&self, manager: Manager) {
        self.set(Present::Member(Arc::new(manager)));
    }

    /// From now on the daemon is in no swarm.
    pub fn leave(&self) {
        self.set(Present::Outside);
    }

    /// From now on the daemon cannot take part in its swarm, for this reason.
    pub fn fail(&self, why: String) {
        self.set(Present::Failed(why));
    }

    /// The manager that answers calls.
    ///
    /// # Errors
    /// If there is none.
    pub fn manager(&self) -> Result<Arc<Manager>, Failure> {
        let present = self
            .present
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match present {
            Present::Member(manager) => Ok(manager),
            Present::Outside => Err(Failure::WrongSwarmState {
                state: DaemonState::Outside,
                message: "this daemon is in no swarm; found one with InitSwarm (\"skep swarm \
                          init\")"
                    .to_owned(),
            }),
            Present::Failed(why) => Err(Failure::WrongSwarmState {
                state: DaemonState::Error,
                message: format!("this daemon cannot take part in its swarm: {why}"),
            }),
        }
    }

    fn set(&self, present: Present) {
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = present;
    }
}
