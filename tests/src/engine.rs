// SPDX-License-Identifier: Apache-2.0
//! A real Docker engine for tests: its own data, socket and bridge, and gone at the end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::skip;
use crate::wait::until;

/// How long an engine may take to come up or to go.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where images are made from: see `scripts/hello-static.sh`.
const HELLO: &str = "SKEP_HELLO_STATIC";

/// The engine that tests share, as long as one of them needs it.
static SHARED: Mutex<Weak<Engine>> = Mutex::new(Weak::new());

/// A Docker engine of its own.
pub struct Engine {
    dir: TempDir,
    bridge: String,
    flags: Vec<String>,
    daemon: Mutex<Option<Child>>,
}

impl Engine {
    /// The engine that all tests share which do it no harm; nothing: there can be none here, and
    /// that was said.
    #[must_use]
    pub fn shared() -> Option<Arc<Engine>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = shared.upgrade() {
            return Some(engine);
        }
        let engine = Arc::new(Engine::start(&[])?);
        *shared = Arc::downgrade(&engine);
        Some(engine)
    }

    /// An engine with these flags, with the images `skep-hello:1`, `:2` and `:bad`; nothing: there
    /// can be none here, and that was said.
    ///
    /// # Panics
    /// If it does not come up although everything that it needs is there.
    #[must_use]
    pub fn start(flags: &[&str]) -> Option<Engine> {
        let hello = match parts() {
            Ok(hello) => hello,
            Err(why) => {
                skip("docker", &why);
                return None;
            }
        };
        let dir = tempfile::Builder::new().prefix("skd-").tempdir();
        let dir = dir.expect("a directory");
        let engine = Engine {
            bridge: make_bridge(),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            daemon: Mutex::new(None),
            dir,
        };
        fs::write(engine.dir.path().join("daemon.json"), "{}").expect("written");
        engine.start_again();
        engine.import(&hello);
        Some(engine)
    }

    /// Where it listens, as a client is told.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Runs `docker` against it.
    ///
    /// # Panics
    /// If it cannot be run.
    #[must_use]
    pub fn docker(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        command.output().expect("docker can be run")
    }

    /// `docker` with these arguments, to be run against it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.arg("-H").arg(self.host()).args(arguments);
        command
            .env_remove("DOCKER_HOST")
            .env("HOME", self.dir.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs `docker` against it, expects it to succeed, and gives back what it printed.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn docker_ok(&self, arguments: &[&str]) -> String {
        let output = self.docker(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Stops it as a service manager would.
    ///
    /// # Panics
    /// If it does not end.
    pub fn stop(&self) {
        let mut daemon = self.daemon.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut child) = daemon.take() {
            let pid = Pid::from_raw(child.id().cast_signed());
            kill(pid, Signal::SIGTERM).expect("it can be told to stop");
            until("the engine ends", PATIENCE, || {
                child.try_wait().expect("a child")
            });
        }
    }

    /// Starts it again, and waits until it answers.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn start_again(&self) {
        let mut child = self.launch();
        until("the engine answers", PATIENCE, || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("dockerd ended with {status}:\n{}", self.log());
            }
            self.docker(&["version"]).status.success().then_some(())
        });
        *self.daemon.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
    }

    fn launch(&self) -> Child {
        let dir = self.dir.path();
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(dir.join("log"));
        let log = log.expect("a log can be written");
        let at = |name: &str| dir.join(name).display().to_string();
        let mut command = Command::new("dockerd");
        command
            .args(["--config-file", &at("daemon.json")])
            .args(["--data-root", &at("data"), "--exec-root", &at("exec")])
            .args(["--pidfile", &at("pid"), "--host", &self.host()])
            .args(["--bridge", &self.bridge])
            .args(["--iptables=false", "--ip-masq=false", "--ip-forward=false"])
            .args(&self.flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        command.spawn().expect("dockerd can be started")
    }

    fn import(&self, hello: &Path) {
        let place = self.dir.path().join("image");
        fs::create_dir_all(&place).expect("a directory");
        fs::copy(hello, place.join("skep-hello")).expect("it can be copied");
        let archive = self.dir.path().join("image.tar");
        let packed = Command::new("tar")
            .args(["-cf", &archive.display().to_string(), "-C"])
            .args([&place.display().to_string(), "skep-hello"])
            .status();
        assert!(
            packed.is_ok_and(|status| status.success()),
            "tar packs an image"
        );
        let check = "HEALTHCHECK --interval=200ms --timeout=5s --retries=2 \
                     CMD [\"/skep-hello\", \"--check\"]";
        let run = "ENTRYPOINT [\"/skep-hello\"]";
        let unhealthy = "CMD [\"--unhealthy\"]";
        for (tag, changes) in [
            ("1", vec![run, "ENV VERSION=1"]),
            ("2", vec![run, "ENV VERSION=2"]),
            ("bad", vec![run, "ENV VERSION=bad", unhealthy, check]),
            ("good", vec![run, "ENV VERSION=good", check]),
        ] {
            let name = format!("skep-hello:{tag}");
            let archive = archive.display().to_string();
            let mut arguments = vec!["import"];
            changes
                .iter()
                .for_each(|change| arguments.extend(["--change", change]));
            arguments.extend([archive.as_str(), name.as_str()]);
            self.docker_ok(&arguments);
        }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Kills what the engine started and left: the supervisor of a container that it was making
    /// when it was stopped.
    fn kill_what_is_left(&self) {
        let dir = self.dir.path().display().to_string();
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let words = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words);
            let is_its = words.contains("containerd") && words.contains(&dir);
            let pid = process.file_name().to_string_lossy().parse();
            if let (true, Ok(pid)) = (is_its, pid) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }

    /// Everything below its directory that is still mounted, the innermost first.
    fn mounts(&self) -> Vec<String> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let dir = self.dir.path().display().to_string();
        let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        let mut places: Vec<String> = places
            .filter(|place| place.starts_with(&dir))
            .map(str::to_owned)
            .collect();
        places.reverse();
        places
    }
}

impl Drop for Engine {
    /// Leaves nothing, also when a test failed: no container, no mount, no bridge.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().rev().take(20).collect();
            eprintln!(
                "--- the end of the engine's log, last line first\n{}",
                lines.join("\n")
            );
        }
        let up = self
            .daemon
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some();
        if up {
            let all = self.docker(&["ps", "-aq"]);
            let all = String::from_utf8_lossy(&all.stdout).into_owned();
            let mut arguments = vec!["rm", "-fv"];
            arguments.extend(all.split_whitespace());
            let _ = self.docker(&arguments);
            self.stop();
        }
        self.kill_what_is_left();
        for place in self.mounts() {
            let _ = Command::new("umount").args(["-l", &place]).status();
        }
        let _ = Command::new("ip")
            .args(["link", "del", &self.bridge])
            .status();
    }
}

/// The program that images are made from; or what is missing here.
fn parts() -> Result<PathBuf, String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("not root".to_owned());
    }
    for program in ["dockerd", "docker", "containerd", "ip", "tar"] {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        if !std::env::split_paths(&paths).any(|dir| dir.join(program).exists()) {
            return Err(format!("no {program}"));
        }
    }
    if !Path::new("/sys/fs/cgroup/memory").exists()
        && !Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
    {
        return Err("no control groups; cgroupfs-mount mounts them".to_owned());
    }
    let hello = std::env::var_os(HELLO).map(PathBuf::from);
    let hello = hello.filter(|path| path.exists());
    hello.ok_or_else(|| format!("{HELLO} names no program; scripts/hello-static.sh makes one"))
}

/// A bridge with a name and a range of addresses that nobody has.
fn make_bridge() -> String {
    let ip = |arguments: &[&str]| {
        let done = Command::new("ip").args(arguments).output();
        done.is_ok_and(|output| output.status.success())
    };
    for number in 0..=u8::MAX {
        let offset = u8::try_from(std::process::id() % 256).unwrap_or(0);
        let third = number.wrapping_add(offset);
        let name = format!("skep-test-{third}");
        // Whoever makes the bridge of this number has its addresses.
        // Without an address of its own a bridge takes the lowest of its containers': a new one
        // whenever these come and go, which nobody on it knows for seconds.
        let own = format!("02:73:6b:65:70:{third:02x}");
        let made = ip(&[
            "link", "add", "name", &name, "address", &own, "type", "bridge",
        ]);
        if !made {
            continue;
        }
        let address = format!("10.213.{third}.1/24");
        let made =
            ip(&["addr", "add", &address, "dev", &name]) && ip(&["link", "set", &name, "up"]);
        assert!(made, "the bridge {name} can be set up");
        return name;
    }
    panic!("every bridge of tests is taken");
}
