// SPDX-License-Identifier: Apache-2.0
//! The daemon as those see it who run it: signals, settings, logs, metrics, the service manager.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use skep_tests::daemon::{binary, free_address, processes_with};
use skep_tests::{DEADLINE, Daemon, until};

/// The number of the port at which nodes will be served once there are certificates.
const NODE_PORT: u16 = 2377;

/// A `skepd --dev` that keeps everything in a temporary directory of its own making.
struct Temporary {
    place: tempfile::TempDir,
    address: String,
    child: Child,
}

impl Temporary {
    fn start(environment: &[(&str, &str)]) -> Temporary {
        let place = tempfile::tempdir().expect("a directory");
        let address = free_address().to_string();
        let child = launch(place.path(), &address, &[], environment);
        Temporary {
            place,
            address,
            child,
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.place.path().join("log")).unwrap_or_default()
    }

    fn awaits(&self, words: &str) {
        until(words, DEADLINE, || self.log().contains(words).then_some(()));
    }

    /// The directory that it made, once it is ready.
    fn made(&self) -> PathBuf {
        until("the daemon is ready", DEADLINE, || {
            let entries = std::fs::read_dir(self.place.path()).ok()?.flatten();
            let mut dirs = entries.map(|entry| entry.path());
            dirs.find(|dir| dir.join("ready.json").exists())
        })
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).expect("it can be told");
    }

    fn ends(&mut self) -> ExitStatus {
        until("the daemon ends", DEADLINE, || {
            self.child.try_wait().expect("a child")
        })
    }

    fn tasks(&self) -> Vec<(i32, String)> {
        processes_with("SKEP_ADDR", |value| value == self.address)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for (pid, _) in self.tasks() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        if std::thread::panicking() {
            eprintln!("--- the daemon's log\n{}", self.log());
        }
    }
}

fn launch(place: &Path, address: &str, flags: &[&str], environment: &[(&str, &str)]) -> Child {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(place.join("log"))
        .expect("a log can be written");
    Command::new(binary("skepd"))
        .args(["--dev", "--dev-addr", "127.0.0.1:0", "--node-addr", address])
        .args(flags)
        .env("TMPDIR", place)
        .env_remove("SKEPD_CONFIG")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("skepd can be started")
}

fn skep(dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new(binary("skep"))
        .arg("-H")
        .arg(format!("unix://{}", dir.join("skep.sock").display()))
        .args(arguments)
        .output()
        .expect("skep can be run");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).expect("skep prints text")
}

/// A second signal ends it at once; then the directory stays, and whoever reads the log knows
/// how to go on with it.
#[test]
fn a_second_signal_ends_it_at_once_and_nothing_is_lost() {
    let mut daemon = Temporary::start(&[]);
    let dir = daemon.made();
    let stubborn = "trap '' TERM; echo up; exec sleep 1000";
    let create = ["service", "create", "--name", "web", "--stable-for", "0"];
    let grace = ["--stop-grace-period", "10m", "--process"];
    let program = ["--", "/bin/sh", "-c", stubborn];
    skep(&dir, &[&create[..], &grace, &program].concat());
    until("it ignores SIGTERM", DEADLINE, || {
        let lines = skep(&dir, &["service", "logs", "web"]);
        lines.contains("up").then_some(())
    });
    daemon.signal(Signal::SIGTERM);
    daemon.awaits("told so again, skepd ends at once");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.ends().code(), Some(128 + 15));
    let cure = format!(
        "`skepd --dev --data-dir {}` finds them again",
        dir.display()
    );
    assert!(daemon.log().contains(&cure), "{}", daemon.log());
    assert!(!daemon.tasks().is_empty(), "the task runs on");

    let before = daemon.tasks();
    let flags = ["--data-dir", &dir.to_string_lossy()];
    daemon.child = launch(daemon.place.path(), &daemon.address, &flags, &[]);
    assert_eq!(daemon.made(), dir);
    until("the task is known", DEADLINE, || {
        let tasks = skep(&dir, &["service", "ps", "web"]);
        tasks.contains("Running").then_some(())
    });
    assert_eq!(daemon.tasks(), before, "nothing was started twice");
}

/// A service manager is told when the daemon is ready and when it stops.
#[test]
fn a_service_manager_is_told_of_the_start_and_the_stop() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    let mut daemon = Temporary::start(&[("NOTIFY_SOCKET", &path.to_string_lossy())]);
    let mut told = [0; 256];
    let mut hears = |words: &str| {
        let heard = until(words, DEADLINE, || {
            let count = socket.recv(&mut told).expect("something is told in time");
            let text = String::from_utf8_lossy(&told[..count]).into_owned();
            text.contains(words).then_some(text)
        });
        assert!(heard.contains(words));
    };
    hears("READY=1");
    daemon.signal(Signal::SIGTERM);
    hears("STOPPING=1");
    assert!(daemon.ends().success());
    assert!(daemon.tasks().is_empty());
}

#[test]
fn a_log_in_json_is_one_object_a_line_and_names_what_is_no_setting() {
    let variables = [("SKEPD_LOG_FORMAT", "json"), ("SKEPD_BOGUS", "1")];
    let mut daemon = Temporary::start(&variables);
    daemon.made();
    daemon.awaits("\"ready\"");
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ends().success());
    let log = daemon.log();
    let lines = log.lines().map(|line| {
        let value = serde_json::from_str::<serde_json::Value>(line);
        value.unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    let warnings: Vec<_> = lines.filter(|line| line["level"] == "WARN").collect();
    let words = "SKEPD_BOGUS is not a setting and is not obeyed; see skepd --help";
    assert!(warnings.iter().any(|it| it["message"] == words), "{log}");
}

#[test]
fn a_bad_setting_is_told_with_the_variable_it_came_from() {
    let mut daemon = Temporary::start(&[("SKEPD_NODES", "x")]);
    assert_eq!(daemon.ends().code(), Some(2));
    let words = "SKEPD_NODES: invalid value 'x' for '--nodes <N>': expected a whole number";
    assert!(daemon.log().contains(words), "{}", daemon.log());
}

#[test]
fn metrics_are_served_where_they_are_asked_for() {
    let daemon = Daemon::start_with(&["--dev", "--metrics-addr", "127.0.0.1:0"]);
    let address = daemon.ready.metrics_addr.expect("it was asked for");
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("it answers");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.contains("\n# TYPE skep_"), "{page}");
}

/// Without certificates nodes are served in memory alone.
#[test]
fn no_node_can_connect_from_outside() {
    let daemon = Daemon::start(2);
    let open = |address: std::net::Ipv4Addr| TcpStream::connect((address, NODE_PORT)).is_ok();
    assert!(!open(daemon.address()) && !open(daemon.node_address(1)));
}
