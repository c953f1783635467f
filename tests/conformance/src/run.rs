// SPDX-License-Identifier: Apache-2.0
//! One scenario as it runs: what it has saved, what it watches, what goes on in the background.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};

use crate::driver::{DEADLINE, Driver, Outcome};
use crate::raw::Raw;
use crate::scenario::{Action, Edit, Scenario, Step, Stream, Traffic, Wait};
use crate::value::{Variables, at, differences, fill};
use crate::verdict::Wrong;
use crate::watched::Watched;
use crate::world::World;

/// Between two attempts of a step that has some time.
const PAUSE: Duration = Duration::from_millis(50);

/// How much longer than its own deadline a call may take in the driver.
const GRACE: Duration = Duration::from_secs(20);

/// A scenario that runs.
pub(crate) struct Run<'a> {
    pub(crate) driver: &'a Arc<Driver>,
    pub(crate) world: &'a mut World,
    pub(crate) variables: Variables,
    pub(crate) watches: BTreeMap<String, Watched>,
    background: BTreeMap<String, JoinHandle<Result<Outcome>>>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(driver: &'a Arc<Driver>, world: &'a mut World) -> Self {
        let host = world.host().into();
        Self {
            driver,
            world,
            variables: Variables::from([("host".to_owned(), host)]),
            watches: BTreeMap::new(),
            background: BTreeMap::new(),
        }
    }

    /// Runs all steps; afterwards nothing goes on, and nothing is broken on purpose.
    pub(crate) async fn scenario(mut self, scenario: &Scenario) -> Result<()> {
        let mut result = Ok(());
        for (place, step) in scenario.steps.iter().enumerate() {
            result = self.step(step).await;
            if result.is_err() {
                result = result.with_context(|| format!("step {}", place + 1));
                break;
            }
        }
        for (_, task) in std::mem::take(&mut self.background) {
            task.abort();
        }
        self.world.mend()?;
        for name in self.watches.keys() {
            let order = json!({"op": "watch_close", "watch": name});
            if result.is_ok() {
                let closed = self.driver.ask(order, DEADLINE).await?;
                result = closed.map(|_| ()).map_err(Wrong::failed);
            }
        }
        result
    }

    async fn step(&mut self, step: &Step) -> Result<()> {
        for number in 1..=step.repeat {
            self.variables.insert("i".to_owned(), number.into());
            let started = Instant::now();
            let mut ticks = interval(PAUSE);
            loop {
                ticks.tick().await;
                let result = self.attempt(step).await;
                let again = step.within.is_some_and(|within| started.elapsed() < within);
                match result {
                    Err(error) if again && error.is::<Wrong>() => {}
                    result => break result?,
                }
            }
        }
        Ok(())
    }

    async fn attempt(&mut self, step: &Step) -> Result<()> {
        match &step.action {
            Action::Watch(watch) => return self.open_watch(watch).await,
            Action::Until(until) => {
                let result = self.until(until).await;
                return match (&step.error, result) {
                    (None, result) => result,
                    (Some(expected), Ok(())) => Err(Wrong::new(format!(
                        "events came instead of the error {expected}"
                    ))),
                    (Some(_), Err(error)) => {
                        let wrong = error.downcast_ref::<Wrong>();
                        let told = wrong.and_then(|wrong| wrong.error.clone());
                        told.map_or(Err(error), |told| self.judge(step, Err(told)))
                    }
                };
            }
            Action::Expect(verdict) => return self.verdict(verdict).await,
            Action::Unwatch(name) => return self.unwatch(name).await,
            Action::Fault(fault) => {
                self.world.fault(fault)?;
                // A daemon that was replaced has another socket.
                let host = self.world.host().into();
                self.variables.insert("host".to_owned(), host);
                return Ok(());
            }
            Action::Answers(answers) => {
                let mut filled = BTreeMap::new();
                for (method, answers) in answers {
                    let answers = answers.iter().map(|answer| fill(answer, &self.variables));
                    filled.insert(method.clone(), answers.collect::<Result<_>>()?);
                }
                return self.world.stand_in()?.play(filled);
            }
            Action::Requests(requests) => {
                let asked = self.world.stand_in()?.requests(&requests.of);
                if let Some(path) = &requests.same {
                    all_the_same(&asked, path)?;
                }
                return self.judge(step, Ok(json!({"requests": asked})));
            }
            Action::Join(name) => {
                let task = self.background.remove(name);
                let task = task.with_context(|| format!("nothing goes on as {name:?}"))?;
                let outcome = task.await??;
                return self.judge(step, outcome);
            }
            _ => {}
        }
        let work = self.work(step)?;
        if let Some(name) = &step.background {
            self.background.insert(name.clone(), tokio::spawn(work));
            return Ok(());
        }
        let outcome = work.await?;
        self.judge(step, outcome)
    }

    /// What takes its time and can go on in the background.
    fn work(&self, step: &Step) -> Result<impl Future<Output = Result<Outcome>> + Send + 'static> {
        let driver = Arc::clone(self.driver);
        let raw = self.world.raw()?;
        let action = step.action.clone();
        let variables = self.variables.clone();
        let (with, timeout, by_runner) = (step.with.clone(), step.timeout, step.by_runner);
        Ok(async move {
            let filled = |value: &Value| fill(value, &variables);
            let (order, deadline) = match action {
                Action::Traffic(traffic) => {
                    return run_traffic(raw, traffic, with, variables).await;
                }
                Action::Call(method) if by_runner => {
                    return Ok(raw.call(&method, &filled(&with)?).await?.map(unwrap));
                }
                Action::Call(method) => {
                    let mut order = json!({"op": "call", "method": method});
                    order["request"] = filled(&with)?;
                    if let Some(timeout) = timeout {
                        order["timeout_ms"] = millis(timeout);
                    }
                    (order, timeout.unwrap_or(DEADLINE) + GRACE)
                }
                Action::Stream(Stream { of, max }) => {
                    let timeout = timeout.unwrap_or(DEADLINE / 6);
                    let order = json!({"op": "stream", "method": of, "request": filled(&with)?,
                        "max": max, "timeout_ms": millis(timeout)});
                    (order, timeout + GRACE)
                }
                Action::Wait(Wait {
                    service,
                    timeout,
                    stable_for,
                }) => {
                    let order = json!({"op": "wait", "service": filled(&service)?,
                        "timeout_ms": millis(timeout), "stable_for_ms": millis(stable_for)});
                    (order, timeout + GRACE)
                }
                Action::Edit(Edit { kind, name, set }) => {
                    let order = json!({"op": "edit", "kind": kind, "name": filled(&name)?,
                        "set": filled(&set)?});
                    (order, DEADLINE + GRACE)
                }
                Action::Connect(to) => {
                    let mut order = filled(&to)?;
                    order["op"] = "connect".into();
                    (order, DEADLINE)
                }
                other => anyhow::bail!("{other:?} takes no time"),
            };
            Ok(driver.ask(order, deadline).await?.map(unwrap))
        })
    }

    /// Compares what came with what was expected, and saves what is wanted of it.
    fn judge(&mut self, step: &Step, outcome: Outcome) -> Result<()> {
        let came = match (outcome, &step.error) {
            (Ok(answer), None) => answer,
            (Err(error), Some(expected)) => {
                let expected = fill(expected, &self.variables)?;
                let found = differences(&expected, Some(&error))?;
                if !found.is_empty() {
                    let what = format!("the error: {}; it is {error}", found.join("; "));
                    return Err(Wrong::new(what));
                }
                error
            }
            (Ok(answer), Some(expected)) => {
                return Err(Wrong::new(format!(
                    "{answer} came instead of the error {expected}"
                )));
            }
            (Err(error), None) => return Err(Wrong::failed(error)),
        };
        if let Some(expected) = &step.expect {
            let expected = fill(expected, &self.variables)?;
            let found = differences(&expected, Some(&came))?;
            if !found.is_empty() {
                return Err(Wrong::new(format!("{}; it is {came}", found.join("; "))));
            }
        }
        for (name, path) in &step.save {
            let value = at(&came, path);
            let value = value.ok_or_else(|| Wrong::new(format!("there is no {path} in {came}")))?;
            self.variables.insert(name.clone(), value.clone());
        }
        Ok(())
    }
}

/// The response of a call, without what holds it.
fn unwrap(mut answer: Value) -> Value {
    match answer.get_mut("response") {
        Some(response) => response.take(),
        None => answer,
    }
}

pub(crate) fn millis(span: Duration) -> Value {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).into()
}

/// Calls again and again; each has to succeed.
async fn run_traffic(
    raw: Raw,
    traffic: Traffic,
    with: Value,
    mut variables: Variables,
) -> Result<Outcome> {
    let mut ticks = interval(traffic.every.max(Duration::from_millis(1)));
    for number in 1..=traffic.times {
        ticks.tick().await;
        variables.insert("i".to_owned(), number.into());
        let request = fill(&with, &variables)?;
        if let Err(error) = raw.call(&traffic.call, &request).await? {
            return Ok(Err(error));
        }
    }
    Ok(Ok(json!({"calls": traffic.times})))
}

fn all_the_same(asked: &[Value], path: &str) -> Result<()> {
    let values: Vec<_> = asked.iter().map(|request| at(request, path)).collect();
    let first = values.first().copied().flatten();
    let is_empty = first.and_then(Value::as_str).is_none_or(str::is_empty);
    if is_empty || values.iter().any(|value| *value != first) {
        return Err(Wrong::new(format!(
            "{path} is not the same in all: {values:?}"
        )));
    }
    Ok(())
}
