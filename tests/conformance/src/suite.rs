// SPDX-License-Identifier: Apache-2.0
//! A file of scenarios with one language: server and driver are started, the scenarios run, and
//! in the end the driver has to end by itself.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use crate::driver::{DEADLINE, Driver};
use crate::report::{Ended, Entry};
use crate::run::Run;
use crate::scenario::{Scenario, Suite};
use crate::skips::Skip;
use crate::verdict::Wrong;
use crate::world::World;

/// How long one scenario may take, whatever its steps allow.
const SCENARIO_DEADLINE: Duration = Duration::from_secs(300);

/// A language and what starts its driver.
pub(crate) struct Language {
    pub(crate) name: String,
    pub(crate) command: String,
}

/// A file with a language, and with a planted fault if one is to be found.
pub(crate) struct Job {
    pub(crate) suite: Arc<Suite>,
    language: Arc<Language>,
    fault: Option<String>,
    /// The scenarios to run, by their place; or why not.
    chosen: Vec<(usize, Option<String>)>,
}

/// What scenarios of one job share.
struct Stage {
    world: World,
    driver: Arc<Driver>,
    _folder: TempDir,
}

impl Job {
    /// The jobs of a file: one, or to prove it one for each fault that it finds.
    pub(crate) fn of(
        suite: &Arc<Suite>,
        language: &Arc<Language>,
        prove: bool,
        wanted: &[String],
        skips: &[Skip],
    ) -> Vec<Job> {
        let faults = suite
            .scenarios
            .iter()
            .flat_map(|scenario| scenario.finds.keys());
        let mut faults: Vec<Option<String>> = faults.cloned().map(Some).collect();
        faults.sort();
        faults.dedup();
        if !prove {
            faults = vec![None];
        }
        let job = |fault: Option<String>| {
            let scenarios = suite.scenarios.iter().enumerate();
            let finds = |scenario: &Scenario| {
                let fault = fault.as_ref();
                fault.is_none_or(|fault| scenario.finds.contains_key(fault))
            };
            let is_wanted = |title: &str| {
                wanted.is_empty() || wanted.iter().any(|part| title.contains(part.as_str()))
            };
            let chosen: Vec<_> = scenarios
                .filter(|(_, scenario)| finds(scenario) && is_wanted(&suite.title(scenario)))
                .map(|(place, scenario)| {
                    let title = suite.title(scenario);
                    let skip = skips
                        .iter()
                        .find(|skip| skip.language == language.name && skip.scenario == title);
                    (place, skip.map(|skip| skip.reason.clone()))
                })
                .collect();
            Job {
                suite: Arc::clone(suite),
                language: Arc::clone(language),
                fault,
                chosen,
            }
        };
        let jobs = faults.into_iter().map(job);
        jobs.filter(|job| !job.chosen.is_empty()).collect()
    }

    /// Runs the scenarios one after the other. After one that failed, the next gets a server and
    /// a driver of its own.
    pub(crate) async fn run(self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut stage = None;
        for (place, skip) in &self.chosen {
            let scenario = &self.suite.scenarios[*place];
            let started = Instant::now();
            let ended = match skip {
                Some(reason) => Ended::Skipped(reason.clone()),
                None => self.one(scenario, &mut stage).await,
            };
            entries.push(self.entry(self.suite.title(scenario), ended, started));
        }
        if let Some(Stage { driver, .. }) = &stage {
            let started = Instant::now();
            let ended = match end(driver).await {
                Ok(()) => return entries,
                Err(error) => Ended::Failed(format!("{error:#}\n{}", driver.log())),
            };
            let title = format!("{}: the end of the driver", self.suite.name);
            entries.push(self.entry(title, ended, started));
        }
        entries
    }

    fn entry(&self, title: String, ended: Ended, started: Instant) -> Entry {
        Entry {
            language: self.language.name.clone(),
            title,
            fault: self.fault.clone(),
            ended,
            took: started.elapsed(),
        }
    }

    async fn one(&self, scenario: &Scenario, kept: &mut Option<Stage>) -> Ended {
        let mut stage = match kept.take() {
            Some(stage) => stage,
            None => match self.start().await {
                Ok(stage) => stage,
                Err(error) => return Ended::Failed(format!("{error:#}")),
            },
        };
        let run = Run::new(&stage.driver, &mut stage.world).scenario(scenario);
        let result = timeout(SCENARIO_DEADLINE, run).await;
        let result = result.unwrap_or_else(|_| {
            Err(Wrong::new(format!(
                "it did not end within {SCENARIO_DEADLINE:?}"
            )))
        });
        let ended = match (&self.fault, result) {
            (None, Ok(())) => {
                *kept = Some(stage);
                return Ended::Passed;
            }
            (Some(fault), Ok(())) => Ended::Failed(format!("{fault} was planted and not found")),
            (Some(fault), Err(error)) => {
                let words = scenario.finds.get(fault).map_or("", String::as_str);
                let text = format!("{error:#}");
                if error.chain().any(|cause| cause.is::<Wrong>()) && text.contains(words) {
                    Ended::Found
                } else {
                    Ended::Failed(format!(
                        "{fault} was found otherwise than by {words:?}: {text}"
                    ))
                }
            }
            (None, Err(error)) => {
                let (driver, world) = (stage.driver.log(), stage.world.log());
                let mut text = format!("{error:#}");
                for (who, log) in [("driver", driver), ("daemon", world)] {
                    if !log.is_empty() {
                        text += &format!("\n    the {who}'s log ends with:\n{log}");
                    }
                }
                Ended::Failed(text)
            }
        };
        tokio::task::block_in_place(|| drop(stage));
        ended
    }

    async fn start(&self) -> Result<Stage> {
        let folder = tempfile::Builder::new()
            .prefix("skep-conformance-")
            .tempdir()?;
        let world = World::start(&self.suite.server).await?;
        let driver = Driver::start(&self.language.command, self.fault.as_deref(), folder.path())?;
        let order = json!({"op": "connect", "host": world.host()});
        let connected = driver.ask(order, DEADLINE).await.context("connecting")?;
        connected.map_err(Wrong::failed)?;
        Ok(Stage {
            world,
            driver: Arc::new(driver),
            _folder: folder,
        })
    }
}

/// Closes the client and looks that the driver ends, too.
async fn end(driver: &Driver) -> Result<()> {
    let closed = driver.ask(json!({"op": "close"}), DEADLINE).await?;
    closed.map_err(Wrong::failed)?;
    driver.end().await
}
