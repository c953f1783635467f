// SPDX-License-Identifier: Apache-2.0
//! Taking a task that is to stop out of the traffic.

use super::{Revision, Timestamp};

/// How far a task that is to stop was taken out of the traffic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Drain {
    /// The revision at which it was told to stop: proxies that balance by it, or by a later one,
    /// send it no new connections.
    pub told_revision: Revision,
    /// When that was.
    pub told: Timestamp,
    /// When no proxy sent it any more; nothing: some may still.
    pub released: Option<Released>,
}

/// That a task that is to stop is sent no new connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Released {
    /// Since when.
    pub time: Timestamp,
    /// Not all nodes had confirmed it; they were waited for long enough.
    pub unconfirmed: bool,
}

/// How far a drain is, for the node that has the task.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DrainPhase {
    /// Proxies may still send it new connections: it serves them.
    Leaving,
    /// None does any more.
    Left,
}

impl Drain {
    /// How far it is.
    #[must_use]
    pub fn phase(&self) -> DrainPhase {
        match self.released {
            None => DrainPhase::Leaving,
            Some(_) => DrainPhase::Left,
        }
    }
}
