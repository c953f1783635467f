// SPDX-License-Identifier: Apache-2.0
//! What runs on a machine: an executor that does what it is told, and processes that live
//! and die as their spec and chance will have it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use skep_core::assign::Held;
use skep_core::model::{
    HealthCheck, NodeId, Port, PortMode, Protocol, ServiceId, TaskId, Timestamp, Workload, signal,
};
use skep_core::node_agent::{
    CheckCourse, Exit, ExitCause, Observed, Order, OrderFailure, Phase, opened_ports,
};

use super::checks::engine_check;
use super::dice::Dice;
use super::manner::Manner;
use super::ports::choose_ports;
use super::tally::Counts;

/// What an executor is told of a task, beside the order.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) service: ServiceId,
    pub(crate) slot: u32,
    pub(crate) ports: Vec<Port>,
    pub(crate) manner: Manner,
    /// Somebody asks it how it is, and it counts as running only when it says that it is well.
    is_asked: bool,
    /// It is a container, so all that is known of it is what an engine says.
    pub(crate) in_engine: bool,
    /// The check that the engine makes.
    pub(crate) engine_check: Option<HealthCheck>,
}

impl About {
    /// What a node was given of a task.
    pub(crate) fn of(held: &Held, task: TaskId) -> Option<About> {
        let assigned = held.tasks.get(&task)?;
        let template = held.template_of(assigned)?;
        let args = template.template.workload.args();
        Some(About {
            service: assigned.service,
            slot: assigned.slot,
            ports: opened_ports(template),
            manner: Manner::of(args.first().map_or("", String::as_str)),
            is_asked: template.template.health_check.is_some(),
            in_engine: matches!(template.template.workload, Workload::Container(_)),
            engine_check: engine_check(&template.template).cloned(),
        })
    }
}

/// An order on its way to the executor.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) number: u64,
    pub(crate) task: TaskId,
    pub(crate) order: Order,
    pub(crate) about: Option<About>,
    /// It was ended before its time.
    pub(crate) cancelled: bool,
}

impl Job {
    /// Whether an engine has to carry it out. Of what is no longer for this node only the engine
    /// knows that it is a container: `known`.
    pub(crate) fn is_for_engine(&self, known: bool) -> bool {
        self.about.as_ref().map_or(known, |about| about.in_engine)
    }
}

/// How a process is about to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct End {
    /// Which start of a process on the machine this is meant for.
    pub(crate) run: u64,
    pub(crate) cause: ExitCause,
    pub(crate) code: i32,
}

/// One task on a machine.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) about: About,
    pub(crate) observed: Observed,
    /// Which start on this machine it was; 0: none yet.
    pub(crate) run: u64,
    /// It does not listen to signals that can be ignored.
    stubborn: bool,
    /// How often it was asked how it is, and after how many answers it changes its mind.
    answers: u32,
    patience: u32,
    /// The checks that the engine makes.
    pub(crate) course: Option<CheckCourse>,
    pub(crate) asks_planned: bool,
}

impl Process {
    /// Whether it runs.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.observed.phase, Phase::Running { .. })
    }

    /// The engine begins to ask it how it is, if it is to.
    pub(crate) fn begin_checks(&mut self, now: Timestamp) {
        let check = self.about.engine_check.clone();
        self.course = check.map(|check| CheckCourse::begin(check, now));
        self.observed.health = self
            .course
            .as_ref()
            .map(CheckCourse::health)
            .unwrap_or_default();
    }
}

/// Everything that runs on a machine. It outlives the agent.
#[derive(Default)]
pub(crate) struct Processes {
    pub(crate) all: BTreeMap<TaskId, Process>,
    /// Tasks that were started, ever.
    started: BTreeSet<TaskId>,
    /// Tasks that ran, ever, and said that they are well if they were to be asked.
    up: BTreeSet<TaskId>,
    /// Nothing goes wrong by chance.
    pub(crate) well: bool,
    /// Nothing more fits on the node before this.
    pub(crate) full_until: Timestamp,
    pub(crate) counts: Counts,
    runs: u64,
    next_port: u16,
}

/// What came of an order.
pub(crate) struct Outcome {
    pub(crate) result: Result<(), OrderFailure>,
    /// An end that follows from it, after a time.
    pub(crate) end: Option<(Duration, End)>,
    /// What must never be: the executor was told to do it all the same.
    pub(crate) wrong: Option<String>,
}

impl Outcome {
    pub(crate) fn of(result: Result<(), OrderFailure>) -> Outcome {
        Outcome {
            result,
            end: None,
            wrong: None,
        }
    }
}

impl Processes {
    /// Carries out an order. `luck`: only what always goes wrong goes wrong; `now`: the time, and
    /// as the machine shows it.
    pub(crate) fn carry_out(
        &mut self,
        job: &Job,
        (now, wall): (Timestamp, Timestamp),
        luck: bool,
        dice: &mut Dice,
    ) -> Outcome {
        if !luck && dice.chance(20) {
            let refused = dice.chance(100);
            let message = "bad luck".into();
            return Outcome::of(Err(OrderFailure { refused, message }));
        }
        match job.order {
            Order::Prepare if now < self.full_until && !self.all.contains_key(&job.task) => {
                self.counts.no_space += 1;
                let message = "no space left on device".into();
                let refused = false;
                Outcome::of(Err(OrderFailure { refused, message }))
            }
            Order::Prepare => Outcome::of(self.prepare(job, dice)),
            Order::Start => self.start(job.task, (now, wall), luck, dice),
            Order::Stop { signal, grace } => self.stop(job.task, (signal, grace), wall, dice),
            Order::Remove => {
                let running = self.all.get(&job.task).is_some_and(Process::is_running);
                self.all.remove(&job.task);
                let wrong = running.then(|| format!("{} is removed while it runs", job.task));
                Outcome {
                    wrong,
                    ..Outcome::of(Ok(()))
                }
            }
        }
    }

    fn prepare(&mut self, job: &Job, dice: &mut Dice) -> Result<(), OrderFailure> {
        let Some(about) = job
            .about
            .clone()
            .filter(|_| !self.all.contains_key(&job.task))
        else {
            return Ok(());
        };
        let used: BTreeSet<(u16, Protocol)> = self
            .all
            .values()
            .filter(|process| !matches!(process.observed.phase, Phase::Exited(_)))
            .flat_map(|process| &process.observed.ports)
            .map(|port| (port.published, port.protocol))
            .collect();
        let from = 20_000 + self.next_port;
        self.next_port = (self.next_port + 7) % 5_000;
        let is_free = |port: u16, protocol| !used.contains(&(port, protocol));
        let ports = choose_ports(&about.ports, from, is_free).map_err(|problem| OrderFailure {
            refused: false,
            message: problem.to_string().into(),
        })?;
        let process = Process {
            answers: 0,
            patience: about.manner.patience(dice),
            course: None,
            asks_planned: false,
            about,
            observed: Observed::new(Phase::Prepared, ports),
            run: 0,
            stubborn: false,
        };
        self.all.insert(job.task, process);
        Ok(())
    }

    fn start(
        &mut self,
        task: TaskId,
        (now, wall): (Timestamp, Timestamp),
        luck: bool,
        dice: &mut Dice,
    ) -> Outcome {
        let Some(process) = self.all.get_mut(&task) else {
            let message = "it is not prepared".into();
            let refused = false;
            return Outcome::of(Err(OrderFailure { refused, message }));
        };
        if process.observed.phase != Phase::Prepared {
            return Outcome::of(Ok(()));
        }
        let again = !self.started.insert(task);
        self.runs += 1;
        process.run = self.runs;
        process.stubborn = dice.chance(100);
        let pid = u32::try_from(100 + self.runs).unwrap_or(u32::MAX);
        process.observed.phase = Phase::Running { pid, since: wall };
        process.begin_checks(now);
        self.counts.containers += u64::from(process.about.in_engine);
        if !process.about.is_asked {
            self.up.insert(task);
        }
        let run = process.run;
        let end = process.about.manner.natural_end(luck, dice);
        let end = end.map(|(after, code)| {
            let cause = ExitCause::Exited;
            (after, End { run, cause, code })
        });
        Outcome {
            result: Ok(()),
            end,
            wrong: again.then(|| format!("{task} is started a second time")),
        }
    }

    fn stop(
        &mut self,
        task: TaskId,
        (signal, grace): (i32, Duration),
        now: Timestamp,
        dice: &mut Dice,
    ) -> Outcome {
        let mut outcome = Outcome::of(Ok(()));
        match self.all.get_mut(&task) {
            Some(process) if process.is_running() => {
                let deaf = process.stubborn && signal != signal::KILL;
                let after = if deaf { grace } else { dice.millis(0, 300) };
                let end = End {
                    run: process.run,
                    cause: ExitCause::Stopped,
                    code: if deaf { 137 } else { 143 },
                };
                outcome.end = Some((after, end));
            }
            Some(process) if process.observed.phase == Phase::Prepared => {
                process.observed.phase = Phase::Exited(Exit {
                    cause: ExitCause::Stopped,
                    code: None,
                    signal: 0,
                    at: now,
                    message: "".into(),
                });
            }
            _ => {}
        }
        outcome
    }

    /// Ends a process, if it is still the one that is meant; says whether it was.
    pub(crate) fn end(&mut self, task: TaskId, end: End, now: Timestamp) -> bool {
        let Some(process) = self.all.get_mut(&task) else {
            return false;
        };
        if process.run != end.run || !process.is_running() {
            return false;
        }
        process.observed.phase = Phase::Exited(Exit {
            cause: end.cause,
            code: Some(end.code),
            signal: u32::try_from(end.code - 128).unwrap_or(0),
            at: now,
            message: "".into(),
        });
        true
    }

    /// The power goes: nothing runs any more, and of some nothing is left at all.
    pub(crate) fn power_off(&mut self, now: Timestamp, dice: &mut Dice) {
        self.all.retain(|_, _| dice.chance(700));
        for process in self.all.values_mut().filter(|process| process.is_running()) {
            process.observed.phase = Phase::Exited(Exit {
                cause: ExitCause::Lost,
                code: None,
                signal: 0,
                at: now,
                message: "".into(),
            });
        }
    }

    /// All is gone, and forgotten, but for which tasks must not be started again.
    pub(crate) fn forget(&mut self, known: impl Fn(TaskId) -> bool) {
        self.all.clear();
        self.started.retain(|task| known(*task));
    }

    /// Asks a task how it is.
    pub(crate) fn ask(&mut self, task: TaskId, dice: &mut Dice) -> Result<(), Arc<str>> {
        let process = self.all.get_mut(&task).filter(|it| it.is_running());
        let process = process.ok_or("nobody answers")?;
        let (manner, answers) = (process.about.manner, process.answers);
        process.answers += 1;
        let fit = manner.is_fit(answers, process.patience, self.well);
        if !fit || (!self.well && dice.chance(20)) {
            return Err("it is not well".into());
        }
        if self.up.insert(task) && answers > 0 {
            self.counts.well_late += 1;
        }
        Ok(())
    }

    /// Whether a task ran here, and said that it is well if it was to be asked.
    pub(crate) fn was_up(&self, task: TaskId) -> bool {
        self.up.contains(&task)
    }

    /// What really is there: of the processes, or of the containers.
    pub(crate) fn observed(&self, in_engine: bool) -> BTreeMap<TaskId, Observed> {
        let all = self.all.iter();
        all.filter(|(_, process)| process.about.in_engine == in_engine)
            .map(|(task, process)| (*task, process.observed.clone()))
            .collect()
    }

    /// Tasks that run.
    pub(crate) fn running(&self) -> impl Iterator<Item = (TaskId, &Process)> {
        let running = self.all.iter().filter(|(_, process)| process.is_running());
        running.map(|(task, process)| (*task, process))
    }

    /// A host port that two running processes have at the same time.
    pub(crate) fn shared_host_port(&self) -> Option<(u16, TaskId, TaskId)> {
        let mut taken: BTreeMap<(u16, Protocol), TaskId> = BTreeMap::new();
        for (task, process) in self.running() {
            let ports = process.observed.ports.iter();
            for port in ports.filter(|port| port.mode == PortMode::Host) {
                if let Some(other) = taken.insert((port.published, port.protocol), task)
                    && other != task
                {
                    return Some((port.published, other, task));
                }
            }
        }
        None
    }
}

/// A place of a service, as a machine knows it: a slot, or this very machine.
pub(crate) fn place(about: &About, node: NodeId) -> (ServiceId, u32, Option<NodeId>) {
    (about.service, about.slot, (about.slot == 0).then_some(node))
}
