// SPDX-License-Identifier: Apache-2.0
//! A real daemon for a test: started, killed, started again, and gone at the end.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use tempfile::TempDir;

use crate::wait::{DEADLINE, LOOK, until};

/// Where the binaries are: `SKEP_BIN_DIR`, else beside the test binary itself.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let dir = std::env::var_os("SKEP_BIN_DIR").map_or_else(
        || {
            let own = std::env::current_exe().expect("a test knows its own path");
            let deps = own.parent().expect("a test lies in a folder");
            deps.parent()
                .expect("that lies in the profile's folder")
                .to_path_buf()
        },
        PathBuf::from,
    );
    let path = dir.join(name);
    assert!(
        path.exists(),
        "{} is missing: run `cargo build --workspace`",
        path.display()
    );
    path
}

/// What `ready.json` says.
#[derive(Clone, Deserialize, Debug)]
pub struct Ready {
    /// The daemon's process.
    pub pid: i32,
    /// The socket of its API.
    pub socket: PathBuf,
    /// The address of its API in plain text.
    pub dev_addr: Option<SocketAddr>,
    /// The address of its metrics.
    pub metrics_addr: Option<SocketAddr>,
}

/// A daemon in a directory of its own, at loopback addresses of its own.
#[derive(Debug)]
pub struct Daemon {
    dir: TempDir,
    flags: Vec<String>,
    address: Ipv4Addr,
    child: Child,
    /// How it is reached.
    pub ready: Ready,
}

impl Daemon {
    /// Starts `skepd --dev` with so many nodes.
    #[must_use]
    pub fn start(nodes: u32) -> Daemon {
        Daemon::start_with(&["--dev", "--nodes", &nodes.to_string()])
    }

    /// Starts `skepd` with these flags, and those that keep it apart from everything else.
    #[must_use]
    pub fn start_with(flags: &[&str]) -> Daemon {
        Daemon::start_prepared(flags, |_| {})
    }

    /// Starts `skepd` as [`Daemon::start_with`] does, once its directory was prepared: what lies
    /// at `data` in there is its data directory.
    #[must_use]
    pub fn start_prepared(flags: &[&str], prepare: impl FnOnce(&Path)) -> Daemon {
        let dir = tempfile::Builder::new()
            .prefix("skep-e2e-")
            .tempdir()
            .expect("a directory");
        prepare(dir.path());
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let address = free_address();
        let (child, ready) = spawn(dir.path(), &flags, address);
        Daemon {
            dir,
            flags,
            address,
            child,
            ready,
        }
    }

    /// The directory it keeps everything in.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        data_dir(self.dir.path())
    }

    /// The address of its first node; those of the others follow.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The address of its node of this number, from 0.
    #[must_use]
    pub fn node_address(&self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.address) + number)
    }

    /// The address of its API in plain text.
    #[must_use]
    pub fn dev_addr(&self) -> SocketAddr {
        self.ready
            .dev_addr
            .expect("the daemon was started with --dev")
    }

    /// Kills it at once, as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().expect("the daemon can be killed");
        self.child.wait().expect("the daemon can be waited for");
    }

    /// Starts it again in the same directory.
    pub fn start_again(&mut self) {
        let (child, ready) = spawn(self.dir.path(), &self.flags, self.address);
        self.child = child;
        self.ready = ready;
    }

    /// Starts it again in the same directory and does not wait until it is ready.
    pub fn begin_again(&mut self) {
        self.child = launch(self.dir.path(), &self.flags, self.address);
    }

    /// Starts `skepd` in the same directory and with the same flags and these, expects that it
    /// refuses to, and gives back what it said.
    ///
    /// # Panics
    /// If it ends well, or not in time.
    #[must_use]
    pub fn refusal(&self, more: &[&str]) -> String {
        let mut command = skepd(self.dir.path(), &self.flags, self.address);
        let mut child = command
            .args(more)
            .stderr(Stdio::piped())
            .spawn()
            .expect("skepd can be started");
        let started = Instant::now();
        let status = until("skepd refuses to start", DEADLINE * 2, || {
            if started.elapsed() > DEADLINE {
                // One that starts all the same must not outlive the test.
                let _ = child.kill();
            }
            child.try_wait().expect("a child")
        });
        let output = child.wait_with_output().expect("what skepd said");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(status.code(), Some(1), "skepd ended with {status}: {said}");
        said
    }

    /// Stops it as a service manager would, and waits until it is gone.
    ///
    /// # Panics
    /// If it does not end well, or not in time.
    pub fn stop(&mut self) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, Signal::SIGTERM).expect("the daemon can be told to stop");
        let status = until("the daemon ends", DEADLINE, || {
            self.child.try_wait().expect("a child")
        });
        assert!(status.success(), "the daemon ended with {status}");
    }

    /// Runs `skep` against it.
    pub fn skep<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        self.command(arguments).output().expect("skep can be run")
    }

    /// Runs `skep` against it, expects it to succeed, and gives back what it printed.
    ///
    /// # Panics
    /// If it fails.
    pub fn skep_ok<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let output = self.skep(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "skep failed, {}: {errors}",
            output.status
        );
        String::from_utf8(output.stdout).expect("skep prints text")
    }

    /// `skep` with these arguments, to be run against it.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(binary("skep"));
        command
            .arg("-H")
            .arg(format!("unix://{}", self.ready.socket.display()))
            .args(arguments)
            .env_remove("SKEP_HOST")
            .env_remove("SKEP_CONTEXT")
            .env("HOME", self.dir.path())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(log_file(self.dir.path())).unwrap_or_default()
    }

    /// The processes of its tasks, by what `/proc` says of their environment.
    #[must_use]
    pub fn task_processes(&self) -> Vec<(i32, String)> {
        let addresses = [self.address, self.node_address(1), self.node_address(2)];
        processes_with("SKEP_ADDR", |value| {
            addresses.iter().any(|address| value == address.to_string())
        })
    }

    /// The environment of each process of its tasks, by its id.
    #[must_use]
    pub fn task_environments(&self) -> BTreeMap<i32, BTreeMap<String, String>> {
        let pids = self.task_processes().into_iter();
        pids.filter_map(|(pid, _)| Some((pid, environment(pid).ok()?)))
            .collect()
    }
}

impl Daemon {
    /// Kills the tasks and waits for those who look after them: they write down how each ended,
    /// and the directory cannot be removed before that.
    fn end_tasks(&self) {
        let start = Instant::now();
        loop {
            for (pid, _) in self.task_processes() {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            let keepers = processes_about(self.dir.path());
            if keepers.is_empty() {
                return;
            }
            if start.elapsed() > DEADLINE {
                eprintln!(
                    "{keepers:?} still look after tasks of {}",
                    self.dir.path().display()
                );
                return;
            }
            std::thread::park_timeout(LOOK);
        }
    }
}

impl Drop for Daemon {
    /// Ends the tasks too, also when the test failed: without `--data-dir` a daemon does so by
    /// itself, but this one has to keep its tasks over a kill.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.end_tasks();
        if std::thread::panicking() {
            eprintln!("--- the daemon's log\n{}", self.log());
        }
    }
}

fn log_file(dir: &Path) -> PathBuf {
    dir.join("skepd.log")
}

fn data_dir(dir: &Path) -> PathBuf {
    dir.join("data")
}

fn skepd(dir: &Path, flags: &[String], address: Ipv4Addr) -> Command {
    let mut command = Command::new(binary("skepd"));
    command
        .args(flags)
        .arg("--data-dir")
        .arg(data_dir(dir))
        .args([
            "--dev-addr",
            "127.0.0.1:0",
            "--node-addr",
            &address.to_string(),
        ])
        .env_remove("SKEPD_CONFIG")
        // No credentials of whoever runs the tests.
        .env("DOCKER_CONFIG", dir.join("docker"))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

fn launch(dir: &Path, flags: &[String], address: Ipv4Addr) -> Child {
    let _ = std::fs::remove_file(data_dir(dir).join("ready.json"));
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(log_file(dir))
        .expect("a log can be written");
    let mut command = skepd(dir, flags, address);
    command.stderr(log).spawn().expect("skepd can be started")
}

fn spawn(dir: &Path, flags: &[String], address: Ipv4Addr) -> (Child, Ready) {
    let mut child = launch(dir, flags, address);
    let ready = data_dir(dir).join("ready.json");
    let ready = until("the daemon is ready", DEADLINE, || {
        if let Ok(Some(status)) = child.try_wait() {
            let log = std::fs::read_to_string(log_file(dir)).unwrap_or_default();
            panic!("the daemon ended with {status}:\n{log}");
        }
        let text = std::fs::read_to_string(&ready).ok()?;
        serde_json::from_str(&text).ok()
    });
    (child, ready)
}

/// A block of loopback addresses that no other test of this process uses.
#[must_use]
pub fn free_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let place = u8::try_from(std::process::id() % 200).expect("it is below 200");
    Ipv4Addr::new(127, 20 + place, NEXT.fetch_add(1, Ordering::Relaxed), 1)
}

/// The processes in whose environment a variable has a value that fits, with that value.
pub fn processes_with(variable: &str, fits: impl Fn(&str) -> bool) -> Vec<(i32, String)> {
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| {
            let value = environment(pid).ok()?.remove(variable)?;
            fits(&value).then_some((pid, value))
        })
        .collect()
}

/// The processes that have a path below this directory as an argument.
fn processes_about(dir: &Path) -> Vec<i32> {
    let below = format!("{}/", dir.display());
    let about = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.split('\0').any(|word| word.starts_with(&below))
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(about).collect()
}

/// The variables of a process; none of one that has ended and waits to be noticed.
fn environment(pid: i32) -> io::Result<BTreeMap<String, String>> {
    let bytes = std::fs::read(format!("/proc/{pid}/environ"))?;
    let text = String::from_utf8_lossy(&bytes);
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    Ok(pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}
