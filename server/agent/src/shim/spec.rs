// SPDX-License-Identifier: Apache-2.0
//! What a shim is told about its task, with every name resolved.

use serde::{Deserialize, Serialize};

use super::files::TaskDir;
use crate::cgroup::CgroupPlan;
use crate::executor::TaskWork;
use crate::logs::LogLimits;

/// What to run, and as whom.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// The work; its environment is whole.
    pub(crate) work: TaskWork,
    /// Whom to become; none: whoever the daemon is.
    pub(crate) credentials: Option<Credentials>,
    /// Its control group.
    pub(crate) cgroup: CgroupPlan,
    /// How much of its output is kept.
    pub(crate) logs: LogLimits,
}

/// Numbers of a user and all its groups.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Credentials {
    /// The user.
    pub(crate) uid: u32,
    /// Its main group.
    pub(crate) gid: u32,
    /// All further groups.
    pub(crate) groups: Vec<u32>,
}

/// A process with its start time, once it runs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Running {
    /// Process id of the main process.
    pub(crate) pid: i32,
    /// When it was started, in nanoseconds since 1970.
    pub(crate) since: i64,
}

impl Spec {
    /// The program and all its arguments.
    pub(crate) fn argv(&self) -> impl Iterator<Item = &str> {
        self.work
            .command
            .iter()
            .chain(&self.work.args)
            .map(String::as_str)
    }

    /// Whether the working directory is made for the task.
    pub(crate) fn own_dir(&self) -> bool {
        self.work.dir.is_empty()
    }

    /// Makes the working directory, if it is the task's own. It belongs to the task's user.
    pub(crate) fn make_own_dir(&self, files: &TaskDir) -> std::io::Result<()> {
        if !self.own_dir() {
            return Ok(());
        }
        let dir = files.work();
        std::fs::create_dir_all(&dir)?;
        let Some(Credentials { uid, gid, .. }) = self.credentials else {
            return Ok(());
        };
        std::os::unix::fs::chown(dir, Some(uid), Some(gid))
    }
}
