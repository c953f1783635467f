// SPDX-License-Identifier: Apache-2.0
//! The worker: sees to it that a node runs what it was given.
//!
//! What to do is decided by [`skep_core::node_agent::Worker`]. This is what goes round it: the
//! executor's list and the time go in; what comes out is remembered on disk, then told to the
//! managers, then ordered from the executor. Nothing here waits for the disk or the executor, so
//! news is always taken at once.

mod convert;
mod describe;
mod disk;
mod ending;
mod orders;
mod ports;
mod save;
mod traffic;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::stream::{BoxStream, StreamExt};
use skep_core::assign::{Assignments, Held};
use skep_core::model::{NodeDescription, TaskId, Timestamp, Workload};
use skep_core::node_agent::{self as core, NodeFacts, Order, OrderFailure, launch};
use skep_core::session::Welcome;
use skep_network::{DataPlane, PlaneStatus, Reach};
use skep_wire::session::{encode_held, encode_memory};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::checks::Checks;
use crate::clock::Clock;
use crate::executor::{Executor, Hint, Trouble};
use crate::session::{Known, News, Word};

pub use disk::MemoryError;

use disk::{Disk, Pages};
use orders::{Done, Job, Orders};
use ports::Ports;
use save::Save;

/// How often the executor's list is looked at without a hint.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What a worker needs.
pub(crate) struct WorkerParts {
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) plane: Arc<dyn DataPlane>,
    pub(crate) description: Arc<NodeDescription>,
    /// To the session, which takes words at once.
    pub(crate) words: mpsc::UnboundedSender<Word>,
}

/// A worker that does not run yet.
pub(crate) struct Worker {
    parts: WorkerParts,
    disk: Option<Disk>,
    held: Held,
    welcome: Option<Welcome>,
    core: core::Worker,
    ports: Ports,
    orders: Orders,
    checks: Checks,
    check_news: watch::Receiver<u64>,
    plane_status: watch::Receiver<PlaneStatus>,
    hints: BoxStream<'static, Hint>,
    looks: Interval,
    /// What waits for the disk.
    save: Save,
    /// The tasks or templates differ from those on disk.
    new_assignments: bool,
    /// The endpoints differ from those on disk.
    new_endpoints: bool,
    /// The welcome differs from the one on disk.
    new_welcome: bool,
    /// Something may have changed since the last turn.
    due: bool,
    wake_at: Option<Timestamp>,
    clock: Clock,
    /// What the executor is capable of, and what keeps it from that.
    executor_says: (Vec<&'static str>, Vec<Trouble>),
}

impl Worker {
    /// A worker that remembers what is in the directory, which is made if it is not there;
    /// without one it remembers nothing beyond its life.
    pub(crate) fn open(parts: WorkerParts, dir: Option<&Path>) -> Result<Worker, MemoryError> {
        let disk = dir.map(Disk::open).transpose()?;
        let loaded = disk.as_ref().map(Disk::load).transpose()?;
        let (held, memory) = loaded.unwrap_or_default();
        traffic::begin(parts.plane.as_ref(), &held);
        let first = Instant::now() + LOOK_EVERY.mul_f64(rand::random());
        let mut looks = tokio::time::interval_at(first, LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let checks = Checks::new(parts.executor.clone(), parts.description.address);
        Ok(Worker {
            check_news: checks.news(),
            checks,
            core: core::Worker::remembering(memory.tasks),
            ports: Ports::new(parts.description.address),
            orders: Orders::new(parts.executor.clone()),
            plane_status: parts.plane.status(),
            hints: parts.executor.hints(),
            looks,
            save: Save::default(),
            new_assignments: false,
            new_endpoints: false,
            new_welcome: false,
            due: true,
            wake_at: None,
            clock: Clock::start(),
            executor_says: Default::default(),
            welcome: memory.welcome,
            disk,
            held,
            parts,
        })
    }

    /// Works until there is no more news, and then, if asked to, ends all tasks.
    pub(crate) async fn run(
        mut self,
        mut news: mpsc::Receiver<News>,
        end_tasks: watch::Receiver<bool>,
    ) {
        let (executor, containers) = (self.parts.executor.clone(), self.containers());
        executor.recall(containers).await;
        self.describe();
        loop {
            if self.due && self.save.is_idle() {
                self.turn();
            }
            let now = self.clock.now();
            let wait = self.wake_at.map(|time| time.since(now));
            tokio::select! {
                heard = news.recv() => match heard {
                    Some(heard) => self.hear(heard),
                    None => break,
                },
                done = self.orders.next() => self.done(done),
                saved = self.save.next() => self.saved(saved),
                _ = self.hints.next() => {
                    while self.hints.next().now_or_never().flatten().is_some() {}
                    self.hear_executor();
                    self.due = true;
                }
                Ok(()) = self.check_news.changed() => self.due = true,
                Ok(()) = self.plane_status.changed() => self.describe(),
                () = sleep(wait), if !self.due => self.due = true,
                _ = self.looks.tick() => {
                    self.new_assignments |= self.new_endpoints;
                    self.due = true;
                }
            }
        }
        if *end_tasks.borrow() {
            ending::end_all(self.parts.executor.as_ref()).await;
        }
    }

    /// Which containers were those of tasks when this was written down.
    fn containers(&self) -> Vec<(TaskId, Arc<str>)> {
        let records = self.core.records().values();
        let known = records.map(|record| (record.task, record.reported.container.clone()));
        let containers = known.filter(|(_, container)| !container.is_empty());
        containers.collect()
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Welcome(welcome) => {
                self.new_welcome |= self.welcome.as_ref() != Some(&welcome);
                self.welcome = Some(welcome);
                self.due = true;
            }
            News::Step(step) => self.take_over(step),
            News::Connected(answer) => {
                // Nobody waits any more: the connection is gone again.
                answer.send(self.known()).ok();
            }
        }
    }

    fn take_over(&mut self, step: Assignments) {
        match self.held.apply(step) {
            Ok(change) => {
                traffic::follow(self.parts.plane.as_ref(), &self.held, &change);
                self.new_endpoints |= !change.endpoints.is_empty();
                self.new_assignments |= !change.tasks.is_empty() || change.templates;
                if self.new_assignments || !self.save.is_idle() {
                    self.due = true;
                } else {
                    // The disk has all tasks and templates of this revision. Endpoints change
                    // often, and old ones are better than none: they are written now and then.
                    self.tell(Word::TookOver(self.held.revision));
                }
            }
            Err(goes_back) => self.tell(Word::Refuse(goes_back)),
        }
    }

    fn known(&self) -> Known {
        let assigned = |task: &TaskId| self.held.tasks.contains_key(task);
        let records = self.core.records().values();
        let records = records.filter(|record| assigned(&record.task));
        Known {
            after: self.held.revision,
            tasks: records
                .map(|record| (record.task, record.reported.clone()))
                .collect(),
        }
    }

    /// Looks at everything, and does what follows once it is remembered.
    fn turn(&mut self) {
        self.due = false;
        let observed = self.observe();
        let unseen = self.parts.executor.unseen();
        let now = self.clock.now();
        let plan = self.core.step(&self.held, &observed, &unseen, now);
        self.wake_at = plan.wake_at;
        let pages = self.pages(!plan.records.is_empty());
        self.save
            .begin(self.disk.as_ref(), pages, plan, self.held.revision);
    }

    fn observe(&mut self) -> BTreeMap<TaskId, core::Observed> {
        let list = self.parts.executor.list();
        let mut observed: BTreeMap<_, _> = list
            .iter()
            .map(|seen| (seen.task, convert::observed(seen)))
            .collect();
        self.check(&mut observed);
        let orders = &self.orders;
        self.ports
            .settle(&observed, |task| orders.is_preparing(task));
        observed
    }

    /// Adds what the checks of the tasks that run say.
    fn check(&mut self, observed: &mut BTreeMap<TaskId, core::Observed>) {
        self.checks.keep(|task| {
            let known = observed.get(&task);
            known.is_some_and(|known| matches!(known.phase, core::Phase::Running { .. }))
        });
        for (task, known) in observed {
            let template = self.held.tasks.get(task);
            let template = template.and_then(|assigned| self.held.template_of(assigned));
            let check = template.and_then(|template| core::agent_check(&template.template));
            if let (core::Phase::Running { .. }, Some(check)) = (&known.phase, check) {
                known.health = self.checks.health(*task, check, &known.ports);
            }
        }
    }

    /// What has to be written.
    fn pages(&mut self, new_records: bool) -> Pages {
        let new_assignments = std::mem::take(&mut self.new_assignments);
        self.new_endpoints &= !new_assignments;
        let new_welcome = std::mem::take(&mut self.new_welcome);
        if self.disk.is_none() {
            return Pages::default();
        }
        let records = self.core.records().values();
        Pages {
            assignments: new_assignments.then(|| encode_held(&self.held)),
            memory: (new_records || new_welcome)
                .then(|| encode_memory(self.welcome.as_ref(), records)),
        }
    }

    /// What was decided is remembered, or could not be.
    fn saved(&mut self, saved: save::Saved) {
        let failed = saved.result.is_err();
        let changed = self.save.note(&saved.result);
        if changed {
            self.describe();
        }
        if failed {
            return;
        }
        self.tell(Word::TookOver(saved.revision));
        if !saved.plan.reports.is_empty() {
            self.tell(Word::Report(saved.plan.reports));
        }
        let mut jobs: BTreeMap<TaskId, VecDeque<Job>> = BTreeMap::new();
        for (task, order) in saved.plan.orders {
            let job = self.job(task, order);
            jobs.entry(task).or_default().push_back(job);
        }
        for (task, jobs) in jobs {
            self.orders.give(task, jobs);
        }
    }

    fn job(&mut self, task: TaskId, order: Order) -> Job {
        match order {
            Order::Prepare => Job::Prepare(self.work(task)),
            Order::Start => Job::Start,
            Order::Stop { signal, grace } => Job::Stop { signal, grace },
            Order::Remove => Job::Remove,
        }
    }

    /// What exactly a task is to run here.
    fn work(&mut self, task: TaskId) -> Result<Box<crate::executor::Work>, OrderFailure> {
        let not_yet = |what: &str| OrderFailure {
            refused: false,
            message: what.into(),
        };
        let assigned = self.held.tasks.get(&task);
        let assigned = assigned.ok_or_else(|| not_yet("the task is no longer for this node"))?;
        let template = self.held.template_of(assigned);
        let template = template.ok_or_else(|| not_yet("its template is not here yet"))?;
        let node = self.facts();
        let node = node.ok_or_else(|| not_yet("no manager has named this node yet"))?;
        let wanted = core::opened_ports(template);
        let reach = match template.template.workload {
            Workload::Process(_) => Reach::Direct,
            Workload::Container(_) => Reach::Forwarded,
        };
        let ports = self.ports.choose(task, &wanted, reach)?;
        let launch = launch(assigned, template, &node, ports).map_err(|error| OrderFailure {
            refused: true,
            message: error.to_string().into(),
        })?;
        Ok(Box::new(convert::work(launch)))
    }

    fn facts(&self) -> Option<NodeFacts> {
        let welcome = self.welcome.as_ref()?;
        let description = &self.parts.description;
        Some(NodeFacts {
            id: welcome.node,
            name: welcome.name.clone(),
            labels: welcome.labels.clone(),
            hostname: description.hostname.clone(),
            platform: description.platform.clone(),
            address: description.address,
        })
    }

    fn done(&mut self, done: Done) {
        self.core
            .done(done.task, done.kind, done.result, self.clock.now());
        self.due = true;
    }

    /// Says what the node is, if its executor says something else of itself than before.
    fn hear_executor(&mut self) {
        let executor = &self.parts.executor;
        let says = (executor.capabilities(), executor.troubles());
        if self.executor_says != says {
            self.executor_says = says;
            self.describe();
        }
    }

    fn tell(&self, word: Word) {
        // Without a session nobody needs to know.
        self.parts.words.send(word).ok();
    }
}

async fn sleep(span: Option<Duration>) {
    match span {
        Some(span) => tokio::time::sleep(span).await,
        None => std::future::pending().await,
    }
}
