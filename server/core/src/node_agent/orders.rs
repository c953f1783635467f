// SPDX-License-Identifier: Apache-2.0
//! Orders for an executor, and which of them are still being carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::model::Timestamp;

/// The wait after an order that failed; it doubles with each further failure.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// What that wait doubles up to.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// An order for one task. Each may be given again: one that is fulfilled already is no error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Make everything ready.
    Prepare,
    /// Start it, once and never again.
    Start,
    /// Send it a signal, and SIGKILL after the grace.
    Stop {
        /// Number of the signal.
        signal: i32,
        /// From the signal to SIGKILL.
        grace: Duration,
    },
    /// Remove everything of it.
    Remove,
}

/// Kinds of orders.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum OrderKind {
    /// [`Order::Prepare`].
    Prepare,
    /// [`Order::Start`].
    Start,
    /// [`Order::Stop`].
    Stop,
    /// [`Order::Remove`].
    Remove,
}

impl Order {
    /// Its kind.
    #[must_use]
    pub fn kind(self) -> OrderKind {
        match self {
            Order::Prepare => OrderKind::Prepare,
            Order::Start => OrderKind::Start,
            Order::Stop { .. } => OrderKind::Stop,
            Order::Remove => OrderKind::Remove,
        }
    }
}

/// Why an order was not carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderFailure {
    /// Trying again on this node is of no use.
    pub refused: bool,
    /// Why, in words.
    pub message: Arc<str>,
}

/// The orders for one task in this life of the agent. Not kept on disk: after a restart
/// nothing is being carried out.
#[derive(Clone, Default, Debug)]
pub struct Orders {
    in_flight: BTreeSet<OrderKind>,
    first_given: BTreeMap<OrderKind, Timestamp>,
    failed: Option<(OrderKind, OrderFailure)>,
    failures: u32,
    retry_at: Timestamp,
}

impl Orders {
    /// Notes that an order is given now.
    pub fn given(&mut self, kind: OrderKind, now: Timestamp) {
        self.in_flight.insert(kind);
        self.first_given.entry(kind).or_insert(now);
    }

    /// Notes that an order was carried out, or why not.
    pub fn done(&mut self, kind: OrderKind, result: Result<(), OrderFailure>, now: Timestamp) {
        self.in_flight.remove(&kind);
        match result {
            Ok(()) => {
                self.failed = None;
                self.failures = 0;
            }
            Err(failure) => {
                let doublings = self.failures.min(16);
                let wait = RETRY_FIRST.saturating_mul(1 << doublings).min(RETRY_MAX);
                self.retry_at = now.after(wait);
                self.failures += 1;
                self.failed = Some((kind, failure));
                if kind == OrderKind::Stop {
                    self.first_given.remove(&kind);
                }
            }
        }
    }

    /// Whether nothing is being carried out.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Whether an order of this kind is being carried out.
    #[must_use]
    pub fn is_in_flight(&self, kind: OrderKind) -> bool {
        self.in_flight.contains(&kind)
    }

    /// When the first order of a kind was given.
    #[must_use]
    pub fn first_given(&self, kind: OrderKind) -> Option<Timestamp> {
        self.first_given.get(&kind).copied()
    }

    /// Why the last order of a kind failed, if no other came after it.
    #[must_use]
    pub fn failure(&self, kind: OrderKind) -> Option<&OrderFailure> {
        let (failed, failure) = self.failed.as_ref()?;
        (*failed == kind).then_some(failure)
    }

    /// When an order of a kind may be given; nothing while one is being carried out.
    #[must_use]
    pub fn free_at(&self, kind: OrderKind) -> Option<Timestamp> {
        if self.is_in_flight(kind) {
            return None;
        }
        let waits = self.failure(kind).is_some();
        Some(if waits {
            self.retry_at
        } else {
            Timestamp(i64::MIN)
        })
    }
}
