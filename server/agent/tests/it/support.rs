// SPDX-License-Identifier: Apache-2.0
//! What the tests share: an executor in a directory of its own, and waiting with a deadline.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use skep_agent::cgroup::Cgroups;
use skep_agent::executor::process::{ProcessExecutor, ProcessOptions, ShimProgram};
use skep_agent::executor::{Executor, Exit, Phase, TaskWork};
use skep_agent::logs::{LogItem, LogLimits, LogQuery};
use skep_core::model::TaskId;
use tempfile::TempDir;

/// Far more than anything here takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
pub(crate) const SIGTERM: i32 = 15;

/// A node's directory, which outlives the executors that use it.
pub(crate) struct Node {
    root: TempDir,
    logs: LogLimits,
}

impl Node {
    pub(crate) fn new() -> Self {
        Node::with_logs(LogLimits::default())
    }

    /// One that keeps so much of what its tasks print.
    pub(crate) fn with_logs(logs: LogLimits) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        Node { root, logs }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.root.path().join("tasks")
    }

    /// A place beside the tasks, for files that they and the test share.
    pub(crate) fn shared(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// One whose directory any user may pass through.
    pub(crate) fn open_to_all() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let node = Node::new();
        let mode = std::fs::Permissions::from_mode(0o711);
        std::fs::set_permissions(node.root.path(), mode).expect("permissions");
        node
    }

    pub(crate) fn task_dir(&self, task: TaskId) -> PathBuf {
        self.dir().join(task.to_string())
    }

    /// A daemon's executor on this directory.
    pub(crate) async fn executor(&self) -> ProcessExecutor {
        self.executor_with(Cgroups::detect()).await
    }

    /// The same with these control groups.
    pub(crate) async fn executor_with(&self, cgroups: Cgroups) -> ProcessExecutor {
        let options = ProcessOptions {
            dir: self.dir(),
            shim: shim(),
            cgroups,
            logs: self.logs,
        };
        ProcessExecutor::open(options).await.expect("an executor")
    }
}

impl Drop for Node {
    /// A test that fails in the middle leaves tasks; their shims end with them.
    fn drop(&mut self) {
        for entry in std::fs::read_dir(self.dir())
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            let task = name.to_str().and_then(|name| name.parse().ok());
            for pid in task.map(processes_of).unwrap_or_default() {
                let pid = nix::unistd::Pid::from_raw(pid);
                // It may have gone since it was listed.
                nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).ok();
            }
        }
    }
}

pub(crate) fn shim() -> ShimProgram {
    ShimProgram {
        program: env!("CARGO_BIN_EXE_skep-test-shim").into(),
        arguments: vec![skep_agent::shim::ARGUMENT.into()],
    }
}

/// A task id that no other test and no other run has.
pub(crate) fn new_task() -> TaskId {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a time")
        .as_nanos();
    let count = u128::from(COUNT.fetch_add(1, Ordering::Relaxed));
    TaskId((now << 48) ^ (u128::from(std::process::id()) << 16) ^ count)
}

/// A task that runs this shell script.
pub(crate) fn script(text: &str) -> TaskWork {
    TaskWork {
        task: new_task(),
        name: "web.1".into(),
        service: "web".into(),
        slot: 1,
        command: vec!["/bin/sh".into(), "-c".into()],
        args: vec![text.into()],
        env: BTreeMap::new(),
        stop_signal: SIGTERM,
        stop_grace: Duration::from_secs(10),
        ..TaskWork::default()
    }
}

/// A task that runs this command.
pub(crate) fn command(words: &[&str]) -> TaskWork {
    let command = words.iter().map(|word| (*word).to_owned()).collect();
    TaskWork {
        command,
        args: vec![],
        ..script("")
    }
}

/// Prepares and starts.
pub(crate) async fn run(executor: &dyn Executor, work: TaskWork) -> TaskId {
    let task = work.task;
    executor.prepare(work.into()).await.expect("prepared");
    executor.start(task).await.expect("started");
    task
}

/// How a task ended, once it has.
pub(crate) async fn end_of(executor: &dyn Executor, task: TaskId) -> Exit {
    let mut hints = executor.hints();
    let ended = async {
        loop {
            if let Some(Phase::Exited(exit)) = executor.get(task).map(|known| known.phase) {
                return exit;
            }
            hints.next().await;
        }
    };
    let waited = tokio::time::timeout(DEADLINE, ended).await;
    waited.unwrap_or_else(|_| panic!("it did not end: {:?}", executor.get(task)))
}

/// Process id of a task that runs.
pub(crate) fn pid_of(executor: &dyn Executor, task: TaskId) -> u32 {
    match executor.get(task).map(|known| known.phase) {
        Some(Phase::Running { pid, .. }) => pid,
        other => panic!("it does not run: {other:?}"),
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    while !holds() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "never came true: {what}"
        );
        looks.tick().await;
    }
}

/// Waits for a file with at least one whole line, and gives its text.
pub(crate) async fn text_of(path: &Path) -> String {
    let read = || std::fs::read_to_string(path).unwrap_or_default();
    until(&format!("text in {}", path.display()), || {
        read().ends_with('\n')
    })
    .await;
    read()
}

/// All a task printed, line by line; gaps as "<reason lines>".
pub(crate) async fn output(executor: &dyn Executor, task: TaskId, query: LogQuery) -> Vec<String> {
    let items = executor
        .logs(task, query)
        .expect("a log")
        .collect::<Vec<_>>();
    let items = tokio::time::timeout(DEADLINE, items)
        .await
        .expect("the log ends");
    items
        .into_iter()
        .map(|item| shown(&item.expect("a line")))
        .collect()
}

pub(crate) fn shown(item: &LogItem) -> String {
    match item {
        LogItem::Line(line) => String::from_utf8_lossy(&line.data).into_owned(),
        LogItem::Gap { reason, lines } => format!("<{} {lines}>", reason.as_str()),
    }
}

/// Process ids of all living processes that a task has, found by their environment.
pub(crate) fn processes_of(task: TaskId) -> Vec<i32> {
    let mark = format!("SKEP_TASK_ID={task}");
    let pids = std::fs::read_dir("/proc").expect("a list of processes");
    let pids = pids
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == mark.as_bytes())
    })
    .collect()
}

/// Nothing of a task runs.
#[track_caller]
pub(crate) fn assert_gone(task: TaskId) {
    let left = processes_of(task);
    assert!(left.is_empty(), "still there: {left:?}");
}

/// A number in the record that a shim leaves when it begins.
pub(crate) fn started(node: &Node, task: TaskId) -> serde_json::Value {
    let text = std::fs::read(node.task_dir(task).join("started.json")).expect("a record");
    serde_json::from_slice(&text).expect("JSON")
}

/// The process id of a task's shim.
pub(crate) fn shim_pid(node: &Node, task: TaskId) -> i32 {
    let pid = started(node, task)["pid"].as_i64().expect("a number");
    i32::try_from(pid).expect("a process id")
}

pub(crate) fn kill(pid: i32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("a signal sent");
}

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Says that a test could not do its work here. Where everything must be there, that fails.
pub(crate) fn skip(what: &str) {
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(
        !must,
        "this machine lacks something that CI must have: {what}"
    );
    eprintln!("SKIPPED: {what}");
}
