// SPDX-License-Identifier: Apache-2.0
//! What skepd does all the time: samples of `perf`, in a measurement of their own after the
//! rounds.

use std::fmt;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::rows::{Row, Setup, Side};

/// Samples a second.
const FREQUENCY: &str = "997";
/// How many functions are told.
const FUNCTIONS: usize = 20;
/// How long to look for the daemon, which the row starts by itself.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// The functions that most samples fell into.
#[derive(Debug)]
pub(crate) struct Profile {
    row: &'static str,
    lines: Vec<String>,
}

/// Measures skep once more, with `perf` beside it.
///
/// # Errors
/// If there is no `perf`, or it may not look.
pub(crate) async fn take(row: &Row, setup: &Setup) -> Result<Profile> {
    let dir = tempfile::tempdir_in(&setup.programs.scratch)?;
    let data = dir.path().join("perf.data");
    let measure = row.measure(Side::Skep, setup);
    let record = async {
        let pid = daemon().await?;
        let perf = tokio::process::Command::new("perf")
            .args(["record", "-q", "-F", FREQUENCY, "-o"])
            .arg(&data)
            .args(["-p", &pid.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .status();
        perf.await.context("perf is not there: install linux-perf")
    };
    // The recording ends by itself when the daemon does.
    let (measured, recorded) = tokio::join!(measure, record);
    measured?;
    recorded?;
    let report = Command::new("perf")
        .args([
            "report",
            "--stdio",
            "--no-children",
            "-F",
            "overhead,symbol",
        ])
        .arg("-i")
        .arg(&data)
        .stderr(Stdio::null())
        .output()?;
    ensure!(report.status.success(), "perf cannot read what it recorded");
    let text = String::from_utf8_lossy(&report.stdout);
    let lines = text.lines().map(str::trim_end);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(Profile {
        row: row.name,
        lines: lines.take(FUNCTIONS).map(str::to_owned).collect(),
    })
}

/// The process of the skepd that this one started.
async fn daemon() -> Result<u32> {
    let own = std::process::id();
    let deadline = tokio::time::Instant::now() + START_TIME_MAX;
    loop {
        // Each thread of ours lists the children that it made.
        let threads = std::fs::read_dir(format!("/proc/{own}/task"))?;
        let children = threads
            .flatten()
            .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
        let found = children
            .flat_map(|text| {
                let pids: Vec<u32> = text.split(' ').filter_map(|pid| pid.parse().ok()).collect();
                pids
            })
            .find(|pid| {
                let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
                name.is_ok_and(|name| name.trim() == "skepd")
            });
        if let Some(pid) = found {
            return Ok(pid);
        }
        ensure!(
            tokio::time::Instant::now() < deadline,
            "there is no skepd to look at"
        );
        tokio::time::sleep(LOOK).await;
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}: where skepd spends its time\n\n```text", self.row)?;
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "```")
    }
}
