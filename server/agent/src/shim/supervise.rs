// SPDX-License-Identifier: Apache-2.0
//! The shim's loop: carries out what its [`Course`] says and tells it what happens.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;

use skep_core::model::Timestamp;

use super::course::{Course, Step, StopOrder};
use super::files::{STOP, TaskDir};
use super::identity;
use super::launch::Launched;
use super::spec::Spec;
use super::sys::{self, Ending, Reaped};
use super::words::{self, Seen};
use crate::clock;
use crate::executor::Exit;
use crate::logs::{LogSource, LogWriter};

/// How much output is taken at once: what a pipe holds.
const CHUNK_BYTES: usize = 64 * 1024;

/// One running task.
pub(super) struct Supervisor<'a> {
    spec: &'a Spec,
    files: &'a TaskDir,
    began: Instant,
    course: Course,
    signals: SignalFd,
    log: LogWriter,
    main: i32,
    /// How the main process ended, and when.
    ending: Option<(Ending, Timestamp)>,
    stdout: Option<File>,
    stderr: Option<File>,
    chunk: Vec<u8>,
}

impl<'a> Supervisor<'a> {
    /// Takes over a process that was just started. `signals` delivers SIGCHLD, and SIGUSR1 for
    /// "there is an order".
    pub(super) fn new(
        spec: &'a Spec,
        files: &'a TaskDir,
        signals: SignalFd,
        log: LogWriter,
        launched: Launched,
    ) -> io::Result<Self> {
        for pipe in [&launched.stdout, &launched.stderr] {
            fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Supervisor {
            spec,
            files,
            began: Instant::now(),
            course: Course::default(),
            signals,
            log,
            main: launched.pid,
            ending: None,
            stdout: Some(launched.stdout),
            stderr: Some(launched.stderr),
            chunk: vec![0; CHUNK_BYTES],
        })
    }

    /// Cares for the task until nothing of it is left.
    pub(super) fn run(mut self) -> io::Result<Exit> {
        loop {
            match self.course.next(self.began.elapsed()) {
                Step::Signal(signal) => sys::kill(self.main, signal),
                Step::KillAll => self.kill_all(),
                Step::Wait(until) => self.wait(until)?,
                Step::Finish => return Ok(self.finish()),
            }
        }
    }

    fn wait(&mut self, until: Option<Duration>) -> io::Result<()> {
        let patience = until.map(|until| until.saturating_sub(self.began.elapsed()));
        let patience = [patience, self.log.gap_due()].into_iter().flatten().min();
        let [signals, stdout, stderr] = self.poll(patience)?;
        if stdout {
            self.read(LogSource::Stdout);
        }
        if stderr {
            self.read(LogSource::Stderr);
        }
        if self.stdout.is_none() && self.stderr.is_none() {
            self.course.silent();
        }
        self.log.tell_gap();
        if signals {
            self.take_signals()?;
        }
        // Also without a signal: a process that was killed may have left children to us.
        if signals || self.ending.is_some() {
            self.collect();
        }
        Ok(())
    }

    /// Waits, and says what is ready: signals, standard output, standard error.
    fn poll(&self, patience: Option<Duration>) -> io::Result<[bool; 3]> {
        let wanted: [Option<BorrowedFd<'_>>; 3] = [
            Some(self.signals.as_fd()),
            self.stdout.as_ref().map(File::as_fd),
            self.stderr.as_ref().map(File::as_fd),
        ];
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(3);
        fds.extend(
            wanted
                .iter()
                .flatten()
                .map(|fd| PollFd::new(*fd, PollFlags::POLLIN)),
        );
        match poll(&mut fds, timeout(patience)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut answers = fds.iter().map(|fd| fd.any().unwrap_or(true));
        Ok(wanted.map(|fd| fd.is_some() && answers.next().unwrap_or(false)))
    }

    fn read(&mut self, source: LogSource) {
        let pipe = match source {
            LogSource::Stdout => &mut self.stdout,
            LogSource::Stderr => &mut self.stderr,
        };
        let Some(file) = pipe else { return };
        match file.read(&mut self.chunk) {
            Ok(0) => *pipe = None,
            Ok(bytes) => self.log.take(source, &self.chunk[..bytes]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                eprintln!("cannot read what the task prints: {error}");
                *pipe = None;
            }
        }
    }

    fn take_signals(&mut self) -> io::Result<()> {
        while let Some(signal) = self.signals.read_signal()? {
            if signal.ssi_signo == Signal::SIGUSR1 as u32 {
                self.take_order();
            }
        }
        Ok(())
    }

    fn take_order(&mut self) {
        match self.files.read::<StopOrder>(STOP) {
            Ok(Some(order)) => self
                .course
                .ordered(order, self.began.elapsed(), clock::now()),
            Ok(None) => {}
            Err(error) => eprintln!("cannot read the order to stop: {error}"),
        }
    }

    /// Collects all processes that have ended: the task's own, and orphans it left to us.
    fn collect(&mut self) {
        loop {
            match sys::reap() {
                Reaped::Child { pid, ending } if pid == self.main => {
                    self.ending = Some((ending, clock::now()));
                    self.course.main_ended(self.began.elapsed());
                }
                Reaped::Child { .. } => {}
                Reaped::Nothing => return self.course.children(true, self.began.elapsed()),
                Reaped::NoChildren => return self.course.children(false, self.began.elapsed()),
            }
        }
    }

    /// Kills the control group, and all children. Only children, because nobody else can get
    /// the number of a process that waits for us to collect it; the children of those who die
    /// become ours, so the next blow meets them.
    fn kill_all(&mut self) {
        self.spec.cgroup.kill_all();
        let me = std::process::id() as i32;
        for pid in identity::all_pids().unwrap_or_default() {
            if identity::stat(pid).is_ok_and(|stat| stat.parent == me) {
                sys::kill(pid, Signal::SIGKILL as i32);
            }
        }
        self.collect();
    }

    fn finish(mut self) -> Exit {
        self.log.finish();
        let (ending, at) = self
            .ending
            .expect("a course is over only after the main process");
        let seen = Seen {
            ending,
            order: self.course.order(),
            killed: self.course.was_killed(),
            left_some: self.course.left_some(),
            oom_kills: self.spec.cgroup.oom_kills(),
        };
        self.spec.cgroup.remove();
        words::exit(&seen, self.spec, self.log.last(), at)
    }
}

/// A timeout for poll, rounded up: one that is too early would make the loop spin.
fn timeout(patience: Option<Duration>) -> PollTimeout {
    let Some(patience) = patience else {
        return PollTimeout::NONE;
    };
    let millis = patience.as_nanos().div_ceil(1_000_000);
    PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
}
