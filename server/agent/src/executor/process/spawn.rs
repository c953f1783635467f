// SPDX-License-Identifier: Apache-2.0
//! Starts shims.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::shim::files::{COMPLAINTS, TaskDir};
use crate::shim::{self, Greeting};

/// How long a shim may take from its start to its greeting: it waits for the disk a few times.
pub(super) const GREETING_PATIENCE: Duration = Duration::from_secs(60);

/// How shims are started: this program, with these arguments and the task's directory.
#[derive(Clone, Debug)]
pub struct ShimProgram {
    /// The program.
    pub program: PathBuf,
    /// Arguments before the directory.
    pub arguments: Vec<OsString>,
}

impl Default for ShimProgram {
    /// This very program, also if its file was replaced meanwhile, which calls
    /// [`crate::shim::run_if_asked`].
    fn default() -> Self {
        ShimProgram {
            program: "/proc/self/exe".into(),
            arguments: vec![shim::ARGUMENT.into()],
        }
    }
}

/// Starts a shim for the task and waits for its greeting. It is our child as long as we live,
/// so somebody has to collect it.
pub(super) fn spawn(program: &ShimProgram, dir: &TaskDir) -> io::Result<(Child, Greeting)> {
    let mut complaints = File::options();
    let complaints = complaints
        .create(true)
        .append(true)
        .mode(0o600)
        .open(dir.file(COMPLAINTS))?;
    let mut child = Command::new(&program.program)
        .arg0("skepd")
        .args(&program.arguments)
        .arg(dir.path())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(complaints)
        .spawn()?;
    let heard = match child.stdout.take() {
        Some(pipe) => listen(pipe),
        None => Err(io::Error::other("no pipe to it")),
    };
    match heard {
        Ok(greeting) => Ok((child, greeting)),
        Err(error) => {
            child.kill().ok();
            child.wait()?;
            let complaints = dir.complaints();
            let but = if complaints.is_empty() {
                ""
            } else {
                "; its last words: "
            };
            Err(io::Error::new(
                error.kind(),
                format!("{error}{but}{complaints}"),
            ))
        }
    }
}

fn listen(mut pipe: ChildStdout) -> io::Result<Greeting> {
    let deadline = Instant::now() + GREETING_PATIENCE;
    let mut text = Vec::new();
    loop {
        wait_readable(&pipe, deadline)?;
        let mut chunk = [0; 4_096];
        match pipe.read(&mut chunk)? {
            0 if text.is_empty() => return Err(io::Error::other("it ended without a word")),
            0 => return Ok(serde_json::from_slice(&text)?),
            bytes => text.extend_from_slice(&chunk[..bytes]),
        }
    }
}

/// Waits until there is something to read, or the other side has gone.
///
/// # Errors
/// If that takes past `deadline`.
pub(super) fn wait_readable(file: impl AsFd, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "it gives no answer",
            ));
        }
        let left = PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLIN)], left) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Whether the process behind this handle has ended. If the system cannot say, it has not.
pub(super) fn has_ended(process: &OwnedFd) -> bool {
    let asked = PollFd::new(process.as_fd(), PollFlags::POLLIN);
    poll(&mut [asked], PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}
