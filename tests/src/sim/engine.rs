// SPDX-License-Identifier: Apache-2.0
//! The engine of a machine, and what the agent there knows of its containers: what the engine
//! said last. Events are lost, and the engine goes away and comes back; what it runs may go on
//! without it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use skep_core::model::{NodeDescription, NodeId, TaskId, Timestamp};
use skep_core::node_agent::{ExitCause, Observed, Order, OrderFailure, Phase};

use super::agenda::Event;
use super::dice::Dice;
use super::machine::Machine;
use super::process::{End, Job, Outcome, Process};
use super::words;
use super::world::World;

/// What runs containers, as capabilities name it.
pub(crate) const WORKLOAD: &str = "workload.container";

/// How often an agent looks at all containers without an event.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// The engine of a machine.
#[derive(Default)]
pub(crate) struct Engine {
    /// It does not answer before this.
    gone_until: Timestamp,
    /// Its events get lost before this.
    pub(crate) deaf_until: Timestamp,
    /// What it said last to the agent that lives now.
    known: BTreeMap<TaskId, Observed>,
    /// That agent has looked at everything once.
    looked: bool,
}

impl Engine {
    fn answers(&self, now: Timestamp) -> bool {
        now >= self.gone_until
    }

    /// Nothing goes wrong any more; says whether it comes back with that.
    pub(crate) fn heal(&mut self, now: Timestamp) -> bool {
        let was_gone = !self.answers(now);
        self.gone_until = self.gone_until.min(now);
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
    fn meet_engine(&mut self, now: Timestamp) {
        self.engine.known.clear();
        self.engine.looked = self.engine.answers(now);
        if self.engine.looked {
            self.engine.known = self.processes.observed(true);
        } else if !self.processes.observed(true).is_empty() {
            self.processes.counts.blind += 1;
        }
        self.describe(now);
    }

    /// Says what the machine is capable of now.
    fn describe(&mut self, now: Timestamp) {
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
    fn look(&mut self) -> bool {
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

impl World {
    /// An agent begins to follow its engine.
    pub(crate) fn follow_engine(&mut self, place: usize) {
        let machine = &mut self.machines[place];
        machine.meet_engine(self.now);
        let (node, life) = (machine.node, machine.life);
        let first = self.dice.millis(0, 15_000);
        let at = self.now.after(first);
        self.agenda.put(at, Event::EngineLook { node, life });
    }

    pub(crate) fn engine_look(&mut self, node: NodeId, life: u64) {
        let Some(place) = self.place_of(node) else {
            return;
        };
        let machine = &mut self.machines[place];
        if machine.life != life {
            return;
        }
        let at = self.now.after(LOOK_EVERY);
        self.agenda.put(at, Event::EngineLook { node, life });
        if machine.engine.answers(self.now) && machine.look() {
            machine.processes.counts.found += 1;
            self.agent_acts(place);
        }
    }

    /// The engine goes away for a while, with or without what it runs.
    pub(crate) fn engine_goes(&mut self, place: usize, span: Duration, ends: bool) {
        let machine = &mut self.machines[place];
        let until = self.now.after(span);
        machine.engine.gone_until = machine.engine.gone_until.max(until);
        let node = machine.node;
        self.agenda.put(until, Event::EngineBack { node });
        self.orders_are_unanswered(place);
        let machine = &mut self.machines[place];
        let running = machine.processes.running();
        let running: Vec<(TaskId, u64)> = running
            .filter(|(_, process)| process.about.in_engine)
            .map(|(task, process)| (task, process.run))
            .collect();
        if !running.is_empty() {
            let counts = &mut machine.processes.counts;
            counts.gone += u64::from(!ends);
            counts.gone_with_all += u64::from(ends);
        }
        for (task, run) in running.into_iter().filter(|_| ends) {
            let (cause, code) = (ExitCause::Exited, 137);
            self.process_ends(node, task, End { run, cause, code });
        }
        self.machines[place].describe(self.now);
        self.agent_acts(place);
    }

    /// Of the orders that the engine has when it goes, some are carried out; nobody is told.
    fn orders_are_unanswered(&mut self, place: usize) {
        let machine = &self.machines[place];
        let jobs = machine.agent.iter().flat_map(|agent| agent.jobs.values());
        let jobs: Vec<Job> = jobs
            .filter(|(_, job)| machine.is_for_engine(job))
            .map(|(_, job)| job.clone())
            .collect();
        for job in jobs {
            if self.dice.chance(500) {
                continue;
            }
            let machine = &mut self.machines[place];
            let times = (self.now, machine.skew.wall(self.now));
            let outcome = machine
                .processes
                .carry_out(&job, times, true, &mut self.dice);
            machine.processes.counts.unanswered += 1;
            let node = machine.node;
            let (task, kind) = (words::task(job.task), job.order.kind());
            self.note(format_args!(
                "{} {task} {kind:?} is not answered",
                words::node(node)
            ));
            self.follows(place, job.task, outcome.end);
            if let Some(wrong) = outcome.wrong {
                self.is_wrong(wrong);
            }
        }
        self.check_processes();
    }

    pub(crate) fn engine_back(&mut self, node: NodeId) {
        let Some(place) = self.place_of(node) else {
            return;
        };
        let now = self.now;
        let machine = &mut self.machines[place];
        if !machine.engine.answers(now) {
            return;
        }
        // It knows nothing of the checks that it made.
        for process in machine.processes.all.values_mut() {
            if process.is_running() {
                process.begin_checks(now);
            }
        }
        if machine.agent.is_some() {
            machine.look();
            machine.describe(now);
        }
        self.note(format_args!("{}: its engine is back", words::node(node)));
        self.agent_acts(place);
    }

    /// What follows from an order that was carried out: an end, and the checks of what runs.
    pub(crate) fn follows(&mut self, place: usize, task: TaskId, end: Option<(Duration, End)>) {
        let now = self.now;
        let machine = &mut self.machines[place];
        let node = machine.node;
        if let Some((after, end)) = end {
            let ends = Event::Ends { node, task, end };
            self.agenda.put(now.after(after), ends);
        }
        let process = machine.processes.all.get_mut(&task);
        if let Some(process) = process.filter(|process| process.course.is_some())
            && !std::mem::replace(&mut process.asks_planned, true)
        {
            let run = process.run;
            self.agenda.put(now, Event::EngineAsks { node, task, run });
        }
    }

    /// A machine has power again, and its engine may take its time.
    pub(crate) fn engine_is_late(&mut self, place: usize) {
        if self.calm || self.dice.chance(600) {
            return;
        }
        let until = self.now.after(self.dice.millis(0, 8_000));
        let machine = &mut self.machines[place];
        let engine = &mut machine.engine;
        engine.gone_until = engine.gone_until.max(until);
        machine.describe(self.now);
        let node = machine.node;
        self.agenda.put(until, Event::EngineBack { node });
    }

    /// The engine asks a container how it is.
    pub(crate) fn engine_asks(&mut self, node: NodeId, task: TaskId, run: u64) {
        let Some(place) = self.place_of(node) else {
            return;
        };
        let now = self.now;
        let machine = &mut self.machines[place];
        let answers = machine.engine.answers(now);
        let asked = |process: &&mut Process| process.run == run && process.is_running();
        let process = machine.processes.all.get_mut(&task).filter(asked);
        let Some(mut course) = process.and_then(|process| process.course.clone()) else {
            return;
        };
        let before = course.health().state();
        if answers {
            course.note(machine.processes.ask(task, &mut self.dice), now);
        }
        let (health, next) = (course.health(), course.next_at());
        let after = health.state();
        machine.processes.counts.note(before, after);
        if let Some(process) = machine.processes.all.get_mut(&task) {
            process.course = Some(course);
            process.observed.health = health;
        }
        let next = next
            .max(machine.engine.gone_until)
            .max(now.after(Duration::from_millis(1)));
        self.agenda.put(next, Event::EngineAsks { node, task, run });
        if before != after && self.machines[place].tells(task, now) {
            self.agent_acts(place);
        }
    }
}
