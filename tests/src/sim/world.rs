// SPDX-License-Identifier: Apache-2.0
//! The world: a clock, everything in it, and what happens next.

use std::time::Duration;

use skep_core::model::{SwarmSpec, Timestamp};
use skep_store::fs::SimFs;

use super::agenda::{Agenda, Event};
use super::clock::Skew;
use super::dice::Dice;
use super::down::Down;
use super::fault::{self, TROUBLE};
use super::machine::Machine;
use super::manager::Manager;
use super::oracle::Oracle;
use super::specs::{self, MACHINES_MAX};
use super::tally::Tally;
use super::trace::Trace;
use super::user::User;
use super::watcher::Watcher;

/// The longest a world may take to heal once nothing goes wrong any more.
pub(crate) const HEALING_MAX: Duration = Duration::from_secs(150);

/// How often it is looked whether it has healed.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How many things may happen at one moment.
const AT_ONCE_MAX: u32 = 10_000;

/// A world.
pub(crate) struct World {
    pub(crate) began: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) dice: Dice,
    pub(crate) agenda: Agenda,
    pub(crate) trace: Trace,
    pub(crate) spec: SwarmSpec,
    /// The manager's disk.
    pub(crate) disk: SimFs,
    pub(crate) manager: Option<Manager>,
    pub(crate) lives: u64,
    /// The power of the manager's machine is about to go, or did.
    pub(crate) losing_power: bool,
    pub(crate) frozen_until: Timestamp,
    /// How far the clock of the manager's machine is off.
    pub(crate) skew: Skew,
    pub(crate) machines: Vec<Machine>,
    pub(crate) conns: u64,
    pub(crate) users: Vec<User>,
    pub(crate) watchers: Vec<Watcher>,
    pub(crate) oracle: Oracle,
    pub(crate) down: Down,
    /// Nothing goes wrong any more, and nobody asks for anything new.
    pub(crate) calm: bool,
    /// What must never be, and was.
    pub(crate) wrong: Option<String>,
    pub(crate) tally: Tally,
    /// How many things have happened at this very moment.
    at_once: u32,
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        let mut dice = Dice::new(seed);
        let began = Timestamp::from_millis(1_700_000_000_000);
        let count = dice.between(2, u64::from(MACHINES_MAX) + 1) as u8;
        let machines = (1..=count).map(|number| Machine::new(number, &mut dice));
        let disk = SimFs::new(seed);
        disk.set_latency(Duration::from_millis(2));
        let mut world = World {
            began,
            now: began,
            agenda: Agenda::default(),
            trace: Trace::new(),
            disk,
            manager: None,
            lives: 0,
            losing_power: false,
            frozen_until: Timestamp::default(),
            skew: Skew::default(),
            machines: machines.collect(),
            conns: 0,
            users: Vec::new(),
            watchers: vec![Watcher::new(true), Watcher::new(false)],
            oracle: Oracle::default(),
            down: Down::default(),
            calm: false,
            wrong: None,
            tally: Tally::default(),
            at_once: 0,
            spec: specs::swarm(&mut dice),
            dice,
        };
        world.users.resize_with(3, User::default);
        world.put_beginnings();
        world
    }

    /// What happens at first, and what goes wrong.
    fn put_beginnings(&mut self) {
        self.agenda.put(self.now, Event::ManagerStarts);
        for machine in 0..self.machines.len() {
            let node = self.machines[machine].node;
            let at = self.now.after(self.dice.millis(0, 2_000));
            self.agenda.put(at, Event::AgentStarts { node });
        }
        for user in 0..self.users.len() {
            let at = self.now.after(self.dice.millis(200, 1_500));
            self.agenda.put(at, Event::UserTurn { user });
        }
        for watcher in 0..self.watchers.len() {
            self.agenda.put(self.now, Event::WatcherTurn { watcher });
        }
        for (at, fault) in fault::plan(self.machines.len(), &mut self.dice) {
            self.agenda.put(self.now.after(at), Event::Goes(fault));
        }
    }

    /// Lets everything happen: first trouble, then healing.
    ///
    /// # Errors
    /// What must never be, and was.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        let trouble_ends = self.began.after(TROUBLE);
        self.run_until(trouble_ends)?;
        self.calm_down();
        let healed_by = trouble_ends.after(HEALING_MAX);
        loop {
            let next = self.now.after(LOOK_EVERY);
            self.run_until(next)?;
            match self.ails() {
                None => break,
                Some(what) if self.now >= healed_by => {
                    return Err(format!("it does not heal: {what}"));
                }
                Some(_) => {}
            }
        }
        let took = self.now.since(trouble_ends).as_millis();
        self.tally.healed_after_millis = u64::try_from(took).unwrap_or(u64::MAX);
        self.stays_well()
    }

    /// Once it is well, nothing is written any more.
    fn stays_well(&mut self) -> Result<(), String> {
        let changes = self.tally.changes;
        let until = self.now.after(Duration::from_secs(10));
        self.run_until(until)?;
        if let Some(what) = self.ails() {
            return Err(format!("it was well, and is not any more: {what}"));
        }
        if self.tally.changes > changes {
            return Err("all is well, and still something is written".to_owned());
        }
        Ok(())
    }

    pub(crate) fn run_until(&mut self, until: Timestamp) -> Result<(), String> {
        while self.agenda.due().is_some_and(|at| at <= until) {
            let Some((at, event)) = self.agenda.next() else {
                break;
            };
            if event.is_for_manager() && at < self.frozen_until {
                self.agenda.put(self.frozen_until, event);
                continue;
            }
            self.at_once = if at > self.now { 0 } else { self.at_once + 1 };
            if self.at_once > AT_ONCE_MAX {
                return Err("things happen without end, and time stands still".to_owned());
            }
            self.now = at;
            self.tally.events += 1;
            self.happen(event);
            if let Some(wrong) = self.wrong.take() {
                return Err(wrong);
            }
        }
        self.now = until;
        Ok(())
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::ManagerStarts => self.manager_starts(),
            Event::Sync { life } => self.sync(life),
            Event::Synced { life } => self.synced(life),
            Event::ManagerWakes { life } => self.manager_wakes(life),
            Event::Dial { node, conn } => self.dialled_in(node, conn),
            Event::Dialled { node, conn, up } => self.dialled(node, conn, up),
            Event::Up {
                node,
                conn,
                message,
            } => self.arrives_up(node, conn, message),
            Event::Down {
                node,
                conn,
                message,
            } => self.arrives_down(node, conn, message),
            Event::AgentGone { node, conn } => self.agent_gone(node, conn),
            Event::ManagerGone { node, conn } => self.manager_gone(node, conn),
            Event::AgentStarts { node } => self.agent_starts(node),
            Event::AgentWakes { node, life } => self.agent_wakes(node, life),
            Event::Done { node, life, job } => self.job_done(node, life, job),
            Event::Ends { node, task, end } => self.process_ends(node, task, end),
            Event::EngineAsks { node, task, run } => self.engine_asks(node, task, run),
            Event::EngineLook { node, life } => self.engine_look(node, life),
            Event::EngineBack { node } => self.engine_back(node),
            Event::UserTurn { user } => self.user_turn(user),
            Event::Asked(request) => self.asked(request),
            Event::Answered(reply) => self.answered(reply),
            Event::WatcherTurn { watcher } => self.watcher_turn(watcher),
            Event::Goes(fault) => self.goes_wrong(fault),
        }
    }

    /// What time it is by the manager's clock; by that of its machine, if it does not run.
    pub(crate) fn manager_time(&mut self) -> Timestamp {
        let (now, skew) = (self.now, self.skew);
        let manager = self.manager.as_mut();
        manager.map_or(skew.wall(now), |manager| manager.time(now, skew))
    }

    /// Notes what must never be.
    pub(crate) fn is_wrong(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.note(format_args!("WRONG {what}"));
        self.wrong.get_or_insert(what);
    }

    /// Adds a line to the trace.
    pub(crate) fn note(&mut self, what: std::fmt::Arguments<'_>) {
        self.trace.note(self.began, self.now, what);
    }
}
