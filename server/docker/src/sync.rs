// SPDX-License-Identifier: Apache-2.0
//! Keeps what is known up to date with the engine.
//!
//! Events are hints: they are lost when a reader is slow or the engine starts again. So everything
//! is looked at once events are listened to, and again and again after that. An engine that is gone takes nothing with it: what was known last stays known
//! until the engine itself says otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum as State, EventMessage};
use futures::StreamExt;
use skep_agent::executor::Phase;
use skep_core::model::{HealthState, TaskId};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::task::AbortOnDropHandle;

use crate::engine::About;
use crate::error::EngineError;
use crate::moment;
use crate::observe::is_named;
use crate::orders::Inner;
use crate::table::Known;

/// How an engine is looked after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How often everything is looked at without an event.
    pub(crate) look_every: Duration,
    /// Waits before an engine that is gone is asked again: the first, and the longest.
    pub(crate) pauses: (Duration, Duration),
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            look_every: Duration::from_secs(15),
            pauses: (Duration::from_millis(100), Duration::from_secs(5)),
        }
    }
}

/// How far back events are asked for at first: a little further than the look before.
const OVERLAP_SECONDS: i64 = 5;
/// How many events are read ahead of the looks that they lead to.
const EVENTS_AHEAD: usize = 1_024;
/// How many containers are looked at at a time.
pub(crate) const LOOKS_AT_ONCE: usize = 8;

/// How things stand with the engine.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Status {
    /// Everything was looked at once, so that what is not known is not there.
    pub(crate) looked: bool,
    /// What it offers; nothing while it cannot be reached.
    pub(crate) about: Option<About>,
    /// Why it cannot be reached.
    pub(crate) trouble: Option<Arc<str>>,
    /// How often it was tried: for those who wait for the first time.
    pub(crate) tries: u64,
}

/// Looks after an engine for ever.
pub(crate) async fn run(inner: Arc<Inner>, status: watch::Sender<Status>, pace: Pace) {
    let mut pause = pace.pauses.0;
    loop {
        let error = match meet(&inner).await {
            Ok((about, events)) => {
                pause = pace.pauses.0;
                greet(&inner, &status, about);
                listen(&inner, &status, events, pace).await
            }
            Err(error) => error,
        };
        inner.set_away(true);
        mourn(&inner, &status, &error);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(pace.pauses.1);
    }
}

fn greet(inner: &Inner, status: &watch::Sender<Status>, about: About) {
    let before = status.borrow().clone();
    if before.trouble.is_some() {
        tracing::info!(engine = %inner.engine.address(), "the Docker engine is back");
    }
    let known = before.about.and_then(|about| about.swarm_mode);
    if let Some(swarm_mode) = about
        .swarm_mode
        .as_ref()
        .filter(|it| Some(*it) != known.as_ref())
    {
        tracing::warn!(engine = %inner.engine.address(), "{swarm_mode}");
    }
    status.send_replace(Status {
        looked: true,
        about: Some(about),
        trouble: None,
        tries: before.tries + 1,
    });
    inner.table.hints.send(TaskId(0));
}

fn mourn(inner: &Inner, status: &watch::Sender<Status>, error: &EngineError) {
    let before = status.borrow().clone();
    let (error, address) = (error.to_string(), inner.engine.address().to_string());
    let words: Arc<str> = if error.contains(&address) {
        error.as_str().into()
    } else {
        format!("{error} ({address})").into()
    };
    if before.trouble.is_none() {
        tracing::warn!(%address, error, "the Docker engine is gone");
    }
    let news = before.trouble.as_ref() != Some(&words);
    status.send_replace(Status {
        looked: before.looked,
        about: None,
        trouble: Some(words),
        tries: before.tries + 1,
    });
    if news {
        inner.table.hints.send(TaskId(0));
    }
}

/// Begins anew with an engine, which may be another version than before. Events are listened to
/// before everything is looked at, so that nothing falls between the two.
async fn meet(inner: &Arc<Inner>) -> Result<(About, Events), EngineError> {
    inner.engine.negotiate().await?;
    let events = Events::begin(inner)?;
    let about = inner.engine.about().await?;
    look(inner, false).await?;
    inner.set_away(false);
    Ok((about, events))
}

/// The events of an engine, which are read whatever else is being done: it keeps few of them for
/// those who read slowly.
struct Events {
    touched: mpsc::Receiver<Result<Touched, EngineError>>,
    _reading: AbortOnDropHandle<()>,
}

/// A task, and the container that an event is about.
type Touched = (TaskId, String);

impl Events {
    fn begin(inner: &Arc<Inner>) -> Result<Events, EngineError> {
        let since = moment::seconds(moment::now()) - OVERLAP_SECONDS;
        let events = inner.engine.events(&inner.owner.filter(), since)?;
        let (tell, touched) = mpsc::channel(EVENTS_AHEAD);
        let inner = inner.clone();
        let reading = tokio::spawn(async move {
            let mut events = pin!(events);
            while let Some(event) = events.next().await {
                let news = match event {
                    Ok(event) => touched_by(&inner, &event).map(Ok),
                    Err(error) => Some(Err(error)),
                };
                if let Some(news) = news
                    && tell.send(news).await.is_err()
                {
                    return;
                }
            }
        });
        Ok(Events {
            touched,
            _reading: AbortOnDropHandle::new(reading),
        })
    }
}

/// Follows events until the engine is gone.
async fn listen(
    inner: &Arc<Inner>,
    status: &watch::Sender<Status>,
    mut events: Events,
    pace: Pace,
) -> EngineError {
    let mut looks = tokio::time::interval_at(Instant::now() + pace.look_every, pace.look_every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut refreshes = JoinSet::new();
    loop {
        tokio::select! {
            heard = events.touched.recv(), if refreshes.len() < LOOKS_AT_ONCE => match heard {
                Some(Ok((task, container))) => {
                    let inner = inner.clone();
                    refreshes.spawn(async move { refresh(&inner, task, &container).await });
                }
                Some(Err(error)) => return error,
                None => return EngineError::other("cannot hear the engine's events", "they ended"),
            },
            Some(_) = refreshes.join_next() => {}
            _ = looks.tick() => if let Err(error) = look_again(inner, status).await {
                return error;
            },
        }
    }
}

/// Looks at what changed without an event: of the containers, and of the engine itself, which
/// tells nobody when its swarm mode begins or ends.
async fn look_again(inner: &Arc<Inner>, status: &watch::Sender<Status>) -> Result<(), EngineError> {
    look(inner, true).await?;
    let about = inner.engine.about().await?;
    if status.borrow().about.as_ref() != Some(&about) {
        greet(inner, status, about);
    }
    Ok(())
}

/// The container that an event is about, and its task. That it ran out of memory is noted: the
/// event of its end may come first.
fn touched_by(inner: &Inner, event: &EventMessage) -> Option<Touched> {
    let actor = event.actor.as_ref()?;
    let (task, _) = inner.owner.read(actor.attributes.as_ref()?)?;
    let container = actor.id.clone()?;
    if event.action.as_deref() == Some("oom") {
        inner.table.note_oom(task, &container);
    }
    Some((task, container))
}

/// Looks at everything: at all containers that there are, or only at those that changed.
async fn look(inner: &Arc<Inner>, only_changed: bool) -> Result<(), EngineError> {
    let known: BTreeMap<TaskId, Known> = inner
        .table
        .all()
        .into_iter()
        .map(|known| (known.observed.task, known))
        .collect();
    let there = inner.engine.list(&inner.owner.filter()).await?;
    let mut due = BTreeSet::new();
    for container in &there {
        if let Some((task, id)) = ours(inner, container)
            && !(only_changed && known.get(&task).is_some_and(|it| is_same(it, container)))
        {
            due.insert((task, id));
        }
    }
    let ids: Vec<&str> = there.iter().filter_map(|it| it.id.as_deref()).collect();
    for (task, known) in known {
        if let Some(id) = known.container().filter(|id| !ids.contains(id)) {
            due.insert((task, id.to_owned()));
        }
    }
    futures::stream::iter(due)
        .for_each_concurrent(LOOKS_AT_ONCE, async |(task, id)| {
            refresh(inner, task, &id).await
        })
        .await;
    Ok(())
}

fn ours(inner: &Inner, container: &ContainerSummary) -> Option<Touched> {
    let (task, _) = inner.owner.read(container.labels.as_ref()?)?;
    let id = container.id.clone()?;
    let mut names = container.names.iter().flatten();
    let is_ours = names.any(|name| is_named(name, task)) || inner.is_known(task, &id);
    is_ours.then_some((task, id))
}

/// Whether the list says nothing else of a container than what is known.
fn is_same(known: &Known, container: &ContainerSummary) -> bool {
    let state = container.state.unwrap_or(State::EMPTY);
    let same_phase = match known.observed.phase {
        Phase::Preparing => false,
        Phase::Prepared => state == State::CREATED,
        Phase::Running { .. } => matches!(state, State::RUNNING | State::PAUSED),
        Phase::Exited(_) => {
            matches!(
                state,
                State::CREATED | State::EXITED | State::DEAD | State::REMOVING
            )
        }
    };
    // The engine says it in words, such as "Up 2 minutes (unhealthy)".
    let words = container.status.as_deref().unwrap_or_default();
    let health = if words.contains("(unhealthy)") {
        HealthState::Unhealthy
    } else if words.contains("(healthy)") {
        HealthState::Healthy
    } else if words.contains("(health: starting)") {
        HealthState::Starting
    } else {
        HealthState::Unchecked
    };
    let runs = matches!(known.observed.phase, Phase::Running { .. });
    let same_health = !runs || known.observed.health.state() == health;
    known.container() == container.id.as_deref() && same_phase && same_health
}

async fn refresh(inner: &Inner, task: TaskId, container: &str) {
    // A copy of a container has its labels, but it is not the task's.
    let another = inner
        .table
        .known(task)
        .is_some_and(|known| known.container().is_some_and(|id| id != container));
    if another {
        return;
    }
    if let Err(error) = inner.refresh(task, container).await {
        // The next look finds it.
        tracing::debug!(%task, %error, "a container could not be looked at");
    }
}

#[cfg(test)]
mod tests;
