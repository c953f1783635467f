// SPDX-License-Identifier: Apache-2.0
//! Runs the health check of a task: a program beside it, as its user, in its directory and with
//! its environment.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use skep_core::model::TaskId;
use tokio::process::Command;
use tokio::time::timeout;

use super::table::Inner;
use crate::executor::ExecutorError;
use crate::shim::files::SPEC;
use crate::shim::spec::Spec;

/// Most of what it prints that is repeated.
const SAID_BYTES_MAX: usize = 4_096;

impl Inner {
    /// The program of a task's check, ready to be run.
    pub(super) fn check(&self, task: TaskId, command: &[String]) -> Result<Command, ExecutorError> {
        let dir = self.dir(task);
        let spec = dir
            .read::<Spec>(SPEC)
            .map_err(super::table::failed("cannot read the task"))?
            .ok_or(ExecutorError::UnknownTask(task))?;
        let (program, args) = command.split_first().ok_or_else(|| {
            ExecutorError::refused("health_check.exec.command", "it names no program")
        })?;
        let mut check = std::process::Command::new(program);
        let place = if spec.own_dir() {
            dir.work()
        } else {
            PathBuf::from(&spec.work.dir)
        };
        check
            .args(args)
            .env_clear()
            .envs(&spec.work.env)
            .current_dir(place)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(user) = &spec.credentials {
            check.uid(user.uid).gid(user.gid);
        }
        let mut check = Command::from(check);
        check.kill_on_drop(true);
        Ok(check)
    }
}

/// Runs a check to its end, or kills it and all that it started.
///
/// # Errors
/// If it does not end with code 0 in time: with what it printed.
pub(super) async fn run(mut check: Command, patience: Duration) -> Result<(), ExecutorError> {
    let failed = |error| ExecutorError::CheckFailed(format!("the check cannot be run: {error}"));
    let child = check.spawn().map_err(failed)?;
    let group = child.id().and_then(|pid| i32::try_from(pid).ok());
    match timeout(patience, child.wait_with_output()).await {
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => Err(ExecutorError::CheckFailed(said(&output))),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => {
            if let Some(group) = group {
                // It may have ended just now.
                killpg(Pid::from_raw(group), Signal::SIGKILL).ok();
            }
            let words = format!("the check did not end within {patience:?}");
            Err(ExecutorError::CheckFailed(words))
        }
    }
}

fn said(output: &Output) -> String {
    let mut text = [output.stdout.as_slice(), &output.stderr].concat();
    text.truncate(SAID_BYTES_MAX);
    let text = String::from_utf8_lossy(&text);
    format!("the check ended with {}: {}", output.status, text.trim())
}
