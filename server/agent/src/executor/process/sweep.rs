// SPDX-License-Identifier: Apache-2.0
//! Kills what is left of a task whose shim is gone.
//!
//! A shim takes its main process with it; others it may leave. They are found by the task's
//! control group, and by its id in the environment that every process of a task inherits.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use skep_core::model::TaskId;

use super::resolve::TASK_ID;
use crate::cgroup::CgroupPlan;
use crate::shim::{identity, sys};

/// After this, processes that do not die are left: they hang in the kernel.
const GIVE_UP: Duration = Duration::from_secs(10);

/// Kills all processes of a task. False: some do not die.
pub(super) fn sweep(task: TaskId, cgroup: &CgroupPlan) -> bool {
    let mark = format!("{TASK_ID}={task}");
    let deadline = Instant::now() + GIVE_UP;
    loop {
        cgroup.kill_all();
        let grouped = cgroup.pids();
        let is_one = |pid: i32| {
            let alive = identity::stat(pid).is_ok_and(|stat| stat.runs());
            alive && (grouped.contains(&pid) || is_marked(pid, &mark))
        };
        let pids = identity::all_pids().unwrap_or_default();
        if pids.into_iter().filter(|pid| kill_if(*pid, is_one)).count() == 0 {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Kills the process if it is one of those, and says whether it was. The handle is taken before
/// the question, so that no other process with the same number is hit.
fn kill_if(pid: i32, is_one: impl Fn(i32) -> bool) -> bool {
    if !is_one(pid) {
        return false;
    }
    let Ok(handle) = sys::pidfd_open(pid) else {
        return false;
    };
    is_one(pid) && sys::pidfd_signal(&handle, Signal::SIGKILL as i32).is_ok()
}

/// Whether a process began with this entry in its environment. Zombies have none.
fn is_marked(pid: i32, mark: &str) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment
        .split(|byte| *byte == 0)
        .any(|entry| entry == mark.as_bytes())
}
