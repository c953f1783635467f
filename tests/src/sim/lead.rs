// SPDX-License-Identifier: Apache-2.0
//! What happens to the manager: it starts, leads, writes, and dies.

use skep_core::admit::join_node;
use skep_core::model::{NodeId, NodeRole};
use skep_core::session::{AgentMessage, ManagerOutput};
use skep_core::state::{Applied, Change, Refusal, Write};
use skep_store::fs::Loss;

use super::agenda::Event;
use super::checks;
use super::consensus::{Consensus, Proposal, Stop};
use super::drain;
use super::line::Way;
use super::manager::{Manager, Waiter};
use super::words;
use super::world::World;

/// How many rounds the manager may need to come to rest at one moment.
const ROUNDS_MAX: u32 = 100;

impl World {
    pub(crate) fn manager_starts(&mut self) {
        if self.manager.is_some() {
            return;
        }
        match Consensus::open(&self.disk) {
            Ok((log, found)) => {
                self.lives += 1;
                let (revision, lives) = (log.state.revision(), self.lives);
                self.note(format_args!("manager {lives} leads at {revision}"));
                for wrong in self.oracle.recovered(&log, &found) {
                    self.is_wrong(wrong);
                }
                self.manager = Some(Manager::new(self.lives, log, self.now, self.skew));
                self.manager_acts();
            }
            Err(Stop::Disk(why)) => {
                self.note(format_args!("the manager cannot start: {why}"));
                self.manager_is_off();
            }
            Err(Stop::Unusable(why)) => self.is_wrong(format!("the store does not open: {why}")),
        }
    }

    /// What is on the disk after the manager ended, and when it starts again.
    fn manager_is_off(&mut self) {
        let losses = [Loss::Everything, Loss::Random, Loss::Suffix];
        let loss = if std::mem::take(&mut self.losing_power) {
            self.dice.pick(&losses)
        } else {
            Loss::Nothing
        };
        self.note(format_args!("the manager is off, {loss:?} lost"));
        self.disk.crash(loss);
        self.frozen_until = self.now;
        self.tally.crashes += 1;
        let at = self.now.after(self.dice.millis(20, 4_000));
        self.agenda.put(at, Event::ManagerStarts);
    }

    /// The manager ends, whatever it was doing. If it was not the power, agents are told.
    pub(crate) fn manager_ends(&mut self) {
        let Some(manager) = self.manager.take() else {
            return;
        };
        let sessions: Vec<(NodeId, u64)> = manager
            .sessions
            .iter()
            .map(|(node, session)| (*node, session.conn))
            .collect();
        let proposals = manager.log.into_proposals();
        let in_flight = proposals.map(|proposal| (proposal.revision, proposal.change));
        self.oracle.crashed(in_flight);
        let told = !self.losing_power;
        for (node, conn) in sessions.into_iter().filter(|_| told) {
            self.tell_agent(node, conn);
        }
        self.manager_is_off();
    }

    fn manager_stops(&mut self, stop: Stop) {
        match stop {
            Stop::Disk(why) => {
                self.note(format_args!("the manager stops: {why}"));
                self.manager_ends();
            }
            Stop::Unusable(why) => self.is_wrong(why),
        }
    }

    /// Lets the manager do everything it would do now.
    pub(crate) fn manager_acts(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let time = self.manager_time();
            let Some(manager) = &mut self.manager else {
                return;
            };
            let wanted = manager.decide((self.now, time), &self.spec, &mut self.dice);
            let said = manager.speak(self.now);
            if wanted.is_empty() && said.is_empty() {
                self.plan_manager();
                return;
            }
            for (change, waiter) in wanted {
                self.propose(change, waiter);
            }
            for (node, conn, output) in said {
                self.manager_says(node, conn, output);
            }
        }
        self.is_wrong("the manager does not come to rest");
    }

    /// Puts down when the manager writes, and when it is woken.
    fn plan_manager(&mut self) {
        let time = self.manager_time();
        let Some(manager) = &mut self.manager else {
            return;
        };
        let life = manager.life;
        if manager.log.wants_sync() && !std::mem::replace(&mut manager.sync_planned, true) {
            let at = self.now.after(self.dice.millis(0, 2));
            self.agenda.put(at, Event::Sync { life });
        }
        let wake = manager.wake_at(self.now, time).map(|at| at.max(self.now));
        if let Some(at) = wake
            && manager
                .wake
                .is_none_or(|known| at < known || known < self.now)
        {
            manager.wake = Some(at);
            self.agenda.put(at, Event::ManagerWakes { life });
        }
    }

    pub(crate) fn manager_wakes(&mut self, life: u64) {
        if let Some(manager) = self.manager.as_mut().filter(|m| m.life == life) {
            manager.wake = None;
            self.manager_acts();
        }
    }

    /// Puts a change on its way into the log.
    pub(crate) fn propose(&mut self, change: Change, waiter: Waiter) {
        let Some(manager) = &mut self.manager else {
            return;
        };
        if let Err(stop) = manager.log.propose(change, waiter) {
            self.manager_stops(stop);
        }
    }

    fn manager_says(&mut self, node: NodeId, conn: u64, output: ManagerOutput) {
        match output {
            ManagerOutput::Send(message) => self.send_down(node, conn, message),
            ManagerOutput::Write { report, writes } => {
                let change = Change {
                    writes,
                    time: self.manager_time(),
                    ..Change::default()
                };
                self.propose(change, Waiter::Session(node, conn, report));
            }
            ManagerOutput::Refused(refused) => {
                self.is_wrong(format!("an honest agent was refused: {refused:?}"));
            }
            ManagerOutput::Close(end) => {
                self.note(format_args!("{} <x {end}", words::node(node)));
                if let Some(manager) = &mut self.manager {
                    manager.hang_up(node, Some(conn));
                }
                self.tell_agent(node, conn);
            }
        }
    }

    pub(crate) fn sync(&mut self, life: u64) {
        let Some(manager) = self.manager.as_mut().filter(|m| m.life == life) else {
            return;
        };
        match manager.log.sync() {
            Ok(delay) => {
                let at = self.now.after(delay);
                self.agenda.put(at, Event::Synced { life });
            }
            Err(stop) => self.manager_stops(stop),
        }
    }

    pub(crate) fn synced(&mut self, life: u64) {
        loop {
            let Some(manager) = self.manager.as_mut().filter(|m| m.life == life) else {
                return;
            };
            manager.sync_planned = false;
            match manager.log.next_committed() {
                Some(proposal) => self.apply(proposal),
                None => break,
            }
        }
        let kept_entries = self.dice.below(30);
        let Some(manager) = &mut self.manager else {
            return;
        };
        match manager.log.consider_snapshot(kept_entries) {
            Ok(written) => self.tally.snapshots += u64::from(written),
            Err(stop) => self.manager_stops(stop),
        }
        self.manager_acts();
    }

    fn apply(&mut self, proposal: Proposal) {
        let Proposal {
            revision,
            change,
            waiter,
        } = proposal;
        let Some(manager) = &mut self.manager else {
            return;
        };
        let applied = manager.log.apply(revision, &change);
        manager.follow(&applied, self.now);
        manager.settle(&waiter, applied.refusal, self.now);
        let state = manager.log.state.clone();
        self.tally.changes += 1;
        self.tally.deleted += deleted(&change, &applied);
        let summary = words::change(&change);
        match applied.refusal {
            None => self.note(format_args!("{revision}: {summary}")),
            Some(why) => self.note(format_args!("{revision} refused, {why:?}: {summary}")),
        }
        for wrong in self.oracle.applied(&change, &applied, &state) {
            self.is_wrong(wrong);
        }
        self.check_down();
        for wrong in checks::believed(&applied, &state, &self.machines) {
            self.is_wrong(wrong);
        }
        if applied.refusal.is_none() {
            for wrong in drain::released(&change, &state, &self.machines) {
                self.is_wrong(wrong);
            }
        }
        if let Waiter::User(request) = waiter {
            self.settle_request(request, revision, applied.refusal, &change);
        }
    }

    /// Tells a user what became of a change, or looks at the request again.
    fn settle_request(
        &mut self,
        request: super::user::Request,
        revision: skep_core::model::Revision,
        refusal: Option<Refusal>,
        change: &Change,
    ) {
        match (refusal, &change.request) {
            (None, Some(known)) => {
                let answer = super::user::Answer::Done(revision, known.object);
                self.reply(&request, answer);
            }
            // The state has moved on, or the request is known, or there is more to do.
            _ => self.asked(request),
        }
    }

    /// A node calls.
    pub(crate) fn dialled_in(&mut self, node: NodeId, conn: u64) {
        let Some(place) = self.place_of(node) else {
            return;
        };
        let up = self.manager.is_some();
        let time = self.manager_time();
        if let Some(manager) = &mut self.manager {
            let machine = &mut self.machines[place];
            let description = machine.description.clone();
            let state = &manager.log.state;
            let role = NodeRole::Worker;
            let known = state.node(node).is_some();
            let joins = known || machine.may_join(self.now, &mut self.dice);
            let writes = if joins && state.swarm().is_some() {
                join_node(state, node, role, description, None, None)
            } else {
                Vec::new()
            };
            manager.accept(node, conn, &writes, self.now);
            if !writes.is_empty() {
                let change = Change {
                    writes,
                    time,
                    ..Change::default()
                };
                self.propose(change, Waiter::Joining(node, conn));
            }
        }
        if let Some(at) = self.arrival(place, Way::Down, conn) {
            self.agenda.put(at, Event::Dialled { node, conn, up });
        }
        self.manager_acts();
    }

    pub(crate) fn arrives_up(&mut self, node: NodeId, conn: u64, message: AgentMessage) {
        let manager = self.manager.as_mut();
        let known = manager.is_some_and(|m| m.hear(node, conn, message, self.now));
        if !known {
            self.tell_agent(node, conn);
        }
        self.manager_acts();
    }

    pub(crate) fn agent_gone(&mut self, node: NodeId, conn: u64) {
        if let Some(manager) = &mut self.manager {
            manager.hang_up(node, Some(conn));
            self.manager_acts();
        }
    }
}

/// How many nodes a change deleted.
fn deleted(change: &Change, applied: &Applied) -> u64 {
    let writes = change.writes.iter().filter(|_| applied.refusal.is_none());
    let deletes = writes.filter(|write| matches!(write, Write::DeleteNode { .. }));
    deletes.count() as u64
}
