// SPDX-License-Identifier: Apache-2.0
//! Starts the main process of a task.
//!
//! The new process changes itself step by step and then becomes the program. If a step fails,
//! it says which one over a pipe that closes by itself when the program takes over.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{self, Gid, Uid};

use super::files::TaskDir;
use super::spec::{Credentials, Spec};
use super::sys::{self, Fork};
use super::{limits, words};
use crate::executor::ExecutorError;

/// The main process, and the ends of its pipes.
pub(super) struct Launched {
    pub(super) pid: i32,
    pub(super) stdout: File,
    pub(super) stderr: File,
}

/// What a new process does before it becomes the program; its number goes over the pipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// A session of its own, standard streams, signals.
    Detach,
    /// Into its control group.
    Cgroup,
    /// Kernel limits; the detail is the position of the limit.
    Ulimit,
    /// Groups and user.
    Credentials,
    /// The working directory.
    Dir,
    /// Becoming the program.
    Exec,
}

impl Stage {
    const ALL: [Stage; 6] = [
        Stage::Detach,
        Stage::Cgroup,
        Stage::Ulimit,
        Stage::Credentials,
        Stage::Dir,
        Stage::Exec,
    ];
}

/// Why a new process did not become the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Failure {
    pub(super) stage: Stage,
    pub(super) detail: u32,
    pub(super) errno: Errno,
}

impl Failure {
    fn encode(self) -> [u8; 9] {
        let mut bytes = [0; 9];
        bytes[0] = self.stage as u8;
        bytes[1..5].copy_from_slice(&self.detail.to_ne_bytes());
        bytes[5..].copy_from_slice(&(self.errno as i32).to_ne_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Failure> {
        let bytes: &[u8; 9] = bytes.try_into().ok()?;
        let number = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        Some(Failure {
            stage: *Stage::ALL.get(usize::from(bytes[0]))?,
            detail: u32::from_ne_bytes(number(1)),
            errno: Errno::from_raw(i32::from_ne_bytes(number(5))),
        })
    }
}

/// Starts the main process.
///
/// # Errors
/// `Refused` if the process could not become the program, otherwise if the system gave no
/// process or no pipe.
pub(super) fn launch(spec: &Spec, files: &TaskDir) -> Result<Launched, ExecutorError> {
    let plan = Plan::new(spec, files)?;
    let make = || {
        let null = File::options().read(true).write(true).open("/dev/null")?;
        let pipe = || unistd::pipe2(OFlag::O_CLOEXEC);
        Ok::<_, io::Error>((null, pipe()?, pipe()?, pipe()?))
    };
    let node_failed = |error| ExecutorError::io("cannot start a process", error);
    let (null, out, err, report) = make().map_err(node_failed)?;
    match sys::fork().map_err(node_failed)? {
        Fork::Child => plan.become_program(&null, &out.1, &err.1, report.1),
        Fork::Parent(pid) => {
            drop((out.1, err.1, report.1));
            let mut answer = Vec::new();
            File::from(report.0)
                .read_to_end(&mut answer)
                .map_err(node_failed)?;
            if let Some(failure) = Failure::decode(&answer) {
                return Err(words::refused(failure, spec));
            }
            Ok(Launched {
                pid,
                stdout: File::from(out.0),
                stderr: File::from(err.0),
            })
        }
    }
}

/// All that the new process needs, made before the fork.
struct Plan<'a> {
    spec: &'a Spec,
    argv: Vec<CString>,
    env: Vec<CString>,
    dir: PathBuf,
    supervisor: unistd::Pid,
}

impl<'a> Plan<'a> {
    fn new(spec: &'a Spec, files: &TaskDir) -> Result<Self, ExecutorError> {
        let nul = |field: &'static str| {
            move |_| ExecutorError::refused(field, "a text with a zero byte cannot be passed on")
        };
        let argv: Result<_, _> = spec.argv().map(CString::new).collect();
        let env = spec
            .work
            .env
            .iter()
            .map(|(key, value)| CString::new(format!("{key}={value}")));
        let own = files.work();
        Ok(Plan {
            spec,
            argv: argv.map_err(nul("process.command"))?,
            env: env.collect::<Result<_, _>>().map_err(nul("process.env"))?,
            dir: if spec.own_dir() {
                own
            } else {
                PathBuf::from(&spec.work.dir)
            },
            supervisor: unistd::getpid(),
        })
    }

    /// Runs in the new process and never comes back.
    fn become_program(&self, null: &File, out: &OwnedFd, err: &OwnedFd, report: OwnedFd) -> ! {
        let failure = self.steps(null, out, err);
        // If the supervisor is gone, nobody waits for the words.
        File::from(report).write_all(&failure.encode()).ok();
        sys::exit_now(127)
    }

    /// The steps in the order they must have: what needs root comes before the user changes,
    /// and a directory is entered with the rights of the user who asked for it.
    fn steps(&self, null: &File, out: &OwnedFd, err: &OwnedFd) -> Failure {
        let at = |stage| {
            move |errno| Failure {
                stage,
                detail: 0,
                errno,
            }
        };
        let run = || {
            self.detach(null, out, err).map_err(at(Stage::Detach))?;
            self.spec
                .cgroup
                .join()
                .map_err(|error| at(Stage::Cgroup)(errno_of(&error)))?;
            limits::usual_files().map_err(at(Stage::Detach))?;
            self.set_limits()?;
            if self.spec.own_dir() {
                enter(&self.dir).map_err(at(Stage::Dir))?;
            }
            self.take_credentials().map_err(at(Stage::Credentials))?;
            if !self.spec.own_dir() {
                enter(&self.dir).map_err(at(Stage::Dir))?;
            }
            self.die_with_supervisor().map_err(at(Stage::Detach))?;
            let program = &self.argv[0];
            unistd::execve(program, &self.argv, &self.env).map_err(at(Stage::Exec))
        };
        match run() {
            Err(failure) => failure,
            Ok(never) => match never {},
        }
    }

    fn detach(&self, null: &File, out: &OwnedFd, err: &OwnedFd) -> nix::Result<()> {
        unistd::setsid()?;
        unistd::dup2_stdin(null)?;
        unistd::dup2_stdout(out.as_fd())?;
        unistd::dup2_stderr(err.as_fd())?;
        umask(Mode::from_bits_truncate(0o022));
        sys::reset_signal_actions();
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
    }

    fn set_limits(&self) -> Result<(), Failure> {
        for (detail, (name, limit)) in (0..).zip(&self.spec.work.ulimits) {
            limits::set(name, *limit).map_err(|errno| Failure {
                stage: Stage::Ulimit,
                detail,
                errno,
            })?;
        }
        Ok(())
    }

    fn take_credentials(&self) -> nix::Result<()> {
        let Some(Credentials { uid, gid, groups }) = &self.spec.credentials else {
            return Ok(());
        };
        let groups: Vec<Gid> = groups.iter().copied().map(Gid::from_raw).collect();
        let (uid, gid) = (Uid::from_raw(*uid), Gid::from_raw(*gid));
        // Or the task could not open /dev/stdout, as many programs do for their logs.
        unistd::fchown(std::io::stdout(), Some(uid), Some(gid))?;
        unistd::fchown(std::io::stderr(), Some(uid), Some(gid))?;
        unistd::setgroups(&groups)?;
        unistd::setresgid(gid, gid, gid)?;
        unistd::setresuid(uid, uid, uid)
    }

    /// Without its supervisor nobody would read its output or see its end. (A change of user
    /// takes this mark away, so it is set after that.)
    fn die_with_supervisor(&self) -> nix::Result<()> {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        // It may have died just before.
        if unistd::getppid() == self.supervisor {
            Ok(())
        } else {
            Err(Errno::ESRCH)
        }
    }
}

fn enter(dir: &Path) -> nix::Result<()> {
    unistd::chdir(dir)
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_pass_the_pipe() {
        for stage in Stage::ALL {
            let failure = Failure {
                stage,
                detail: 7,
                errno: Errno::ENOENT,
            };
            assert_eq!(Failure::decode(&failure.encode()), Some(failure));
        }
        assert_eq!(Failure::decode(b""), None, "the program took over");
        assert_eq!(Failure::decode(&[9; 9]), None);
    }
}
