// SPDX-License-Identifier: Apache-2.0
//! The swarm that this daemon is a manager of, while it is one.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use skep_core::clock::SteadyClock;
use skep_core::model::Timestamp;

use crate::cluster::Cluster;
use crate::daemon::DaemonState;
use crate::error::Failure;
use crate::facts::LiveFacts;
use crate::streams::Streams;
use crate::waits::Waits;

/// Where the time of a change comes from.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Clone, Copy, Default, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// The clock that a manager decides by. It never goes back: not when somebody corrects the time
/// of day, and not behind the changes in the log, which another clock may have stamped.
pub struct LogClock {
    cluster: Arc<dyn Cluster>,
    began: Instant,
    steady: Mutex<SteadyClock>,
}

impl LogClock {
    /// A clock for what is decided on this cluster.
    #[must_use]
    pub fn new(cluster: Arc<dyn Cluster>) -> LogClock {
        let began = Instant::now();
        let steady = SteadyClock::new(SystemClock.now(), began.elapsed());
        LogClock {
            cluster,
            began,
            steady: Mutex::new(steady),
        }
    }
}

impl Clock for LogClock {
    fn now(&self) -> Timestamp {
        let floor = self.cluster.view().time();
        let mut steady = self.steady.lock().unwrap_or_else(PoisonError::into_inner);
        steady.read(SystemClock.now(), self.began.elapsed(), floor)
    }
}

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
    /// Calls that wait.
    pub waits: Waits,
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
