// SPDX-License-Identifier: Apache-2.0
//! Control groups: one for each task, with its limits.
//!
//! Both versions are known, also side by side: a machine that has its controllers in version 1
//! may have version 2 beside it, which is then used to kill a task in one stroke. What a node
//! offers is what was tried out, not what its kernel might know.

mod find;
mod plan;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use skep_core::model::TaskId;

use crate::executor::Limits;
use find::Parent;

pub(crate) use plan::CgroupPlan;

/// A controller that a limit needs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Controller {
    /// Time on CPUs.
    Cpu,
    /// Memory.
    Memory,
    /// Processes and threads.
    Pids,
}

impl Controller {
    const ALL: [Controller; 3] = [Controller::Cpu, Controller::Memory, Controller::Pids];

    /// As the kernel calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Controller::Cpu => "cpu",
            Controller::Memory => "memory",
            Controller::Pids => "pids",
        }
    }

    /// As a node's capabilities call the limit.
    pub(crate) const fn capability(self) -> &'static str {
        match self {
            Controller::Cpu => "limits.cpu",
            Controller::Memory => "limits.memory",
            Controller::Pids => "limits.pids",
        }
    }
}

/// Where tasks get their control groups on this node.
#[derive(Clone, Debug, Default)]
pub struct Cgroups {
    parents: Vec<Parent>,
}

impl Cgroups {
    /// Finds out what works here by trying it. The daemon may move itself into the leaf "skepd"
    /// of its own group for that, as version 2 demands of a group that is divided further.
    ///
    /// A systemd unit gives the daemon such a group with `Delegate=yes`, puts it into the leaf
    /// at once with `DelegateSubgroup=skepd`, and leaves tasks alone when the daemon stops with
    /// `KillMode=process`.
    #[must_use]
    pub fn detect() -> Self {
        Cgroups {
            parents: find::parents(),
        }
    }

    /// No control groups: tasks are process trees and nothing more.
    #[must_use]
    pub fn none() -> Self {
        Cgroups::default()
    }

    /// The limits that can be enforced: "limits.cpu", "limits.memory", "limits.pids".
    #[must_use]
    pub fn capabilities(&self) -> Vec<&'static str> {
        let offered = Controller::ALL
            .into_iter()
            .filter(|controller| self.has(*controller));
        offered.map(Controller::capability).collect()
    }

    /// Whether this controller works here.
    pub(crate) fn has(&self, controller: Controller) -> bool {
        self.parents
            .iter()
            .any(|parent| parent.controllers.contains(&controller))
    }

    /// What to make for a task. Whoever asks for a limit that cannot be enforced was refused
    /// before.
    pub(crate) fn plan(&self, task: TaskId, limits: &Limits) -> CgroupPlan {
        let mut plan = CgroupPlan::default();
        plan.required = *limits != Limits::default();
        for parent in &self.parents {
            let dir: PathBuf = parent.dir.join(format!("skep-{task}"));
            plan.add(dir, parent.version, &parent.controllers, limits);
        }
        plan
    }
}

/// Writes into a file of the kernel's. It must exist: none is ever made by writing.
fn put(file: &Path, value: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(file)?
        .write_all(value.as_bytes())
}
