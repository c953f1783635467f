// SPDX-License-Identifier: Apache-2.0
//! The engine of a machine, and what the agent there knows of its containers: what the engine
//! said last. Events are lost, and the engine goes away and comes back; what it runs may go on
//! without it.

use std::collections::BTreeMap;
use std::sync::Arc;

use skep_core::model::{NodeDescription, TaskId, Timestamp};
use skep_core::node_agent::{Observed, Order, OrderFailure, Phase};

use super::dice::Dice;
use super::machine::Machine;
use super::process::{Job, Outcome};

/// What runs containers, as capabilities name it.
pub(crate) const WORKLOAD: &str = "workload.container";

/// The engine of a machine.
#[derive(Default)]
pub(crate) struct Engine {
    /// It does not answer before this.
    pub(crate) gone_until: Timestamp,
    /// It went, and has not come back yet.
    pub(crate) is_gone: bool,
    /// It does some of what it is told before this, though it does not answer.
    pub(crate) mute_until: Timestamp,
    /// Its events get lost before this.
    pub(crate) deaf_until: Timestamp,
    /// What it said last to the agent that lives now.
    pub(crate) known: BTreeMap<TaskId, Observed>,
    /// That agent has looked at everything once.
    pub(crate) looked: bool,
}

impl Engine {
    pub(crate) fn answers(&self, now: Timestamp) -> bool {
        now >= self.gone_until
    }

    /// Nothing goes wrong any more; says whether it comes back with that.
    pub(crate) fn heal(&mut self, now: Timestamp) -> bool {
        let was_gone = !self.answers(now);
        self.gone_until = self.gone_until.min(now);
        self.mute_until = self.mute_until.min(now);
        self.deaf_until = self.deaf_until.min(now);
        was_gone
    }

    /// What nothing is known of.
    pub(crate) fn unseen(&self) -> &'static [&'static str] {
        if self.looked { &[] } else { &[WORKLOAD] }
    }

    /// Adds the containers to what is seen.
    pub(crate) fn add_to(&self, observed: &mut BTreeMap<TaskId, Observed>) {
        let known = self.known.iter();
        observed.extend(known.map(|(task, seen)| (*task, seen.clone())));
    }

    /// An order is given for a container.
    pub(crate) fn ordered(&mut self, task: TaskId, order: Order) {
        if order == Order::Prepare {
            let preparing = || Observed::new(Phase::Preparing, Vec::new());
            self.known.entry(task).or_insert_with(preparing);
        }
    }

    fn is_preparing(&self, task: TaskId) -> bool {
        let known = self.known.get(&task);
        known.is_some_and(|known| known.phase == Phase::Preparing)
    }
}

impl Machine {
    /// Whether it is a container that an order is for.
    pub(crate) fn is_for_engine(&self, job: &Job) -> bool {
        let known = self.engine.known.contains_key(&job.task);
        job.is_for_engine(known)
    }

    /// Begins anew with the engine, in a new life of the agent.
    pub(crate) fn meet_engine(&mut self, now: Timestamp) {
        self.engine.known.clear();
        self.engine.looked = self.engine.answers(now);
        if self.engine.looked {
            self.engine.known = self.processes.observed(true);
        } else {
            let running = || self.processes.running();
            let blind = running().any(|(_, process)| process.about.in_engine);
            self.processes.counts.blind += u64::from(blind);
        }
        self.describe(now);
    }

    /// Says what the machine is capable of now.
    pub(crate) fn describe(&mut self, now: Timestamp) {
        let mut capabilities = vec!["workload.process".to_owned()];
        if self.has_engine && self.engine.answers(now) {
            capabilities.push(WORKLOAD.to_owned());
        }
        if self.description.capabilities == capabilities {
            return;
        }
        self.description = Arc::new(NodeDescription {
            capabilities,
            ..NodeDescription::clone(&self.description)
        });
        if let Some(agent) = &mut self.agent {
            agent.session.describe(self.description.clone());
        }
    }

    /// Looks at one container, as after an event.
    fn refresh(&mut self, task: TaskId) {
        let there = self.processes.all.get(&task);
        let there = there.filter(|process| process.about.in_engine);
        match there.map(|process| process.observed.clone()) {
            Some(observed) => {
                self.engine.known.insert(task, observed);
            }
            None if self.engine.is_preparing(task) => {}
            None => {
                self.engine.known.remove(&task);
            }
        }
    }

    /// Looks at all containers; says whether there is news.
    pub(crate) fn look(&mut self) -> bool {
        let known = self.engine.known.clone();
        let mut all = self.processes.observed(true);
        for (task, seen) in &known {
            if seen.phase == Phase::Preparing {
                all.entry(*task).or_insert_with(|| seen.clone());
            }
        }
        self.engine.known = all;
        self.engine.looked = true;
        self.engine.known != known
    }

    /// A container of which something else is known than what is so.
    pub(crate) fn believes_otherwise(&self) -> Option<TaskId> {
        let there = self.processes.observed(true);
        let known = &self.engine.known;
        let mut all = there.keys().chain(known.keys());
        all.find(|task| there.get(task).map(|it| &it.phase) != known.get(task).map(|it| &it.phase))
            .copied()
    }

    /// Carries out an order for a container, as far as there is an engine.
    fn ask_engine(&mut self, job: &Job, now: Timestamp, dice: &mut Dice) -> Outcome {
        let task = job.task;
        let is_known = self.engine.known.contains_key(&task);
        let fail = |message: &str| {
            let (refused, message) = (false, message.into());
            Outcome::of(Err(OrderFailure { refused, message }))
        };
        match job.order {
            Order::Remove if !is_known => return Outcome::of(Ok(())),
            Order::Start | Order::Stop { .. } if !is_known => return fail("it is not known"),
            _ => {}
        }
        let outcome = if job.cancelled {
            fail("its preparation was ended")
        } else if self.engine.answers(now) {
            let times = (now, self.skew.wall(now));
            let luck = self.processes.well;
            let outcome = self.processes.carry_out(job, times, luck, dice);
            self.refresh(task);
            outcome
        } else if now < self.engine.mute_until && dice.chance(500) {
            self.processes.counts.unanswered += 1;
            let times = (now, self.skew.wall(now));
            let outcome = self.processes.carry_out(job, times, true, dice);
            Outcome {
                result: fail("the engine does not answer").result,
                ..outcome
            }
        } else {
            fail("the engine cannot be reached")
        };
        if job.order == Order::Prepare && self.engine.is_preparing(task) {
            self.engine.known.remove(&task);
        }
        outcome
    }

    /// Carries out an order of the agent that lives.
    pub(crate) fn carry_out(&mut self, job: &Job, now: Timestamp, dice: &mut Dice) -> Outcome {
        if self.is_for_engine(job) {
            return self.ask_engine(job, now, dice);
        }
        let times = (now, self.skew.wall(now));
        let luck = self.processes.well;
        self.processes.carry_out(job, times, luck, dice)
    }

    /// Something happened to a task that nobody ordered; says whether the agent learns of it.
    pub(crate) fn tells(&mut self, task: TaskId, now: Timestamp) -> bool {
        let process = self.processes.all.get(&task);
        if !process.is_some_and(|process| process.about.in_engine) || self.agent.is_none() {
            return true;
        }
        if !self.engine.answers(now) || now < self.engine.deaf_until {
            self.processes.counts.deaf += 1;
            return false;
        }
        self.refresh(task);
        true
    }
}
