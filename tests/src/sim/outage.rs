// SPDX-License-Identifier: Apache-2.0
//! What happens to the engines of machines, and between them and the agents.

use std::time::Duration;

use skep_core::model::{NodeId, TaskId};
use skep_core::node_agent::ExitCause;

use super::agenda::Event;
use super::fault::Leaving;
use super::process::{End, Job, Outcome, Process};
use super::words;
use super::world::World;

/// How often an agent looks at all containers without an event.
const LOOK_EVERY: Duration = Duration::from_secs(15);

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

    /// The engine goes away for a while.
    pub(crate) fn engine_goes(&mut self, place: usize, span: Duration, how: Leaving) {
        let machine = &mut self.machines[place];
        let until = self.now.after(span);
        machine.engine.gone_until = machine.engine.gone_until.max(until);
        machine.engine.is_gone = true;
        if how == Leaving::Mute {
            machine.engine.mute_until = until;
        }
        let ends = how == Leaving::WithAll;
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
            let (cause, code) = (ExitCause::EngineLost, 137);
            self.process_ends(node, task, End { run, cause, code });
        }
        self.machines[place].describe(self.now);
        if how == Leaving::WithAgent && self.machines[place].agent.is_some() {
            self.agent_dies(place);
        } else {
            self.agent_acts(place);
        }
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
            self.follows(place, job.task, outcome);
        }
        self.check_processes();
    }

    pub(crate) fn engine_back(&mut self, node: NodeId) {
        let Some(place) = self.place_of(node) else {
            return;
        };
        let now = self.now;
        let machine = &mut self.machines[place];
        if !machine.engine.answers(now) || !std::mem::take(&mut machine.engine.is_gone) {
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
    pub(crate) fn follows(&mut self, place: usize, task: TaskId, outcome: Outcome) {
        if let Some(wrong) = outcome.wrong {
            self.is_wrong(wrong);
        }
        let now = self.now;
        let machine = &mut self.machines[place];
        let node = machine.node;
        if let Some((after, end)) = outcome.end {
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
        engine.is_gone = true;
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
