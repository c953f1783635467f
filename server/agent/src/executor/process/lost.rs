// SPDX-License-Identifier: Apache-2.0
//! Tasks that nobody can say anything about any more.
//!
//! The managers must hear of every task how it goes. One whose records cannot be read can be
//! neither followed nor stopped in an orderly way, so what is left of it is killed, and it is
//! said to be lost: then it is replaced.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use skep_core::model::TaskId;

use super::spawn::wait_readable;
use super::sweep::sweep;
use super::table::{Inner, Known};
use crate::cgroup::CgroupPlan;
use crate::clock;
use crate::executor::{ExecutorError, Exit, ExitCause, Limits, Phase, TaskWork};
use crate::shim::files::{SPEC, STARTED, TaskDir};
use crate::shim::identity::ProcessIdentity;
use crate::shim::spec::Spec;
use crate::shim::sys;

/// How long a shim that was killed may take to go.
const SHIM_PATIENCE: Duration = Duration::from_secs(5);

impl Inner {
    /// Gives up a task that cannot be followed because of `error`: kills what is left of it,
    /// and says that it is lost.
    pub(super) fn give_up_unreadable(self: &Arc<Self>, task: TaskId, error: &ExecutorError) {
        let dir = self.dir(task);
        kill_shim(&dir);
        let left = if self.sweep_all(task) {
            "what was left of it was killed"
        } else {
            "some of its processes cannot be killed"
        };
        let message = format!("this node cannot follow the task any more: {error}; {left}");
        tracing::error!(%task, %error, "this task cannot be followed any more and is given up");
        let exit = Exit {
            cause: ExitCause::Lost,
            code: None,
            signal: None,
            at: clock::now(),
            message,
        };
        if let Err(error) = dir.write_exit(&exit) {
            // The next start of the daemon comes to the same end.
            tracing::warn!(%task, %error, "cannot write down that this task is lost");
        }
        let work = TaskWork {
            task,
            ..TaskWork::default()
        };
        let known = self.known(task).map(|known| known.work);
        let known = Known {
            work: known.unwrap_or_else(|| Arc::new(work)),
            phase: Phase::Exited(exit),
            shim: None,
        };
        self.set(task, Some(known));
    }

    /// Kills all processes of a task, whose shim is gone. False: some do not die.
    pub(super) fn sweep_all(&self, task: TaskId) -> bool {
        let cgroup = self.cgroup_of(task);
        let swept = sweep(task, &cgroup);
        cgroup.remove();
        swept
    }

    /// The control group of a task; if its record is damaged, the one that it would get now.
    pub(super) fn cgroup_of(&self, task: TaskId) -> CgroupPlan {
        let spec = self.dir(task).read::<Spec>(SPEC).ok().flatten();
        spec.map_or_else(
            || self.options.cgroups.plan(task, &Limits::default()),
            |spec| spec.cgroup,
        )
    }
}

/// Kills the shim of a task, if it is known which that is: it might still write how the task ends.
fn kill_shim(dir: &TaskDir) {
    let shim = dir.read::<ProcessIdentity>(STARTED).ok().flatten();
    let Some(handle) = shim.and_then(|shim| shim.open().ok().flatten()) else {
        return;
    };
    let killed = sys::pidfd_signal(&handle, Signal::SIGKILL as i32);
    let gone = killed.and_then(|()| wait_readable(&handle, Instant::now() + SHIM_PATIENCE));
    if let Err(error) = gone {
        tracing::warn!(%error, "the supervisor of a task does not die");
    }
}
