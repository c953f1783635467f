// SPDX-License-Identifier: Apache-2.0
//! What came of all of it, for people and as an exit code.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

/// How one scenario went.
pub(crate) enum Ended {
    Passed,
    /// The planted fault was found.
    Found,
    Skipped(String),
    Failed(String),
}

/// One scenario of one language.
pub(crate) struct Entry {
    pub(crate) language: String,
    pub(crate) title: String,
    pub(crate) fault: Option<String>,
    pub(crate) ended: Ended,
    pub(crate) took: Duration,
}

/// All so far.
#[derive(Default)]
pub(crate) struct Report {
    passed: usize,
    found: usize,
    skipped: usize,
    failed: Vec<String>,
}

impl Report {
    /// Takes in some, and prints a line of each.
    pub(crate) fn take(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            let fault = entry.fault.as_ref().map(|fault| format!(" with {fault}"));
            let what = format!(
                "{:<10} {}{}",
                entry.language,
                entry.title,
                fault.unwrap_or_default()
            );
            let seconds = entry.took.as_secs_f32();
            match entry.ended {
                Ended::Passed => {
                    self.passed += 1;
                    println!("ok      {what} ({seconds:.1} s)");
                }
                Ended::Found => {
                    self.found += 1;
                    println!("found   {what} ({seconds:.1} s)");
                }
                Ended::Skipped(why) => {
                    self.skipped += 1;
                    println!("skip    {what}: {why}");
                }
                Ended::Failed(why) => {
                    println!("FAILED  {what} ({seconds:.1} s)\n    {why}");
                    self.failed.push(what);
                }
            }
        }
    }

    /// The summary.
    pub(crate) fn end(self) -> Result<ExitCode> {
        let Self {
            passed,
            found,
            skipped,
            failed,
        } = self;
        let count = failed.len();
        println!("{passed} passed, {found} faults found, {skipped} skipped, {count} failed");
        for what in &failed {
            println!("  FAILED {what}");
        }
        Ok(if failed.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}
