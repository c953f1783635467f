// SPDX-License-Identifier: Apache-2.0
//! What runs on a machine: an executor that does what it is told, and processes that live
//! and die as their spec and chance will have it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use skep_core::assign::Held;
use skep_core::model::{NodeId, Port, PortMode, Protocol, ServiceId, TaskId, Timestamp, signal};
use skep_core::node_agent::{Exit, ExitCause, Observed, Order, OrderFailure, Phase};

use super::dice::Dice;
use super::ports::choose_ports;

/// How the process of a task behaves, as its spec says by a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Manner {
    /// It runs for ever.
    Web,
    /// It ends well after a while.
    Job,
    /// It fails soon after its start.
    Crash,
    /// It fails now and then.
    Flaky,
    /// It fails at once, also where nothing goes wrong by chance.
    Bad,
}

impl Manner {
    /// All there are, with their words.
    pub(crate) const ALL: [(Manner, &'static str); 5] = [
        (Manner::Web, "web"),
        (Manner::Job, "job"),
        (Manner::Crash, "crash"),
        (Manner::Flaky, "flaky"),
        (Manner::Bad, "bad"),
    ];

    fn of(word: &str) -> Manner {
        let known = Manner::ALL.iter().find(|(_, known)| *known == word);
        known.map_or(Manner::Web, |(manner, _)| *manner)
    }
}

/// What an executor is told of a task, beside the order.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) service: ServiceId,
    pub(crate) slot: u32,
    pub(crate) ports: Vec<Port>,
    pub(crate) manner: Manner,
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
            ports: template.ports.clone(),
            manner: Manner::of(args.first().map_or("", String::as_str)),
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
}

impl Process {
    /// Whether it runs.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.observed.phase, Phase::Running { .. })
    }
}

/// Everything that runs on a machine. It outlives the agent.
#[derive(Default)]
pub(crate) struct Processes {
    pub(crate) all: BTreeMap<TaskId, Process>,
    /// Tasks that were started, ever.
    started: BTreeSet<TaskId>,
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
    fn of(result: Result<(), OrderFailure>) -> Outcome {
        Outcome {
            result,
            end: None,
            wrong: None,
        }
    }
}

impl Processes {
    /// Carries out an order. `well`: nothing goes wrong by chance.
    pub(crate) fn carry_out(
        &mut self,
        job: &Job,
        now: Timestamp,
        well: bool,
        dice: &mut Dice,
    ) -> Outcome {
        if !well && dice.chance(20) {
            let refused = dice.chance(100);
            let message = "bad luck".into();
            return Outcome::of(Err(OrderFailure { refused, message }));
        }
        match job.order {
            Order::Prepare => Outcome::of(self.prepare(job)),
            Order::Start => self.start(job.task, now, well, dice),
            Order::Stop { signal, grace } => self.stop(job.task, (signal, grace), now, dice),
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

    fn prepare(&mut self, job: &Job) -> Result<(), OrderFailure> {
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
            about,
            observed: Observed::new(Phase::Prepared, ports),
            run: 0,
            stubborn: false,
        };
        self.all.insert(job.task, process);
        Ok(())
    }

    fn start(&mut self, task: TaskId, now: Timestamp, well: bool, dice: &mut Dice) -> Outcome {
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
        process.observed.phase = Phase::Running { pid, since: now };
        let end = natural_end(process, well, dice);
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

    /// What the executor says it has.
    pub(crate) fn observed(&self) -> BTreeMap<TaskId, Observed> {
        let all = self.all.iter();
        all.map(|(task, process)| (*task, process.observed.clone()))
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

/// When and how a process ends by itself, if it does.
fn natural_end(process: &Process, well: bool, dice: &mut Dice) -> Option<(Duration, End)> {
    let (after, code) = match process.about.manner {
        Manner::Bad => (dice.millis(0, 200), 3),
        _ if well => return None,
        Manner::Web => return None,
        Manner::Job => (dice.millis(500, 8_000), 0),
        Manner::Crash => (dice.millis(0, 1_500), 3),
        Manner::Flaky if dice.chance(500) => (dice.millis(500, 20_000), 1),
        Manner::Flaky => return None,
    };
    let end = End {
        run: process.run,
        cause: ExitCause::Exited,
        code,
    };
    Some((after, end))
}

/// A place of a service, as a machine knows it: a slot, or this very machine.
pub(crate) fn place(about: &About, node: NodeId) -> (ServiceId, u32, Option<NodeId>) {
    (about.service, about.slot, (about.slot == 0).then_some(node))
}
