// SPDX-License-Identifier: Apache-2.0
//! The shim: a small process that stays with one task from its start to its end.
//!
//! It is `skepd` run again with a hidden first argument. It owns the task's pipes and writes
//! its log, carries out an order to stop, collects and kills what the task leaves, and writes
//! to disk how it ended. The daemon may die and come back meanwhile: everything the two tell
//! each other stands in the task's directory ([`files`]).
//!
//! It has one thread and no runtime, so it may fork, and sleeps in one `poll`.

mod course;
pub(crate) mod files;
mod greeting;
pub(crate) mod identity;
mod launch;
pub(crate) mod limits;
pub(crate) mod spec;
mod supervise;
pub(crate) mod sys;
mod words;

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::clock;
use crate::executor::ExecutorError;
use crate::logs::LogWriter;
use files::{EXIT, RUNNING, SPEC, STARTED, STOP, TaskDir};
use greeting::Voice;
use identity::ProcessIdentity;
use spec::{Running, Spec};
use supervise::Supervisor;
use sys::Reaped;

pub(crate) use course::StopOrder;
pub(crate) use greeting::Greeting;
pub(crate) use words::stopped_before_start;

/// The hidden first argument that makes a daemon a shim.
pub const ARGUMENT: &str = "shim";

/// How long a process that was killed may take to go.
const COLLECT_PATIENCE: Duration = Duration::from_secs(10);

/// Becomes the shim of a task if the arguments of this process ask for it, and returns
/// otherwise. The daemon calls this first of all, while it has one thread.
pub fn run_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(ARGUMENT)) {
        return;
    }
    if let Some(dir) = arguments.next() {
        main(Path::new(&dir));
    }
}

/// Takes care of the task in `dir`, an absolute path, until it has ended; then this process
/// ends. It must have no other thread.
pub fn main(dir: &Path) -> ! {
    close_inherited();
    let status = match Voice::take() {
        Err(error) => complain("cannot begin", &error),
        Ok(mut voice) => match care_for(&TaskDir::new(dir), &mut voice) {
            Ok(()) => 0,
            Err(error) => {
                voice.say(&Greeting::Failed(error.to_string()));
                complain("cannot go on", &error)
            }
        },
    };
    std::process::exit(status)
}

fn complain(what: &str, error: &io::Error) -> i32 {
    eprintln!("{what}: {error}");
    1
}

fn care_for(files: &TaskDir, voice: &mut Voice) -> io::Result<()> {
    let signals = detach()?;
    // Held until this process ends. Without a lock file the task was removed meanwhile.
    let Some(_lock) = files.lock()? else {
        voice.say(&Greeting::Taken);
        return Ok(());
    };
    if files.has(STARTED) || files.has(EXIT) {
        voice.say(&Greeting::Taken);
        return Ok(());
    }
    let spec: Spec = files
        .read(SPEC)?
        .ok_or_else(|| io::Error::other("nothing to run"))?;
    if files.has(STOP) {
        files.write_exit(&words::stopped_before_start(clock::now()))?;
        voice.say(&Greeting::Ended);
        return Ok(());
    }
    spec.make_own_dir(files)?;
    spec.cgroup.make()?;
    files.reserve_exit()?;
    // From here on nobody starts this task again, whatever happens to us.
    files.write(STARTED, &ProcessIdentity::of(std::process::id() as i32)?)?;
    run(files, &spec, signals, voice)
}

fn run(files: &TaskDir, spec: &Spec, signals: SignalFd, voice: &mut Voice) -> io::Result<()> {
    let log = LogWriter::new(files.log(), spec.logs);
    let begun = launch::launch(spec, files).and_then(|launched| {
        let pid = launched.pid;
        let running = Running {
            pid,
            since: clock::now().0,
        };
        let begun = Supervisor::new(spec, files, signals, log, launched)
            .and_then(|supervisor| files.write(RUNNING, &running).map(|()| supervisor));
        begun.map_err(|error| {
            sys::kill(pid, Signal::SIGKILL as i32);
            ExecutorError::io("cannot watch over the process", error)
        })
    });
    match begun {
        Ok(supervisor) => {
            voice.say(&Greeting::Running);
            files.write_exit(&supervisor.run()?)
        }
        Err(error) => {
            collect_all();
            spec.cgroup.remove();
            files.write_exit(&words::not_started(&error, clock::now()))?;
            voice.say(&Greeting::not_started(error));
            Ok(())
        }
    }
}

/// Collects a process that did not become a task: it is gone, or about to go.
fn collect_all() {
    let deadline = Instant::now() + COLLECT_PATIENCE;
    while sys::reap() != Reaped::NoChildren && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Closes what the daemon had open, should it have forgotten to mark a file.
fn close_inherited() {
    let open = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    let open: Vec<i32> = open
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // The listing's own descriptor is closed already.
        nix::unistd::close(descriptor).ok();
    }
}

/// Frees this process from the daemon's terminal, directory and signals, and makes it the
/// parent of what its task will leave behind.
fn detach() -> io::Result<SignalFd> {
    // No signal ends a shim but SIGKILL: it goes when its task has gone.
    SigSet::all().thread_block()?;
    // Refused only if we lead a process group, started by hand; then there is nothing to leave.
    nix::unistd::setsid().ok();
    nix::unistd::chdir("/")?;
    nix::sys::prctl::set_name(c"skep-shim")?;
    nix::sys::prctl::set_child_subreaper(true)?;
    let mut wanted = SigSet::empty();
    wanted.add(Signal::SIGCHLD);
    wanted.add(Signal::SIGUSR1);
    Ok(SignalFd::with_flags(
        &wanted,
        SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK,
    )?)
}
