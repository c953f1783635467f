// SPDX-License-Identifier: Apache-2.0
//! What the sessions share: who is there, where services answer, and whom a change concerns.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use skep_core::assign::{EndpointTable, Tracker, services_on, touched};
use skep_core::liveness::Liveness;
use skep_core::model::{NodeId, Revision, Timestamp};
use skep_core::session::{AssignmentsAck, LogSubscription, ManagerOutput, ManagerSession};
use skep_core::state::{State, Step, Write};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::facts::NodeFacts;
use crate::loops::Feed;

use super::{Dispatch, Published};

/// Between two times that all nodes are told where services answer.
const NEWS_PERIOD: Duration = Duration::from_millis(100);

/// What sessions share.
pub(super) struct Hub {
    shared: Mutex<Shared>,
    /// The loop has something to look at that no revision tells of.
    look: Notify,
    /// A node has put newer endpoints into effect.
    pub(super) confirms: Notify,
    /// Counts every begin and end of a session.
    sessions: watch::Sender<u64>,
    logs: Mutex<BTreeMap<Arc<str>, mpsc::Sender<Published>>>,
}

struct Shared {
    /// The newest state that was taken in: the table fits it, and who is concerned by what led
    /// there is marked.
    state: State,
    table: EndpointTable,
    /// Not all nodes were told of the table yet.
    news: bool,
    /// When they were told last.
    spread: Timestamp,
    liveness: Liveness,
    seats: BTreeMap<NodeId, Seat>,
    /// What nodes that are not in session were sent.
    trackers: BTreeMap<NodeId, Tracker>,
    next_session: u64,
}

/// A node in session.
struct Seat {
    session: u64,
    wake: Arc<Notify>,
    /// There may be something to send that was not looked at.
    due: bool,
    /// It waits for the state to be new enough for it.
    waits: bool,
    ack: AssignmentsAck,
    tell: mpsc::UnboundedSender<LogSubscription>,
    end: CancellationToken,
}

/// What a session needs to begin.
pub(super) struct Place {
    pub(super) session: u64,
    pub(super) tracker: Tracker,
    pub(super) wake: Arc<Notify>,
    pub(super) subscriptions: mpsc::UnboundedReceiver<LogSubscription>,
    /// Another session of the same node has begun.
    pub(super) end: CancellationToken,
}

impl Hub {
    pub(super) fn new(state: &State, now: Timestamp) -> Hub {
        let shared = Shared {
            state: state.clone(),
            table: EndpointTable::new(state, &|_| false),
            news: false,
            spread: Timestamp(0),
            liveness: Liveness::new(state, now),
            seats: BTreeMap::new(),
            trackers: BTreeMap::new(),
            next_session: 1,
        };
        Hub {
            shared: Mutex::new(shared),
            look: Notify::new(),
            confirms: Notify::new(),
            sessions: watch::Sender::new(0),
            logs: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // === sessions ===

    /// A node begins a session. An earlier one that is still there ends: its agent is gone.
    pub(super) fn sit(&self, node: NodeId) -> Place {
        let mut shared = self.lock();
        let session = shared.next_session;
        shared.next_session += 1;
        let (tell, subscriptions) = mpsc::unbounded_channel();
        let (wake, end) = (Arc::new(Notify::new()), CancellationToken::new());
        let seat = Seat {
            session,
            wake: wake.clone(),
            due: true,
            waits: false,
            ack: AssignmentsAck::default(),
            tell,
            end: end.clone(),
        };
        if let Some(before) = shared.seats.insert(node, seat) {
            before.end.cancel();
        }
        let tracker = shared.trackers.remove(&node).unwrap_or_default();
        drop(shared);
        self.sessions.send_modify(|count| *count += 1);
        Place {
            session,
            tracker,
            wake,
            subscriptions,
            end,
        }
    }

    /// A session is over.
    pub(super) fn leave(&self, node: NodeId, session: u64, tracker: Tracker) {
        let mut shared = self.lock();
        if shared
            .seats
            .get(&node)
            .is_some_and(|seat| seat.session == session)
        {
            shared.seats.remove(&node);
            shared.trackers.insert(node, tracker);
        }
        drop(shared);
        self.sessions.send_modify(|count| *count += 1);
    }

    /// These nodes are about to begin a session: they count as heard from now on, also where
    /// nothing was heard of them under this leader.
    pub(super) fn expect(&self, state: &State, nodes: &[NodeId], now: Timestamp) {
        let mut shared = self.lock();
        for node in nodes {
            shared.liveness.heard(state, *node, now);
        }
    }

    /// A node said something.
    pub(super) fn heard(&self, state: &State, node: NodeId, now: Timestamp) {
        if self.lock().liveness.heard(state, node, now) {
            self.look.notify_one();
        }
    }

    /// What a node has put into effect.
    pub(super) fn acked(&self, node: NodeId, session: u64, ack: AssignmentsAck) {
        let mut shared = self.lock();
        if let Some(seat) = shared.seats.get_mut(&node)
            && seat.session == session
        {
            let is_news = seat.ack.endpoints != ack.endpoints;
            seat.ack = ack;
            if is_news {
                self.confirms.notify_one();
            }
        }
    }

    /// By the endpoints of which revision the nodes in session balance.
    pub(super) fn confirmed(&self) -> BTreeMap<NodeId, Revision> {
        let shared = self.lock();
        let seats = shared.seats.iter();
        seats
            .map(|(node, seat)| (*node, seat.ack.endpoints))
            .collect()
    }

    /// Lets a session do what is due. What it sends is of the state that was taken in last: no
    /// revision is named to a node before all that it brings the node was looked at.
    ///
    /// `since` is the revision at which the agent was welcomed. Until that is taken in, its
    /// node may not be known here.
    pub(super) fn tick(
        &self,
        session: u64,
        machine: &mut ManagerSession,
        since: Revision,
        now: Timestamp,
    ) -> Vec<ManagerOutput> {
        let mut shared = self.lock();
        let Shared {
            state,
            table,
            seats,
            ..
        } = &mut *shared;
        if let Some(seat) = seats.get_mut(&machine.node())
            && seat.session == session
            && seat.due
            && machine.is_live()
        {
            seat.waits = state.revision() < since;
            seat.due = seat.waits;
            if !seat.waits {
                machine.refresh(state, table, now);
            }
        }
        machine.tick(state, now)
    }

    pub(super) fn facts(&self, node: NodeId) -> NodeFacts {
        let ack = self
            .lock()
            .seats
            .get(&node)
            .map(|seat| seat.ack)
            .unwrap_or_default();
        NodeFacts {
            assigned_revision: ack.tasks,
            endpoint_revision: ack.endpoints,
        }
    }

    /// The number of the session that a node has; nothing: it has none.
    pub(super) fn session_of(&self, node: NodeId) -> Option<u64> {
        self.lock().seats.get(&node).map(|seat| seat.session)
    }

    pub(super) fn sessions_changed(&self) -> watch::Receiver<u64> {
        self.sessions.subscribe()
    }

    // === logs ===

    pub(super) fn tell_logs(&self, node: NodeId, subscription: LogSubscription) -> bool {
        let shared = self.lock();
        let seat = shared.seats.get(&node);
        seat.is_some_and(|seat| seat.tell.send(subscription).is_ok())
    }

    pub(super) fn open_logs(&self, id: Arc<str>, sink: mpsc::Sender<Published>) {
        self.logs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, sink);
    }

    pub(super) fn close_logs(&self, id: &str) {
        self.logs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
    }

    /// Where lines under a subscription go. Only the first who asks is told.
    pub(super) fn take_log_sink(&self, id: &str) -> Option<mpsc::Sender<Published>> {
        self.logs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id)
    }

    // === what happens ===

    /// Takes in what happened, and wakes the sessions that it concerns. Nothing: it is not
    /// known what happened.
    fn take<'a>(&self, state: &State, steps: Option<impl IntoIterator<Item = &'a Step>>) {
        let mut shared = self.lock();
        shared.state = state.clone();
        let Shared {
            table,
            liveness,
            seats,
            trackers,
            news,
            ..
        } = &mut *shared;
        trackers.retain(|node, _| state.node(*node).is_some());
        let suspect = |node| liveness.is_suspect(node);
        let Some(steps) = steps else {
            table.update(state, state.services().map(|it| it.meta.id), &suspect);
            call(seats.values_mut());
            return;
        };
        for step in steps {
            let concerned = touched(state, &step.events);
            if table.update(state, concerned.endpoints, &suspect) {
                *news = true;
                seats.values_mut().for_each(|seat| seat.due = true);
            }
            for node in concerned.nodes {
                call(seats.get_mut(&node));
            }
        }
        call(seats.values_mut().filter(|seat| seat.waits));
    }

    /// Tells all nodes where services answer, if that has changed and they were not told a
    /// moment ago; gives when that is due otherwise.
    ///
    /// Every node is told of every service, so while many tasks come and go, what changes
    /// within that moment is told together.
    fn spread_news(&self, now: Timestamp) -> Option<Timestamp> {
        let mut shared = self.lock();
        if !shared.news {
            return None;
        }
        let due = shared.spread.after(NEWS_PERIOD);
        if now < due {
            return Some(due);
        }
        shared.news = false;
        shared.spread = now;
        call(shared.seats.values_mut());
        None
    }

    /// Looks at which nodes are there; gives what is to be written, and when to look again.
    fn look_after_nodes(&self, state: &State, now: Timestamp) -> (Vec<Write>, Option<Timestamp>) {
        let mut shared = self.lock();
        let Shared {
            table,
            liveness,
            seats,
            news,
            ..
        } = &mut *shared;
        let tick = liveness.tick(state, now);
        let services = tick
            .turned
            .iter()
            .flat_map(|node| services_on(state, *node));
        let suspect = |node| liveness.is_suspect(node);
        if table.update(state, services.collect::<Vec<_>>(), &suspect) {
            *news = true;
            seats.values_mut().for_each(|seat| seat.due = true);
        }
        (tick.writes, tick.wake_at)
    }
}

/// There may be something to send to these.
fn call<'a>(seats: impl IntoIterator<Item = &'a mut Seat>) {
    for seat in seats {
        seat.due = true;
        seat.wake.notify_one();
    }
}

/// Follows the state for all sessions, until `stop`.
pub(super) async fn run(dispatch: Dispatch, stop: CancellationToken) {
    let inner = &dispatch.inner;
    let mut feed = Feed::new(inner.cluster.clone());
    while !stop.is_cancelled() {
        let news = feed.take();
        inner.hub.take(&news.state, news.steps.as_ref());
        let now = inner.pace.now();
        let (writes, wake_at) = inner.hub.look_after_nodes(&news.state, now);
        let spread_at = inner.hub.spread_news(now);
        if !writes.is_empty() {
            // What was written is news, and what could not be is due again in a while.
            inner.batch.write(writes).await.ok();
        }
        let wake_at = wake_at.into_iter().chain(spread_at).min();
        let wake = async {
            match wake_at {
                Some(time) => tokio::time::sleep(time.since(inner.pace.now())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = feed.changed() => {}
            () = inner.hub.look.notified() => {}
            () = wake => {}
            () = stop.cancelled() => {}
        }
    }
}
