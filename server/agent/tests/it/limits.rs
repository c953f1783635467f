// SPDX-License-Identifier: Apache-2.0
//! Limits by control groups, where this machine has them.

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use skep_agent::cgroup::Cgroups;
use skep_agent::executor::{Executor, ExitCause, Limits, TaskWork};
use skep_agent::logs::LogQuery;
use skep_core::model::TaskId;

use crate::support::*;

/// Whether a limit can be tested here.
fn works(executor: &dyn Executor, capability: &str) -> bool {
    let works = executor.capabilities().contains(&capability);
    if !works {
        skip(&format!("{capability} (no control group for it)"));
    }
    works
}

/// Directories of control groups that a task has.
fn groups_of(task: TaskId) -> Vec<PathBuf> {
    let name = format!("skep-{task}");
    let mut found = Vec::new();
    let mut open = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let path = entry.path();
                if path.ends_with(&name) {
                    found.push(path)
                } else {
                    open.push(path)
                }
            }
        }
    }
    found
}

#[tokio::test]
async fn a_task_that_takes_too_much_memory_is_ended_and_told_so() {
    let node = Node::new();
    let executor = node.executor().await;
    if !works(&executor, "limits.memory") {
        return;
    }
    let limits = Limits {
        memory_bytes: 32 << 20,
        ..Limits::default()
    };
    // Reads one endless line, which it must keep.
    let work = TaskWork {
        limits,
        ..command(&["/usr/bin/tail", "/dev/zero"])
    };
    let task = run(&executor, work).await;
    let exit = end_of(&executor, task).await;
    assert_eq!(
        (exit.cause, exit.code, exit.signal),
        (ExitCause::OutOfMemory, Some(137), Some(9))
    );
    let want = "killed because it used more memory than its limit of 33554432 bytes";
    assert_eq!(exit.message, want);
    assert!(groups_of(task).is_empty());
}

#[tokio::test]
async fn a_task_gets_no_more_processes_than_its_limit() {
    let node = Node::new();
    let executor = node.executor().await;
    if !works(&executor, "limits.pids") {
        return;
    }
    let limits = Limits {
        pids: 3,
        ..Limits::default()
    };
    let work = TaskWork {
        limits,
        ..script("sleep 1000 & sleep 1001 & sleep 1002 & sleep 1003 &")
    };
    let task = run(&executor, work).await;
    let exit = end_of(&executor, task).await;
    assert_ne!(
        exit.code,
        Some(0),
        "the shell could not make its fourth process"
    );
    assert!(exit.message.contains("fork"), "{}", exit.message);
    assert!(groups_of(task).is_empty());
}

#[tokio::test]
async fn a_share_of_the_cpus_is_set_for_the_task() {
    let node = Node::new();
    let executor = node.executor().await;
    if !works(&executor, "limits.cpu") {
        return;
    }
    let limits = Limits {
        cpu_millis: 250,
        ..Limits::default()
    };
    let task = run(
        &executor,
        TaskWork {
            limits,
            ..command(&["/bin/sleep", "1000"])
        },
    )
    .await;
    let settings = ["cpu.max", "cpu.cfs_quota_us"];
    let groups = groups_of(task);
    let files = groups
        .iter()
        .flat_map(|dir| settings.map(|file| dir.join(file)));
    let texts: Vec<_> = files
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .collect();
    assert!(
        texts.iter().any(|text| text.starts_with("25000")),
        "{texts:?}"
    );
    let pid = pid_of(&executor, task).to_string();
    for group in groups {
        let members = std::fs::read_to_string(group.join("cgroup.procs")).expect("its members");
        assert_eq!(
            members.trim(),
            pid,
            "the task alone is in it, not its supervisor"
        );
    }
    executor.remove(task).await.expect("removed");
    assert!(groups_of(task).is_empty());
}

#[tokio::test]
async fn without_control_groups_limits_are_refused_and_trees_are_still_killed() {
    let node = Node::new();
    let executor = node.executor_with(Cgroups::none()).await;
    assert_eq!(executor.capabilities(), ["workload.process"]);
    let limits = Limits {
        pids: 3,
        ..Limits::default()
    };
    let work = TaskWork {
        limits,
        ..command(&["/bin/true"])
    };
    let error = executor
        .prepare(work.into())
        .await
        .expect_err("no limit")
        .to_string();
    assert!(
        error.ends_with("\"pids\" control group (field limits.pids)"),
        "{error}"
    );

    let tree = "trap '' TERM; for i in 1 2 3; do (setsid sh -c 'sleep 1000 & sleep 1001' &); done; \
                echo up; while :; do sleep 0.01; done";
    let task = run(&executor, script(tree)).await;
    until("the tree", || processes_of(task).len() >= 10).await;
    executor
        .stop(task, SIGTERM, Duration::from_millis(1))
        .await
        .expect("an order");
    end_of(&executor, task).await;
    assert_gone(task);
    assert_eq!(output(&executor, task, LogQuery::default()).await, ["up"]);
}

#[tokio::test]
async fn without_control_groups_nothing_is_left_of_a_task_whose_supervisor_is_killed() {
    let node = Node::new();
    let executor = node.executor_with(Cgroups::none()).await;
    let tree = "(setsid sh -c 'sleep 1000 & sleep 1001' &); sleep 1002";
    let task = run(&executor, script(tree)).await;
    until("the tree", || processes_of(task).len() >= 5).await;
    kill(shim_pid(&node, task), Signal::SIGKILL);
    assert_eq!(end_of(&executor, task).await.cause, ExitCause::Lost);
    assert_gone(task);
}
