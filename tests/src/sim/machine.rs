// SPDX-License-Identifier: Apache-2.0
//! A machine: its disk, its processes, its line to the manager, and the agent that may be
//! running on it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use skep_core::assign::{Assignments, Held};
use skep_core::model::{NodeDescription, NodeId, Platform, Resources, TaskId, Timestamp};
use skep_core::node_agent::{Order, Plan, ReportQueue, Worker};
use skep_core::session::{AgentOutput, AgentSession, Welcome};
use skep_store::fs::{Loss, SimFs};

use super::checks::Checks;
use super::clock::{Clock, Skew, moment};
use super::dice::Dice;
use super::disk;
use super::engine::Engine;
use super::line::Line;
use super::process::{About, Job, Outcome, Processes};

/// Later than anything happens.
const NEVER: Timestamp = Timestamp(i64::MAX);

/// An agent while it lives.
pub(crate) struct Agent {
    pub(crate) session: AgentSession,
    pub(crate) held: Held,
    pub(crate) worker: Worker,
    welcome: Option<Welcome>,
    /// Orders being carried out, by number, and when they are done.
    pub(crate) jobs: BTreeMap<u64, (Timestamp, Job)>,
    /// When it is to be woken.
    pub(crate) wake: Option<Timestamp>,
    clock: Clock,
    checks: Checks,
}

/// A machine.
pub(crate) struct Machine {
    pub(crate) node: NodeId,
    pub(crate) description: Arc<NodeDescription>,
    pub(crate) fs: SimFs,
    pub(crate) line: Line,
    pub(crate) processes: Processes,
    pub(crate) agent: Option<Agent>,
    pub(crate) life: u64,
    jobs: u64,
    /// It can have containers.
    pub(crate) has_engine: bool,
    pub(crate) engine: Engine,
    /// Its power goes when the next task is told to start.
    pub(crate) off_at_start: bool,
    /// What is begun takes long to be made ready before this.
    pub(crate) slow_until: Timestamp,
    /// How far its clock is off.
    pub(crate) skew: Skew,
    /// It was taken into the swarm before.
    joined: bool,
    /// When it is taken in again, after it was deleted.
    back_at: Option<Timestamp>,
}

/// What an agent wants the world to do.
#[derive(Default)]
pub(crate) struct Doings {
    /// What its session wants, without what it took over by itself.
    pub(crate) outputs: Vec<AgentOutput>,
    /// Orders, and when they are done.
    pub(crate) jobs: Vec<(Timestamp, Job)>,
    /// What must never be.
    pub(crate) wrong: Vec<String>,
}

impl Machine {
    pub(crate) fn new(number: u8, dice: &mut Dice) -> Machine {
        let fs = SimFs::new(dice.roll());
        disk::begin(&fs).expect("nothing is planned for the disk yet");
        Machine {
            node: NodeId(dice.id()),
            description: Arc::new(NodeDescription {
                hostname: format!("host-{number}"),
                address: [10, 0, 0, number].into(),
                platform: Platform {
                    os: "linux".to_owned(),
                    architecture: "amd64".to_owned(),
                },
                version: "0.1.0".to_owned(),
                capabilities: vec!["workload.process".to_owned()],
                capacity: Resources {
                    cpu_millis: 4_000,
                    memory_bytes: 8 << 30,
                },
                conditions: Vec::new(),
                ports_in_use: Vec::new(),
            }),
            fs,
            line: Line::default(),
            processes: Processes::default(),
            agent: None,
            life: 0,
            jobs: 0,
            has_engine: dice.chance(800),
            engine: Engine::default(),
            off_at_start: false,
            slow_until: Timestamp::default(),
            skew: Skew::default(),
            joined: false,
            back_at: None,
        }
    }

    /// Whether somebody lets it into the swarm, which does not know it: at once at first; once
    /// it was deleted, after a while, or never again.
    pub(crate) fn may_join(&mut self, now: Timestamp, dice: &mut Dice) -> bool {
        if !std::mem::replace(&mut self.joined, true) {
            return true;
        }
        let draw = || {
            if dice.chance(150) {
                NEVER
            } else {
                now.after(dice.millis(0, 15_000))
            }
        };
        let may = now >= *self.back_at.get_or_insert_with(draw);
        if may {
            self.back_at = None;
        }
        may
    }

    /// Whether it was deleted and will never be taken in again.
    pub(crate) fn is_out(&self) -> bool {
        self.back_at == Some(NEVER)
    }

    /// What the agent's clock shows; that of the machine if there is no agent.
    pub(crate) fn time(&mut self, now: Timestamp) -> Timestamp {
        let skew = self.skew;
        let agent = self.agent.as_mut();
        agent.map_or(skew.wall(now), |agent| agent.time(now, skew))
    }

    /// Starts the agent with what is on the disk.
    pub(crate) fn start(&mut self, now: Timestamp) -> Result<(), String> {
        let (held, memory) = disk::load(&self.fs)?;
        self.life += 1;
        self.agent = Some(Agent {
            session: AgentSession::new(self.description.clone(), ReportQueue::default()),
            held,
            worker: Worker::remembering(memory.tasks),
            welcome: memory.welcome,
            jobs: BTreeMap::new(),
            wake: None,
            clock: Clock::start(now, self.skew),
            checks: Checks::default(),
        });
        Ok(())
    }

    /// The agent dies. Its orders may have been carried out or not; says what came of those that
    /// were.
    pub(crate) fn kill(&mut self, now: Timestamp, dice: &mut Dice) -> Vec<(TaskId, Outcome)> {
        let (mut done, times) = (Vec::new(), (now, self.skew.wall(now)));
        self.line.conn = 0;
        self.life += 1;
        if let Some(agent) = self.agent.take() {
            for (_, job) in agent.jobs.into_values() {
                if dice.chance(500) {
                    let outcome = self.processes.carry_out(&job, times, true, dice);
                    done.push((job.task, outcome));
                }
            }
        }
        self.fs.crash(Loss::Nothing);
        done
    }

    /// The power goes.
    pub(crate) fn power_off(&mut self, now: Timestamp, dice: &mut Dice) -> Vec<(TaskId, Outcome)> {
        let done = self.kill(now, dice);
        self.processes.power_off(self.skew.wall(now), dice);
        let loss = dice.pick(&[Loss::Everything, Loss::Random, Loss::Suffix]);
        self.fs.crash(loss);
        done
    }

    /// The power goes, and the disk is replaced by an empty one. `known`: which tasks were
    /// started, for all that managers know.
    pub(crate) fn lose_disk(
        &mut self,
        now: Timestamp,
        known: impl Fn(TaskId) -> bool,
        dice: &mut Dice,
    ) -> Vec<(TaskId, Outcome)> {
        let done = self.kill(now, dice);
        self.processes.forget(known);
        self.fs = SimFs::new(dice.roll());
        disk::begin(&self.fs).expect("nothing is planned for the disk yet");
        done
    }

    /// Everything the agent does now.
    ///
    /// # Errors
    /// If its disk fails: then the power is gone.
    pub(crate) fn act(&mut self, now: Timestamp, dice: &mut Dice) -> io::Result<Doings> {
        let mut doings = Doings::default();
        let Some(agent) = &mut self.agent else {
            return Ok(doings);
        };
        agent.talk(&self.fs, now, &mut doings)?;
        let time = agent.time(now, self.skew);
        let mut observed = self.processes.observed(false);
        self.engine.add_to(&mut observed);
        let processes = &mut self.processes;
        let check_at = agent
            .checks
            .ask(&agent.held, &mut observed, processes, time, dice);
        let unseen = self.engine.unseen();
        let mut plan = agent.worker.step(&agent.held, &observed, unseen, time);
        let wake_at = plan.wake_at.into_iter().chain(check_at).min();
        plan.wake_at = wake_at.map(|then| moment(then, now, time));
        if !plan.records.is_empty() {
            let records = agent.worker.records().values();
            disk::save_memory(&self.fs, agent.welcome.as_ref(), records)?;
        }
        agent.wake = agent
            .session
            .wake_at()
            .into_iter()
            .chain(plan.wake_at)
            .min();
        for (task, observation) in &plan.reports {
            agent.session.report(*task, observation.clone());
        }
        agent.talk(&self.fs, now, &mut doings)?;
        let waits = agent.session.wake_at().into_iter().chain(plan.wake_at);
        agent.wake = waits.min();
        self.give_orders(plan, now, dice, &mut doings);
        Ok(doings)
    }

    fn give_orders(&mut self, plan: Plan, now: Timestamp, dice: &mut Dice, doings: &mut Doings) {
        let Some(agent) = &mut self.agent else {
            return;
        };
        for (task, order) in plan.orders {
            let about = About::of(&agent.held, task);
            let in_engine = about.as_ref().is_some_and(|about| about.in_engine);
            if order == Order::Remove {
                agent.cancel(task, now, doings);
            }
            let slow = order == Order::Prepare && now < self.slow_until;
            let late = order == Order::Prepare && in_engine && dice.chance(100);
            let longest = if slow {
                20_000
            } else if late {
                3_000
            } else {
                300
            };
            let span = dice.millis(0, longest);
            self.processes.counts.slow += u64::from(span.as_secs() >= 1);
            let mut at = now.after(span);
            for (other_at, other) in agent.jobs.values() {
                if other.task == task {
                    at = at.max(*other_at);
                }
            }
            if in_engine {
                self.engine.ordered(task, order);
            }
            self.jobs += 1;
            let job = Job {
                number: self.jobs,
                task,
                order,
                about,
                cancelled: false,
            };
            agent.jobs.insert(job.number, (at, job.clone()));
            doings.jobs.push((at, job));
        }
    }
}

impl Agent {
    /// Ends the preparation of a container, so that what comes after it need not wait for it.
    fn cancel(&mut self, task: TaskId, now: Timestamp, doings: &mut Doings) {
        for (at, job) in self.jobs.values_mut() {
            let in_engine = job.about.as_ref().is_some_and(|about| about.in_engine);
            if job.task == task && job.order == Order::Prepare && in_engine && !job.cancelled {
                (*at, job.cancelled) = (now, true);
                doings.jobs.push((now, job.clone()));
            }
        }
    }

    fn time(&mut self, now: Timestamp, skew: Skew) -> Timestamp {
        self.clock.read(now, skew, Timestamp::default())
    }

    /// What the session wants; steps are taken over, and remembered, at once.
    fn talk(&mut self, fs: &SimFs, now: Timestamp, doings: &mut Doings) -> io::Result<()> {
        loop {
            let outputs = self.session.tick(now);
            if outputs.is_empty() {
                return Ok(());
            }
            for output in outputs {
                match output {
                    AgentOutput::Step(step) => self.take_over(fs, step, doings)?,
                    AgentOutput::Welcome(welcome) => {
                        self.welcome = Some(welcome);
                        let records = self.worker.records().values();
                        disk::save_memory(fs, self.welcome.as_ref(), records)?;
                    }
                    other => doings.outputs.push(other),
                }
            }
        }
    }

    fn take_over(&mut self, fs: &SimFs, step: Assignments, doings: &mut Doings) -> io::Result<()> {
        let revision = step.revision;
        let changed = match self.held.apply(step) {
            Ok(changed) => changed,
            Err(back) => {
                doings.wrong.push(back.to_string());
                return Ok(());
            }
        };
        if !changed.is_empty() {
            disk::save_held(fs, &self.held)?;
        }
        self.session.took_over(revision);
        self.session.balances_by(revision);
        Ok(())
    }
}
