// SPDX-License-Identifier: Apache-2.0
//! What a process executor can be told to do with a task. Each order waits for disks and
//! processes, so it runs on a thread of its own, and has the task's turn.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use skep_core::model::TaskId;

use super::resolve;
use super::spawn::{GREETING_PATIENCE, spawn, wait_readable};
use super::sweep::sweep;
use super::table::{Inner, Known, failed};
use crate::clock;
use crate::executor::{ExecutorError, Phase, TaskWork};
use crate::shim::files::{EXIT, SPEC, STOP};
use crate::shim::{Greeting, StopOrder, stopped_before_start, sys};

/// How long a removal waits for the end of what it killed. A shim gives up sooner.
const REMOVE_PATIENCE: Duration = Duration::from_secs(30);

impl Inner {
    /// Writes down what to run.
    pub(super) fn prepare(&self, work: TaskWork) -> Result<(), ExecutorError> {
        let task = work.task;
        if self.known(task).is_some() {
            return Ok(());
        }
        let spec = resolve::spec(work, &self.options.cgroups, self.options.logs)?;
        let dir = self.dir(task);
        let written = dir.create().and_then(|()| dir.write(SPEC, &spec));
        if let Err(error) = written {
            // What is left of it is no task, and goes when the daemon starts again.
            dir.delete().ok();
            return Err(failed("cannot prepare the task")(error));
        }
        self.set(task, Some(Known::new(spec, Phase::Prepared, None)));
        Ok(())
    }

    /// Starts a shim, unless there was one.
    pub(super) fn start(self: &Arc<Self>, task: TaskId) -> Result<(), ExecutorError> {
        if self.must_know(task)?.phase != Phase::Prepared {
            return Ok(());
        }
        let spawned = spawn(&self.options.shim, &self.dir(task));
        let (mut child, greeting) = match spawned {
            Ok(spawned) => spawned,
            Err(error) => {
                // It may have come as far as to start something.
                self.refresh(task, GREETING_PATIENCE, None)?;
                return Err(failed("cannot start the task's supervisor")(error));
            }
        };
        let child = match greeting {
            Greeting::Running => Some(child),
            // It says nothing more and ends.
            _ => {
                child
                    .wait()
                    .map_err(failed("cannot collect the task's supervisor"))?;
                None
            }
        };
        self.refresh(task, GREETING_PATIENCE, child)?;
        match greeting {
            Greeting::Running | Greeting::Ended | Greeting::Taken => Ok(()),
            Greeting::Refused { field, problem } => Err(ExecutorError::Refused { field, problem }),
            Greeting::Failed(words) => Err(ExecutorError::Supervisor(words)),
        }
    }

    /// Leaves the order in the task's directory and calls its shim.
    pub(super) fn stop(
        self: &Arc<Self>,
        task: TaskId,
        signal: i32,
        grace: Duration,
    ) -> Result<(), ExecutorError> {
        let known = self.must_know(task)?;
        if matches!(known.phase, Phase::Exited(_)) {
            return Ok(());
        }
        let dir = self.dir(task);
        let cannot = failed("cannot write down the order to stop");
        let mut order = StopOrder::new(signal, grace, clock::now());
        if let Some(earlier) = dir.read::<StopOrder>(STOP).map_err(&cannot)? {
            order = order.after(earlier);
        }
        dir.write(STOP, &order).map_err(&cannot)?;
        if let Some(shim) = &known.shim {
            call(shim);
            return Ok(());
        }
        // Not started: whoever has the lock decides. If that is a shim of an earlier daemon, it
        // has seen the order or is about to run the task, and is called then.
        match dir.lock().map_err(&cannot)? {
            Some(_lock) => {
                dir.write_exit(&stopped_before_start(clock::now()))
                    .map_err(&cannot)?;
                self.refresh(task, Duration::ZERO, None)?;
            }
            None => {
                let known = self.refresh(task, GREETING_PATIENCE, None)?;
                known
                    .and_then(|known| known.shim)
                    .iter()
                    .for_each(|shim| call(shim));
            }
        }
        Ok(())
    }

    /// Kills a task that runs, and deletes everything of it.
    pub(super) fn remove(self: &Arc<Self>, task: TaskId) -> Result<(), ExecutorError> {
        let Some(known) = self.known(task) else {
            return Ok(());
        };
        let dir = self.dir(task);
        if !matches!(known.phase, Phase::Exited(_)) {
            self.stop(task, Signal::SIGKILL as i32, Duration::ZERO)?;
        }
        if let Some(shim) = self.known(task).and_then(|known| known.shim) {
            wait_for_end(&shim);
        }
        let cgroup = self.cgroup_of(task);
        cgroup.remove();
        // The shim has removed the group if it came to its end.
        if cgroup.exists() || !dir.has(EXIT) {
            sweep(task, &cgroup);
            cgroup.remove();
        }
        dir.delete().map_err(failed("cannot delete the task"))?;
        self.set(task, None);
        Ok(())
    }
}

/// Tells a shim that there is an order. One that is gone needs none.
pub(super) fn call(shim: &OwnedFd) {
    sys::pidfd_signal(shim, Signal::SIGUSR1 as i32).ok();
}

/// Waits for the end of a shim whose task was killed; one that hangs is killed too.
fn wait_for_end(shim: &OwnedFd) {
    if wait_readable(shim, Instant::now() + REMOVE_PATIENCE).is_err() {
        sys::pidfd_signal(shim, Signal::SIGKILL as i32).ok();
    }
}
