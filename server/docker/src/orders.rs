// SPDX-License-Identifier: Apache-2.0
//! What the engine is told to do with a task. Each order has the task's turn; the engine's own
//! answer counts, and what it says then goes into the table.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use skep_agent::executor::{ContainerWork, ExecutorError, ExitCause, Observed, Phase};
use skep_core::model::{TaskId, signal};
use tokio::task::JoinSet;

use crate::create;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::image;
use crate::labels::{Owner, container_name};
use crate::logs;
use crate::observe::{self, SIGNAL_BASE, Seen, Told, stopped_before_start};
use crate::pulls::Pulls;
use crate::refusal::{self, cannot_create};
use crate::sync::LOOKS_AT_ONCE;
use crate::table::{Known, Table};

/// How long after the end of a container its engine may tell that it ran out of memory.
const OOM_LATE: Duration = Duration::from_secs(1);

/// What all orders of an executor share.
pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) owner: Owner,
    /// The node's address, which ports are opened at.
    pub(crate) address: IpAddr,
    pub(crate) table: Arc<Table>,
    /// The engine is gone, or has only just come back: not everything was looked at since.
    away: AtomicBool,
    pulls: Arc<Pulls>,
    /// The engine's ids of containers that an earlier life of the agent knew.
    recalled: Mutex<BTreeMap<TaskId, Arc<str>>>,
    /// Those that kill what outlives its grace. They go with this.
    killers: Mutex<JoinSet<()>>,
}

impl Inner {
    pub(crate) fn new(
        engine: Engine,
        owner: Owner,
        address: IpAddr,
        settings: Option<PathBuf>,
    ) -> Self {
        Inner {
            pulls: Pulls::new(engine.clone(), settings),
            engine,
            owner,
            address,
            table: Arc::default(),
            away: AtomicBool::new(false),
            recalled: Mutex::default(),
            killers: Mutex::default(),
        }
    }

    /// Notes that the engine is gone, or that all was looked at since it is back.
    pub(crate) fn set_away(&self, is_away: bool) {
        self.away.store(is_away, Ordering::SeqCst);
    }

    /// Takes up which container was that of which task, and looks at those that are not known:
    /// somebody may have given them another name.
    pub(crate) async fn recall(&self, containers: Vec<(TaskId, Arc<str>)>) {
        self.recalled().extend(containers.iter().cloned());
        let unknown = |(task, _): &(TaskId, Arc<str>)| self.table.known(*task).is_none();
        let unknown = containers.into_iter().filter(unknown);
        futures::stream::iter(unknown)
            .for_each_concurrent(LOOKS_AT_ONCE, async |(task, container)| {
                // An engine that does not answer is looked at when it is back.
                self.refresh(task, &container).await.ok();
            })
            .await;
    }

    fn recalled(&self) -> MutexGuard<'_, BTreeMap<TaskId, Arc<str>>> {
        // Nothing that is done under this lock leaves the map half changed.
        self.recalled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a container is known as that of a task, whatever it is called.
    pub(crate) fn is_known(&self, task: TaskId, container: &str) -> bool {
        let known = self.table.known(task);
        let recalled = self.recalled();
        known.is_some_and(|known| known.container() == Some(container))
            || recalled.get(&task).is_some_and(|id| **id == *container)
    }

    /// Gets the image and makes the container.
    pub(crate) async fn prepare(&self, work: ContainerWork) -> Result<(), ExecutorError> {
        let task = work.task;
        if self.table.known(task).is_some() {
            return Ok(());
        }
        let cancelled = self.table.prepare(task, work.stop, None);
        let made = tokio::select! {
            made = self.make(&work) => made,
            () = cancelled.cancelled() => {
                Err(ExecutorError::Engine("its preparation was ended".to_owned()))
            }
        };
        // What was begun may have come further than its answer.
        let name = container_name(&work);
        let seen = self.refresh(task, &name).await;
        if made.is_err() && !matches!(seen, Ok(Some(_))) {
            self.table.forget(task, true);
        }
        made?;
        match seen {
            Ok(Some(_)) => Ok(()),
            Ok(None) => {
                self.table.forget(task, true);
                let words = format!("the container {name} is gone again");
                Err(ExecutorError::Engine(words))
            }
            Err(error) => {
                self.table.forget(task, true);
                Err(error.into())
            }
        }
    }

    async fn make(&self, work: &ContainerWork) -> Result<(), ExecutorError> {
        let task = work.task;
        let body = create::body(work, self.owner, self.address, self.engine.version())?;
        let name = container_name(work);
        // One that an earlier life of this agent made.
        if self.is_ours(task, &name).await? == Some(true) {
            return Ok(());
        }
        let container = &work.launch.container;
        let tell = |progress: String| {
            self.table
                .tell(task, image::pulling(&container.image, &progress));
        };
        let template = (work.service_id, work.template_revision);
        let note = image::provide(&self.engine, &self.pulls, container, template, tell).await?;
        self.table.keep_note(task, note);
        let Err(error) = self.engine.create(&name, body).await else {
            return Ok(());
        };
        if error.status() == Some(409) {
            return match self.is_ours(task, &name).await? {
                Some(true) => Ok(()),
                Some(false) => Err(ExecutorError::refused(
                    "container",
                    format!(
                        "the engine has a container {name} that is not of this node: remove it \
                         (\"docker rm {name}\"): {}",
                        error.words()
                    ),
                )),
                None => Err(error.into()),
            };
        }
        Err(cannot_create(work, error, &self.engine.platform()))
    }

    /// Whether the container with this name is that of the task; nothing: there is none.
    async fn is_ours(&self, task: TaskId, name: &str) -> Result<Option<bool>, EngineError> {
        let inspected = self.engine.inspect(name).await?;
        let platform = self.engine.platform();
        Ok(inspected.map(|inspected| {
            let seen = observe::seen(&inspected, self.owner, &platform, Told::default());
            seen.is_some_and(|seen| seen.is_named && seen.task == task)
        }))
    }

    /// Starts a container that never was started.
    pub(crate) async fn start(&self, task: TaskId) -> Result<(), ExecutorError> {
        let known = self.must_know(task)?;
        let container = known.container().ok_or(ExecutorError::UnknownTask(task))?;
        // The engine would start again what has ended: only what it says now counts.
        let now = self.refresh(task, container).await?;
        let now = now.ok_or(ExecutorError::UnknownTask(task))?;
        if now.observed.phase != Phase::Prepared {
            return Ok(());
        }
        let started = self.engine.start(container).await;
        if started.is_err() && self.is_engine_leaving().await {
            self.table.note_interrupted(task);
        }
        let seen = self.refresh(task, container).await;
        let Err(error) = started else {
            seen?;
            return Ok(());
        };
        match seen?.map(|known| known.observed.phase) {
            Some(Phase::Exited(exit)) if exit.cause == ExitCause::NotStarted => {
                let (ports, platform) = (&known.observed.ports, self.engine.platform());
                let (field, problem) = observe::start_problem(&error.words(), ports, &platform);
                Err(ExecutorError::refused(field, problem))
            }
            // It came up although the answer was lost.
            Some(Phase::Running { .. } | Phase::Exited(_)) => Ok(()),
            _ => Err(error.into()),
        }
    }

    /// Sends a signal, and SIGKILL after the grace.
    pub(crate) async fn stop(
        self: &Arc<Self>,
        task: TaskId,
        signal: i32,
        grace: Duration,
    ) -> Result<(), ExecutorError> {
        let known = self.must_know(task)?;
        let Some(seen) = known.seen else {
            return Err(ExecutorError::UnknownTask(task));
        };
        let now = self.refresh(task, &seen.container).await?;
        match now.map(|known| known.observed.phase) {
            Some(Phase::Running { .. }) => {}
            Some(Phase::Prepared | Phase::Preparing) => {
                self.table.end_unstarted(task, stopped_before_start());
                return Ok(());
            }
            Some(Phase::Exited(_)) | None => return Ok(()),
        }
        let is_kill = signal == signal::KILL || grace.is_zero();
        let first = match signal {
            _ if is_kill => "SIGKILL".to_owned(),
            signal::OWN => seen.signal.clone(),
            number => number.to_string(),
        };
        self.table.set_stopped(task, true);
        if let Err(error) = self.engine.kill(&seen.container, &first).await {
            if is_kill || !refusal::is_about_signal(&error) {
                self.table.set_stopped(task, false);
                return Err(error.into());
            }
            tracing::warn!(%task, %error, "a container is not told to stop, but killed after its grace");
        }
        if !is_kill {
            self.kill_after(task, seen, grace);
        }
        Ok(())
    }

    /// Kills what is left after the grace. The container's id is never given to another.
    fn kill_after(self: &Arc<Self>, task: TaskId, seen: Arc<Seen>, grace: Duration) {
        let (engine, table) = (self.engine.clone(), self.table.clone());
        let mut killers = self.killers.lock().unwrap_or_else(PoisonError::into_inner);
        while killers.try_join_next().is_some() {}
        killers.spawn(async move {
            tokio::time::sleep(grace).await;
            let known = table.known(task).map(|known| known.observed.phase);
            if matches!(known, Some(Phase::Running { .. }))
                && let Err(error) = engine.kill(&seen.container, "SIGKILL").await
            {
                tracing::warn!(%task, %error, "a container could not be killed after its grace");
            }
        });
    }

    /// Removes the container and the volumes that are its own.
    pub(crate) async fn remove(&self, task: TaskId) -> Result<(), ExecutorError> {
        let Some(known) = self.table.known(task) else {
            return Ok(());
        };
        if let Some(container) = known.container() {
            self.table.set_stopped(task, true);
            self.engine.remove(container).await?;
        }
        self.table.forget(task, true);
        self.recalled().remove(&task);
        Ok(())
    }

    fn must_know(&self, task: TaskId) -> Result<Known, ExecutorError> {
        self.table
            .known(task)
            .ok_or(ExecutorError::UnknownTask(task))
    }

    /// Looks at a container and remembers what it says of its task; nothing: it is gone.
    pub(crate) async fn refresh(
        &self,
        task: TaskId,
        container: &str,
    ) -> Result<Option<Known>, EngineError> {
        let _look = self.table.look(task).await;
        let mut seen = self.see(task, container).await?;
        if let Some(ended) = seen.as_ref().filter(|seen| self.has_just_ended(seen))
            && self.finds_out_more(ended).await
        {
            seen = self.see(task, container).await?;
        }
        let Some(seen) = seen else {
            self.table.gone(task);
            return Ok(None);
        };
        let known = self.known(seen).await?;
        self.table.set(known.clone());
        Ok(Some(known))
    }

    /// What a container says of its task; nothing: it is gone, or another's.
    async fn see(&self, task: TaskId, container: &str) -> Result<Option<Seen>, EngineError> {
        let inspected = self.engine.inspect(container).await?;
        let memory = self.table.memory(task);
        let told = Told {
            stopped: memory.is_stopped,
            oom: memory.is_oom,
            engine_lost: memory.is_engine_lost,
            interrupted: memory.is_interrupted,
        };
        let platform = self.engine.platform();
        let seen = inspected.and_then(|it| observe::seen(&it, self.owner, &platform, told));
        let is_its = |seen: &Seen| {
            seen.task == task && (seen.is_named || self.is_known(task, &seen.container))
        };
        Ok(seen.filter(is_its))
    }

    /// Whether this is the end, which nobody here ordered, of a container that was there before.
    fn has_just_ended(&self, seen: &Seen) -> bool {
        let known = self.table.known(seen.task);
        let phase = known.map(|known| known.observed.phase);
        let was_there = phase.is_some_and(|phase| !matches!(phase, Phase::Exited(_)));
        matches!(&seen.phase, Phase::Exited(exit) if exit.cause == ExitCause::Exited) && was_there
    }

    /// Finds out what the container itself does not say of its end; whether to look again for it.
    async fn finds_out_more(&self, ended: &Seen) -> bool {
        if self.is_engine_leaving().await {
            self.table.note_engine_lost(ended.task);
            return true;
        }
        let is_doubtful = is_doubtful(ended);
        if is_doubtful {
            self.table.oom(ended.task, OOM_LATE).await;
        }
        is_doubtful
    }

    /// Whether the engine is away or about to go. One that stops ends what it runs, and tells of it
    /// over the connections that there are, but takes no new ones any more.
    async fn is_engine_leaving(&self) -> bool {
        self.away.load(Ordering::SeqCst) || !self.engine.takes_calls().await
    }

    async fn known(&self, seen: Seen) -> Result<Known, EngineError> {
        let memory = self.table.memory(seen.task);
        let before = memory
            .known
            .filter(|known| known.container() == Some(&*seen.container));
        let image = match &before {
            Some(known) => known.observed.image.clone(),
            None => image::digest(&self.engine, &seen.image, &seen.image_id).await?,
        };
        let phase = match (&seen.phase, before.map(|known| known.observed.phase)) {
            (Phase::Prepared, _) => match memory.unstarted {
                Some(exit) => Phase::Exited(exit),
                None => Phase::Prepared,
            },
            // It was looked at when it ended, and nothing changes after that.
            (Phase::Exited(_), Some(ended @ Phase::Exited(_))) => ended,
            (Phase::Exited(exit), _) => {
                Phase::Exited(logs::with_last_lines(&self.engine, &seen, exit.clone()).await)
            }
            (other, _) => other.clone(),
        };
        Ok(Known {
            observed: Observed {
                ports: seen.ports.clone(),
                container: seen.container.clone(),
                image,
                note: memory.note,
                health: seen.health.clone(),
                ..Observed::new(seen.task, seen.stop, phase)
            },
            seen: Some(Arc::new(seen)),
        })
    }
}

/// Whether the cause of this end may come after it: the signal is that of a lack of memory.
fn is_doubtful(seen: &Seen) -> bool {
    let killed = Some(SIGNAL_BASE + signal::KILL);
    matches!(&seen.phase, Phase::Exited(exit) if exit.code == killed)
}
