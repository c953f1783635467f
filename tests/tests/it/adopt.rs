// SPDX-License-Identifier: Apache-2.0
//! Tasks outlive their daemon, and are found again.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use skep_sdk::v1::{RestartPolicy, ServiceSpec, Task, TaskState, restart_policy};
use skep_tests::daemon::{binary, free_address, processes_with};
use skep_tests::{DEADLINE, Daemon, until};

use crate::api::{Api, id, program, runs, state};

/// What the tests share: services whose every task writes its id into a file as it starts.
struct Starts {
    file: PathBuf,
}

impl Starts {
    fn of(daemon: &Daemon) -> Starts {
        Starts {
            file: daemon.dir().join("starts"),
        }
    }

    /// A service that runs this script once its task has written that it starts.
    fn service(&self, name: &str, replicas: u32, script: &str) -> ServiceSpec {
        let script = format!("echo $SKEP_TASK_ID >> {}; {script}", self.file.display());
        program(name, replicas, &["/bin/sh", "-c", &script])
    }

    /// The tasks that started.
    ///
    /// # Panics
    /// If one of them started twice.
    fn tasks(&self) -> BTreeSet<String> {
        let text = std::fs::read_to_string(&self.file).expect("tasks have started");
        let mut started = BTreeSet::new();
        for task in text.lines() {
            assert!(started.insert(task.to_owned()), "{task} was started twice");
        }
        started
    }
}

fn pids(tasks: &[Task]) -> Vec<(String, u32)> {
    let pid = |task: &Task| task.status.as_ref().map_or(0, |status| status.pid);
    let mut pids: Vec<_> = tasks.iter().map(|task| (id(task), pid(task))).collect();
    pids.sort();
    assert!(pids.iter().all(|(_, pid)| *pid != 0), "{pids:?}");
    pids
}

fn lives(pid: u32) -> bool {
    // A process that ended and that nobody has asked about has no command line any more.
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// What a task does while no daemon is there is known afterwards.
#[test]
fn an_end_without_a_daemon_is_noticed() {
    let mut daemon = Daemon::start(2);
    let api = Api::of(&daemon);
    let starts = Starts::of(&daemon);
    let door = daemon.dir().join("door");
    mkfifo(&door, Mode::S_IRWXU).expect("a fifo");
    let script = format!(
        "read word < {}; echo \"the last word is $word\"; exit 3",
        door.display()
    );
    let mut ends = starts.service("ends", 1, &script);
    ends.template.get_or_insert_default().restart = Some(RestartPolicy {
        condition: restart_policy::Condition::None.into(),
        ..Default::default()
    });
    api.create(ends);
    api.create(starts.service("stays", 3, "exec sleep 86400"));
    let ended = pids(&api.converged("ends")).remove(0);
    let stay = pids(&api.converged("stays"));

    daemon.kill();
    let mut fifo = std::fs::File::options()
        .write(true)
        .open(&door)
        .expect("the task reads");
    writeln!(fifo, "goodbye").expect("the task reads");
    drop(fifo);
    until("the task has ended", DEADLINE, || {
        (!lives(ended.1)).then_some(())
    });
    daemon.start_again();

    let failed = until("the task is known to have failed", DEADLINE, || {
        let task = api.tasks("ends").remove(0);
        (state(&task) == TaskState::Failed).then_some(task)
    });
    assert_eq!(id(&failed), ended.0);
    let status = failed.status.unwrap_or_default();
    assert_eq!(status.exit_code, Some(3));
    assert!(
        status.message.contains("the last word is goodbye"),
        "{}",
        status.message
    );
    let log = daemon.skep_ok(["task", "logs", "--raw", &ended.0]);
    assert_eq!(log.lines().last(), Some("the last word is goodbye"));
    assert_eq!(
        pids(&api.converged("stays")),
        stay,
        "the same tasks, the same processes"
    );
    let tasks: BTreeSet<String> = stay
        .into_iter()
        .chain([ended])
        .map(|(task, _)| task)
        .collect();
    assert_eq!(
        starts.tasks(),
        tasks,
        "every task was started once, and none besides"
    );
}

/// A stop, unlike that of a temporary daemon, leaves the tasks alone.
#[test]
fn tasks_outlive_a_stop() {
    let mut daemon = Daemon::start(1);
    let api = Api::of(&daemon);
    let starts = Starts::of(&daemon);
    api.create(starts.service("stays", 2, "exec sleep 86400"));
    let before = pids(&api.converged("stays"));
    for _ in 0..3 {
        daemon.stop();
        assert!(
            before.iter().all(|(_, pid)| lives(*pid)),
            "{before:?} go on"
        );
        assert!(!daemon.ready.socket.exists(), "the socket is gone");
        assert!(
            !daemon.data_dir().join("ready.json").exists(),
            "it is not ready"
        );
        daemon.start_again();
        assert_eq!(pids(&api.converged("stays")), before);
    }
    assert_eq!(starts.tasks().len(), 2);
    assert!(api.tasks("stays").iter().all(runs), "no task was replaced");
}

/// A daemon without a data directory, ended whatever comes.
struct Temporary {
    child: Child,
    address: String,
}

impl Temporary {
    fn start(dir: &Path) -> Temporary {
        let address = free_address().to_string();
        let child = Command::new(binary("skepd"))
            .args([
                "--dev",
                "--dev-addr",
                "127.0.0.1:0",
                "--node-addr",
                &address,
            ])
            .env("TMPDIR", dir)
            .env_remove("SKEPD_CONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("skepd can be started");
        Temporary { child, address }
    }

    fn processes(&self) -> Vec<(i32, String)> {
        processes_with("SKEP_ADDR", |address| address == self.address)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for (pid, _) in self.processes() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// `skepd --dev` without a data directory leaves no process, file or socket behind.
#[test]
fn a_temporary_daemon_leaves_nothing() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let dir = tempfile::tempdir().expect("a directory");
        let mut daemon = Temporary::start(dir.path());
        let socket = until("the daemon is ready", DEADLINE, || {
            let data = std::fs::read_dir(dir.path()).ok()?.next()?.ok()?.path();
            let ready = data.join("ready.json").exists();
            ready.then(|| data.join("skep.sock"))
        });
        let hello = binary("skep-hello");
        let created = Command::new(binary("skep"))
            .args(["-H", &format!("unix://{}", socket.display())])
            .args([
                "service",
                "create",
                "--process",
                "--name",
                "web",
                "--replicas",
                "2",
                "--stable-for",
                "0",
            ])
            .args(["-p", "8080:80", "--"])
            .arg(hello)
            .env("HOME", dir.path())
            .output()
            .expect("skep can be run");
        assert!(created.status.success(), "{created:?}");
        assert_eq!(daemon.processes().len(), 2);
        let port = format!("{}:8080", daemon.address);
        until("the port is published", DEADLINE, || {
            std::net::TcpStream::connect(&port).ok()
        });

        let pid = Pid::from_raw(daemon.child.id().cast_signed());
        kill(pid, signal).expect("it can be told to stop");
        let status = until("the daemon ends", DEADLINE, || {
            daemon.child.try_wait().expect("a child")
        });
        assert!(status.success(), "the daemon ended with {status}");
        assert_eq!(daemon.processes(), [], "its tasks ended before it did");
        let left: Vec<_> = std::fs::read_dir(dir.path())
            .expect("the directory")
            .collect();
        assert!(left.is_empty(), "{left:?} is left");
        assert!(
            std::net::TcpStream::connect(&port).is_err(),
            "the port is closed"
        );
    }
}
