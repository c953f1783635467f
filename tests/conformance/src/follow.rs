// SPDX-License-Identifier: Apache-2.0
//! The steps about watches: opened, read until something holds, judged.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::driver::{DEADLINE, Driver};
use crate::oracle::{Judgement, Truth};
use crate::run::{Run, millis};
use crate::scenario::{Until, Verdict, Watch};
use crate::value::{differences, fill, matches, number};
use crate::verdict::Wrong;
use crate::watched::Watched;

/// How long a driver waits for one event, before it is looked whether the time is over.
const STEP: Duration = Duration::from_millis(500);

/// How long a watch may take to be as the oracle: several times the longest silence.
const CATCH_UP: Duration = Duration::from_secs(30);

impl Run<'_> {
    pub(crate) async fn open_watch(&mut self, watch: &Watch) -> Result<()> {
        let filter = watch
            .filter
            .as_ref()
            .map(|filter| fill(filter, &self.variables));
        let filter = filter.transpose()?.unwrap_or_else(|| json!({}));
        let from = watch.from_revision.as_ref();
        let from = from.map(|from| fill(from, &self.variables)).transpose()?;
        let mut order = json!({"op": "watch_open", "watch": watch.name, "kind": watch.kind,
            "filter": filter});
        if let Some(from) = &from {
            order["from_revision"] = from.clone();
        }
        let opened = self.driver.ask(order, DEADLINE).await?;
        opened.map_err(Wrong::failed)?;
        let from = from.as_ref().and_then(number).unwrap_or(0);
        let watched = Watched::new(&watch.kind, filter, from);
        self.watches.insert(watch.name.clone(), watched);
        Ok(())
    }

    pub(crate) async fn unwatch(&mut self, name: &str) -> Result<()> {
        self.watches
            .remove(name)
            .with_context(|| format!("no watch {name:?}"))?;
        let order = json!({"op": "watch_close", "watch": name});
        let closed = self.driver.ask(order, DEADLINE).await?;
        closed.map(|_| ()).map_err(Wrong::failed)
    }

    /// Reads events until all that is wanted holds.
    pub(crate) async fn until(&mut self, until: &Until) -> Result<()> {
        let wanted = fill_until(until, &self.variables)?;
        let watched = self.watches.get_mut(&until.watch);
        let watched = watched.with_context(|| format!("no watch {:?}", until.watch))?;
        let started = Instant::now();
        let mut seen = wanted.event.is_none();
        loop {
            let missing = wanted.missing(watched, seen)?;
            let Some(missing) = missing else {
                return Ok(());
            };
            if started.elapsed() > until.within {
                let what = format!("waited {:?} in vain: {missing}", until.within);
                return Err(Wrong::new(what));
            }
            if let Some(event) = next(self.driver, &until.watch, watched).await?
                && let Some(like) = &wanted.event
            {
                seen |= matches(like, Some(event))?;
            }
        }
    }

    /// Judges what a watch has told.
    pub(crate) async fn verdict(&mut self, verdict: &Verdict) -> Result<()> {
        let raw = self.world.raw()?;
        let watched = self.watches.get_mut(&verdict.watch);
        let watched = watched.with_context(|| format!("no watch {:?}", verdict.watch))?;
        if verdict.same_as_oracle {
            let started = Instant::now();
            loop {
                match Truth::about(watched, &raw).await?.judge(watched)? {
                    Judgement::Same => break,
                    Judgement::Behind(what) if started.elapsed() > CATCH_UP => {
                        return Err(Wrong::new(format!("{what}, after {CATCH_UP:?}")));
                    }
                    Judgement::Behind(_) => {}
                }
                // All that there is by now, and then another look at the truth.
                while next(self.driver, &verdict.watch, watched).await?.is_some() {}
            }
        }
        if let Some(resets) = verdict.resets
            && watched.resets != resets
        {
            let what = format!("it began anew {} times instead of {resets}", watched.resets);
            return Err(Wrong::new(what));
        }
        let types = watched.events.iter().map(|event| event["type"].clone());
        let (progress, types): (Vec<_>, Vec<_>) = types.partition(|kind| kind == "progress");
        if let Some(expected) = &verdict.types {
            let found = differences(expected, Some(&Value::Array(types)))?;
            if !found.is_empty() {
                return Err(Wrong::new(format!("types of events: {}", found.join("; "))));
            }
        }
        let least = verdict.progress_min.unwrap_or_default();
        if progress.len() < least {
            let what = format!("progress was told {} times, not {least}", progress.len());
            return Err(Wrong::new(what));
        }
        Ok(())
    }
}

/// Asks the driver for the next event of a watch, if there is one in a while.
async fn next<'w>(
    driver: &Driver,
    name: &str,
    watched: &'w mut Watched,
) -> Result<Option<&'w Value>> {
    let order = json!({"op": "watch_next", "watch": name, "timeout_ms": millis(STEP)});
    let mut answer = driver.ask(order, DEADLINE).await?.map_err(Wrong::failed)?;
    if answer.get("event").is_none() {
        return Ok(None);
    }
    watched.take(answer["event"].take())?;
    Ok(watched.events.last())
}

/// What is waited for, with its variables filled in.
struct Wanted {
    count: Option<(Value, usize)>,
    event: Option<Value>,
    revision: Option<u64>,
    resets: Option<usize>,
}

fn fill_until(until: &Until, variables: &crate::value::Variables) -> Result<Wanted> {
    let count = until.count.as_ref();
    let count = count.map(|count| Ok::<_, anyhow::Error>((fill(&count.of, variables)?, count.is)));
    let event = until.event.as_ref().map(|event| fill(event, variables));
    let revision = until.revision.as_ref().map(|revision| {
        let revision = fill(revision, variables)?;
        number(&revision).with_context(|| format!("{revision} is no revision"))
    });
    Ok(Wanted {
        count: count.transpose()?,
        event: event.transpose()?,
        revision: revision.transpose()?,
        resets: until.resets,
    })
}

impl Wanted {
    /// What does not hold yet.
    fn missing(&self, watched: &Watched, seen: bool) -> Result<Option<String>> {
        if !seen && let Some(event) = &self.event {
            return Ok(Some(format!("no event {event}")));
        }
        if let Some((like, wanted)) = &self.count {
            let count = watched.count(like)?;
            if count != *wanted {
                return Ok(Some(format!(
                    "{count} objects are like {like}, not {wanted}"
                )));
            }
        }
        if let Some(wanted) = self.revision
            && watched.revision < wanted
        {
            let what = format!("complete through {}, not {wanted}", watched.revision);
            return Ok(Some(what));
        }
        if let Some(wanted) = self.resets
            && watched.resets < wanted
        {
            return Ok(Some(format!(
                "it began anew {} times, not {wanted}",
                watched.resets
            )));
        }
        // A state that was told is complete once its revision is.
        Ok(watched
            .base
            .is_none()
            .then(|| "its first state is not complete".to_owned()))
    }
}
