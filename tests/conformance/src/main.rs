// SPDX-License-Identifier: Apache-2.0
//! The conformance of SDKs: scenarios that every language has to pass, against real daemons and
//! a stand-in, over a driver of its own. README.md has the format and the protocol.

mod driver;
mod follow;
mod frames;
mod link;
mod newer;
mod oracle;
mod raw;
mod report;
mod run;
mod scenario;
mod skips;
mod standin;
mod suite;
#[cfg(test)]
mod tests;
mod value;
mod verdict;
mod watched;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use futures::StreamExt;

use crate::report::Report;
use crate::scenario::Suite;
use crate::skips::Skip;
use crate::suite::{Job, Language};

/// Runs the conformance scenarios of the SDKs. `SKEP_BIN_DIR` says where skepd is.
#[derive(Debug, Parser)]
struct Arguments {
    /// A language and the command of its driver, such as "rust=target/debug/driver". Repeatable
    #[arg(long, value_name = "LANGUAGE=COMMAND", required = true)]
    driver: Vec<String>,
    /// Proves that the scenarios find bugs: each that claims to find a planted fault has to
    #[arg(long)]
    prove: bool,
    /// Files of scenarios that run at a time
    #[arg(long, default_value_t = 6)]
    jobs: usize,
    /// Runs only scenarios whose "file: name" contains one of these
    name: Vec<String>,
}

/// Where everything is that is read.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let suites = Suite::read_all(&folder().join("scenarios"))?;
    let skips = Skip::read_all(&folder().join("skips.yaml"))?;
    let mut jobs = Vec::new();
    for suite in suites.into_iter().map(Arc::new) {
        for text in &arguments.driver {
            let split = text.split_once('=');
            let (name, command) = split.with_context(|| format!("{text:?}: LANGUAGE=COMMAND"))?;
            let language = Arc::new(Language {
                name: name.to_owned(),
                command: command.to_owned(),
            });
            let wanted = arguments.name.clone();
            jobs.extend(Job::of(&suite, &language, arguments.prove, &wanted, &skips));
        }
    }
    ensure!(!jobs.is_empty(), "no scenario has such a name");
    // What takes long goes first.
    jobs.sort_by_key(|job| !job.suite.long);
    let mut report = Report::default();
    let running = jobs.into_iter().map(|job| tokio::spawn(job.run()));
    let mut ended = futures::stream::iter(running).buffer_unordered(arguments.jobs.max(1));
    while let Some(results) = ended.next().await {
        report.take(results.context("the runner itself failed")?);
    }
    report.end()
}
