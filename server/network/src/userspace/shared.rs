// SPDX-License-Identifier: Apache-2.0
//! What all ports of a proxy have in common: time, room and counters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::Options;
use super::pipe::Pipes;
use crate::moment::Moment;

/// How often at most the log is told of a limit that is reached.
const REPORT_PERIOD: Duration = Duration::from_secs(10);

/// Anything done again and again is done no more often than this, whatever the options say.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: Options,
    /// Room for TCP connections.
    pub(super) tcp_room: Arc<Semaphore>,
    /// Room for UDP sessions.
    pub(super) udp_room: Arc<Semaphore>,
    pub(super) pipes: Pipes,
    pub(super) counters: Counters,
    started: Instant,
    next_report: AtomicU64,
}

/// Numbers that only grow.
#[derive(Default, Debug)]
pub(super) struct Counters {
    pub(super) connections: AtomicU64,
    pub(super) connections_failed: AtomicU64,
    pub(super) dials_failed: AtomicU64,
    pub(super) sessions: AtomicU64,
    pub(super) datagrams_dropped: AtomicU64,
}

/// What a proxy has carried since it started.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PlaneStats {
    /// TCP connections that are open, or being connected to a backend.
    pub connections_open: u64,
    /// TCP connections connected to a backend.
    pub connections_total: u64,
    /// TCP connections reset because no backend could be reached.
    pub connections_failed_total: u64,
    /// Attempts to connect to a backend that failed; most were followed by one that did not.
    pub dials_failed_total: u64,
    /// UDP clients that have a backend.
    pub udp_sessions_open: u64,
    /// UDP clients that were given a backend.
    pub udp_sessions_total: u64,
    /// Datagrams that were not passed on: no backend, no room, or a full socket.
    pub datagrams_dropped_total: u64,
}

impl Shared {
    pub(super) fn new(options: Options) -> Shared {
        Shared {
            tcp_room: Arc::new(Semaphore::new(options.limits.tcp_connections_max)),
            udp_room: Arc::new(Semaphore::new(options.limits.udp_sessions_max)),
            pipes: Pipes::new(options.limits.pipes_max),
            counters: Counters::default(),
            started: Instant::now(),
            next_report: AtomicU64::new(0),
            options,
        }
    }

    pub(super) fn now(&self) -> Moment {
        Moment(0).after(self.started.elapsed())
    }

    /// Whether it is time to tell the log of a limit again.
    pub(super) fn may_report(&self) -> bool {
        let now = self.now();
        let next = self.next_report.load(Ordering::Relaxed);
        now.0 >= next
            && self
                .next_report
                .compare_exchange(
                    next,
                    now.after(REPORT_PERIOD).0,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    pub(super) fn stats(&self) -> PlaneStats {
        let open = |max: usize, room: &Semaphore| (max - room.available_permits().min(max)) as u64;
        let limits = &self.options.limits;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PlaneStats {
            connections_open: open(limits.tcp_connections_max, &self.tcp_room),
            connections_total: read(&self.counters.connections),
            connections_failed_total: read(&self.counters.connections_failed),
            dials_failed_total: read(&self.counters.dials_failed),
            udp_sessions_open: open(limits.udp_sessions_max, &self.udp_room),
            udp_sessions_total: read(&self.counters.sessions),
            datagrams_dropped_total: read(&self.counters.datagrams_dropped),
        }
    }
}

/// Adds one to a counter.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
