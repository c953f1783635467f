// SPDX-License-Identifier: Apache-2.0
//! Reads from a task's directory how far the task is.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use crate::executor::Exit;
use crate::shim::files::{EXIT, RUNNING, SPEC, STARTED, TaskDir};
use crate::shim::identity::{ProcessIdentity, boot_id};
use crate::shim::spec::{Running, Spec};

/// How far a task is.
pub(super) enum Found {
    /// There is no task.
    Nothing,
    /// It was never started.
    Prepared(Spec),
    /// A shim is about to start it.
    Beginning,
    /// It runs, under the shim behind this handle.
    Running(Spec, OwnedFd, Running),
    /// It has ended.
    Ended(Spec, Exit),
    /// It was started, its shim is gone, and nothing says how it ended.
    Lost {
        /// What it ran.
        spec: Spec,
        /// It was in an earlier run of the machine, so nothing of it is left.
        rebooted: bool,
    },
}

/// How far the task is now.
pub(super) fn look(dir: &TaskDir) -> io::Result<Found> {
    let Some(spec) = dir.read::<Spec>(SPEC)? else {
        return Ok(Found::Nothing);
    };
    if let Some(exit) = dir.read::<Exit>(EXIT)? {
        return Ok(Found::Ended(spec, exit));
    }
    let Some(shim) = dir.read::<ProcessIdentity>(STARTED)? else {
        return Ok(Found::Prepared(spec));
    };
    let Some(handle) = shim.open()? else {
        // It may have written the end, and gone, since we looked.
        return Ok(match dir.read::<Exit>(EXIT)? {
            Some(exit) => Found::Ended(spec, exit),
            None => Found::Lost {
                spec,
                rebooted: boot_id()? != shim.boot_id,
            },
        });
    };
    Ok(match dir.read::<Running>(RUNNING)? {
        Some(running) => Found::Running(spec, handle, running),
        None => Found::Beginning,
    })
}

/// How far the task is, once a shim that is about to start it has done so.
///
/// # Errors
/// If the shim takes longer than `patience`.
pub(super) fn settled(dir: &TaskDir, patience: Duration) -> io::Result<Found> {
    let deadline = Instant::now() + patience;
    loop {
        match look(dir)? {
            Found::Beginning if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Found::Beginning => {
                let words = "a supervisor has begun to start the task and does not come to an end";
                return Err(io::Error::new(io::ErrorKind::TimedOut, words));
            }
            found => return Ok(found),
        }
    }
}
