// SPDX-License-Identifier: Apache-2.0
//! Runs the health check of a task: a program beside it, as its user, in its directory and with
//! its environment.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use skep_core::model::TaskId;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::timeout;

use super::table::Inner;
use crate::executor::ExecutorError;
use crate::shim::files::SPEC;
use crate::shim::spec::Spec;

/// Most of what it prints that is repeated.
const SAID_BYTES_MAX: u64 = 4_096;

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
    let mut child = check.spawn().map_err(failed)?;
    let group = child.id().and_then(|pid| i32::try_from(pid).ok());
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let ended = async { tokio::join!(first_of(out), first_of(err), child.wait()) };
    match timeout(patience, ended).await {
        Ok((_, _, Ok(status))) if status.success() => Ok(()),
        Ok((out, err, Ok(status))) => Err(ExecutorError::CheckFailed(said(status, out, &err))),
        Ok((_, _, Err(error))) => Err(failed(error)),
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

/// The beginning of what is printed there. The rest is read and dropped: however much a check
/// prints, it is not kept, and never waits for a reader.
async fn first_of(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut first = Vec::new();
    if let Some(mut pipe) = pipe {
        // What cannot be read is not repeated; how the check ended is known all the same.
        let mut beginning = (&mut pipe).take(SAID_BYTES_MAX);
        beginning.read_to_end(&mut first).await.ok();
        tokio::io::copy(&mut pipe, &mut tokio::io::sink())
            .await
            .ok();
    }
    first
}

fn said(status: ExitStatus, mut text: Vec<u8>, errors: &[u8]) -> String {
    text.extend_from_slice(errors);
    text.truncate(SAID_BYTES_MAX as usize);
    let text = String::from_utf8_lossy(&text);
    format!("the check ended with {status}: {}", text.trim())
}
