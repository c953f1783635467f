// SPDX-License-Identifier: Apache-2.0
//! The manager: the loops of the leader and its ends of the sessions, as the daemon runs them,
//! over the stand-in for Raft.

use std::collections::{BTreeMap, BTreeSet};

use skep_core::admit::{Admitted, Context, found_swarm};
use skep_core::assign::{EndpointTable, Tracker, services_on, touched};
use skep_core::control::{Drainer, Placer, Reconciler};
use skep_core::liveness::Liveness;
use skep_core::model::{NodeId, ServiceId, SwarmSpec, Timestamp};
use skep_core::session::{AgentMessage, ManagerOutput, ManagerSession};
use skep_core::state::{Applied, Change, Refusal, Write};

use super::clock::{Clock, Skew, moment};
use super::consensus::Consensus;
use super::dice::Dice;
use super::user::Request;

/// Who waits for a change.
#[derive(Clone)]
pub(crate) enum Waiter {
    /// The loop that reconciles services.
    Reconciler(ServiceId),
    /// The loop that places tasks.
    Placer,
    /// The loop that counts heartbeats.
    Liveness,
    /// The loop that lets tasks stop that nobody sends connections any more.
    Drainer,
    /// The one that founds the swarm.
    Founder,
    /// A node that wants a session on this connection.
    Joining(NodeId, u64),
    /// The session of a node, with the number of a report.
    Session(NodeId, u64, Option<u64>),
    /// A user.
    User(Request),
}

/// A manager's end of a connection.
pub(crate) struct Session {
    pub(crate) conn: u64,
    /// Nothing: the node is still joining.
    end: Option<ManagerSession>,
    /// What came before it had joined.
    early: Vec<AgentMessage>,
}

/// A manager that leads.
pub(crate) struct Manager {
    pub(crate) life: u64,
    pub(crate) log: Consensus,
    clock: Clock,
    reconciler: Reconciler,
    placer: Placer,
    drainer: Drainer,
    liveness: Liveness,
    table: EndpointTable,
    /// Changes of each loop that are on their way.
    reconciling: usize,
    placing: usize,
    tending: usize,
    releasing: usize,
    founding: bool,
    pub(crate) sessions: BTreeMap<NodeId, Session>,
    trackers: BTreeMap<NodeId, Tracker>,
    /// When the nodes are to be looked at.
    liveness_wake: Option<Timestamp>,
    /// When it is to be woken.
    pub(crate) wake: Option<Timestamp>,
    /// A sync is on the agenda.
    pub(crate) sync_planned: bool,
}

impl Manager {
    /// Begins to lead.
    pub(crate) fn new(life: u64, log: Consensus, now: Timestamp, skew: Skew) -> Manager {
        Manager {
            life,
            clock: Clock::start(now, skew),
            reconciler: Reconciler::new(),
            placer: Placer::default(),
            drainer: Drainer::default(),
            liveness: Liveness::new(&log.state, now),
            table: EndpointTable::new(&log.state, &|_| false),
            log,
            reconciling: 0,
            placing: 0,
            tending: 0,
            releasing: 0,
            founding: false,
            sessions: BTreeMap::new(),
            trackers: BTreeMap::new(),
            liveness_wake: None,
            wake: None,
            sync_planned: false,
        }
    }

    /// Where services answer.
    pub(crate) fn table(&self) -> &EndpointTable {
        &self.table
    }

    /// What time it is by its clock, which is never before the last change.
    pub(crate) fn time(&mut self, now: Timestamp, skew: Skew) -> Timestamp {
        self.clock.read(now, skew, self.log.state.time())
    }

    /// What the loops want written now, when its clock shows `time`.
    pub(crate) fn decide(
        &mut self,
        (now, time): (Timestamp, Timestamp),
        spec: &SwarmSpec,
        dice: &mut Dice,
    ) -> Vec<(Change, Waiter)> {
        let mut wanted = Vec::new();
        let mut id = || dice.id();
        if self.log.state.swarm().is_none() {
            if !std::mem::replace(&mut self.founding, true) {
                let ctx = Context {
                    now: time,
                    ..Context::default()
                };
                let founded = found_swarm(&self.log.state, spec.clone(), &ctx, &mut id);
                if let Ok(Admitted::Change(change, _)) = founded {
                    wanted.push((change, Waiter::Founder));
                }
            }
            return wanted;
        }
        wanted.extend(self.tend(now, time));
        if self.reconciling == 0 && self.reconciler.is_due(time) {
            for plan in self.reconciler.turn(&self.log.state, time, &mut id) {
                self.reconciling += 1;
                wanted.push((plan.change, Waiter::Reconciler(plan.service)));
            }
        }
        if self.placing == 0 {
            for change in self.placer.turn(&self.log.state, time) {
                self.placing += 1;
                wanted.push((change, Waiter::Placer));
            }
        }
        wanted.extend(self.release(time));
        wanted
    }

    /// Looks at what nodes have confirmed.
    fn release(&mut self, time: Timestamp) -> Option<(Change, Waiter)> {
        if self.releasing > 0 || !self.drainer.is_waiting() {
            return None;
        }
        let sessions = &self.sessions;
        let confirmed = |node: NodeId| {
            let end = sessions.get(&node).and_then(|session| session.end.as_ref());
            end.map(|end| end.ack().endpoints).unwrap_or_default()
        };
        let change = self.drainer.turn(&self.log.state, &confirmed, time)?;
        self.releasing += 1;
        Some((change, Waiter::Drainer))
    }

    /// Looks at the nodes.
    fn tend(&mut self, now: Timestamp, time: Timestamp) -> Option<(Change, Waiter)> {
        if self.tending > 0 {
            return None;
        }
        let tick = self.liveness.tick(&self.log.state, now);
        self.liveness_wake = tick.wake_at;
        let state = &self.log.state;
        let nodes = tick.turned.iter();
        let services: BTreeSet<_> = nodes.flat_map(|node| services_on(state, *node)).collect();
        self.update_table(services, BTreeSet::new(), now);
        if tick.writes.is_empty() {
            return None;
        }
        self.tending += 1;
        let change = Change {
            writes: tick.writes,
            time,
            ..Change::default()
        };
        Some((change, Waiter::Liveness))
    }

    /// Looks again at these services, and tells nodes: these, and all if an endpoint changed.
    fn update_table(
        &mut self,
        services: BTreeSet<ServiceId>,
        nodes: BTreeSet<NodeId>,
        now: Timestamp,
    ) {
        let (state, liveness) = (&self.log.state, &self.liveness);
        let is_suspect = |node| liveness.is_suspect(node);
        let all = self.table.update(state, services, &is_suspect);
        for (node, session) in &mut self.sessions {
            if let Some(end) = &mut session.end
                && (all || nodes.contains(node))
            {
                end.refresh(state, &self.table, now);
            }
        }
    }

    /// Notes what a change did, for whom it concerns.
    pub(crate) fn follow(&mut self, applied: &Applied, now: Timestamp) {
        let steps = [&applied.step];
        self.reconciler.observe(&self.log.state, steps);
        self.placer.observe(steps);
        self.drainer.observe(steps);
        let touched = touched(&self.log.state, &applied.step.events);
        self.update_table(touched.endpoints, touched.nodes, now);
    }

    /// Tells a loop or a session what became of its change. Not for users.
    pub(crate) fn settle(&mut self, waiter: &Waiter, refusal: Option<Refusal>, now: Timestamp) {
        match waiter {
            Waiter::Reconciler(service) => {
                self.reconciling -= 1;
                match refusal {
                    Some(_) => self.reconciler.refused(*service, now, now.0.unsigned_abs()),
                    None => self.reconciler.accepted(*service),
                }
            }
            Waiter::Placer => {
                self.placing -= 1;
                match refusal {
                    Some(_) => self.placer.refused(now, now.0.unsigned_abs()),
                    None => self.placer.accepted(),
                }
            }
            Waiter::Liveness => self.tending -= 1,
            Waiter::Drainer => self.releasing -= 1,
            Waiter::Founder => self.founding = false,
            Waiter::Joining(node, conn) => self.joined(*node, *conn, now),
            Waiter::Session(node, conn, report) => {
                let session = self.session(*node, *conn);
                if let Some(end) = session.and_then(|session| session.end.as_mut())
                    && let Some(report) = report
                {
                    end.committed(*report, now);
                }
            }
            Waiter::User(_) => {}
        }
    }

    fn session(&mut self, node: NodeId, conn: u64) -> Option<&mut Session> {
        let session = self.sessions.get_mut(&node);
        session.filter(|session| session.conn == conn)
    }

    /// Takes a connection. An older one of the node is over. The writes come first, if any.
    pub(crate) fn accept(&mut self, node: NodeId, conn: u64, writes: &[Write], now: Timestamp) {
        self.hang_up(node, None);
        self.liveness.heard(&self.log.state, node, now);
        let session = Session {
            conn,
            end: None,
            early: Vec::new(),
        };
        self.sessions.insert(node, session);
        if writes.is_empty() {
            self.joined(node, conn, now);
        }
    }

    fn joined(&mut self, node: NodeId, conn: u64, now: Timestamp) {
        let tracker = self.trackers.remove(&node).unwrap_or_default();
        let Some(session) = self.session(node, conn) else {
            self.trackers.insert(node, tracker);
            return;
        };
        session.end = Some(ManagerSession::new(node, tracker, now));
        for message in std::mem::take(&mut session.early) {
            self.hear(node, conn, message, now);
        }
    }

    /// Takes a message; says whether there is such a connection.
    pub(crate) fn hear(
        &mut self,
        node: NodeId,
        conn: u64,
        message: AgentMessage,
        now: Timestamp,
    ) -> bool {
        let session = self.sessions.get_mut(&node);
        let Some(session) = session.filter(|session| session.conn == conn) else {
            return false;
        };
        let Some(end) = &mut session.end else {
            session.early.push(message);
            return true;
        };
        end.receive(message, &self.log.state, now);
        if end.is_live() {
            self.liveness.heard(&self.log.state, node, now);
            end.refresh(&self.log.state, &self.table, now);
        }
        true
    }

    /// Ends a connection, this one or any.
    pub(crate) fn hang_up(&mut self, node: NodeId, conn: Option<u64>) {
        let known = self.sessions.get(&node);
        if known.is_some_and(|known| conn.is_none_or(|conn| conn == known.conn))
            && let Some(session) = self.sessions.remove(&node)
            && let Some(end) = session.end
        {
            self.trackers.insert(node, end.into_tracker());
        }
    }

    /// What the sessions want done.
    pub(crate) fn speak(&mut self, now: Timestamp) -> Vec<(NodeId, u64, ManagerOutput)> {
        let mut said = Vec::new();
        for (node, session) in &mut self.sessions {
            if let Some(end) = &mut session.end {
                let outputs = end.tick(&self.log.state, now);
                said.extend(outputs.into_iter().map(|o| (*node, session.conn, o)));
            }
        }
        said
    }

    /// When time alone makes a difference, if nobody sets the clock.
    pub(crate) fn wake_at(&self, now: Timestamp, time: Timestamp) -> Option<Timestamp> {
        let ends = self.sessions.values().filter_map(|s| s.end.as_ref());
        let ends = ends.filter_map(ManagerSession::wake_at);
        let reconciler = self.reconciler.wake_at().filter(|_| self.reconciling == 0);
        let reconciler = reconciler.map(|then| moment(then, now, time));
        let placer = self.placer.wake_at().filter(|_| self.placing == 0);
        let placer = placer.map(|then| moment(then, now, time));
        let drainer = self.drainer.wake_at().filter(|_| self.releasing == 0);
        let drainer = drainer.map(|then| moment(then, now, time));
        let nodes = self.liveness_wake.filter(|_| self.tending == 0);
        let loops = reconciler.into_iter().chain(placer).chain(drainer);
        ends.chain(loops).chain(nodes).min()
    }
}
