// SPDX-License-Identifier: Apache-2.0
//! The system calls that need `unsafe`, each behind a function that does not.
//!
//! They are here because no safe wrapper fits: signals and exit statuses go by number, since
//! real-time signals have no name; a pidfd has no wrapper at all.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::libc;

/// What became of the children.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reaped {
    /// This child has ended.
    Child {
        /// Its process id, free from now on.
        pid: i32,
        /// How it ended.
        ending: Ending,
    },
    /// There are children and none has ended.
    Nothing,
    /// There are no children.
    NoChildren,
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// With this exit code.
    Code(i32),
    /// By the signal with this number.
    Signal(i32),
}

/// Collects one child that has ended, without waiting.
pub(crate) fn reap() -> Reaped {
    let mut status = 0;
    loop {
        // SAFETY: `status` is a valid place for the one number that is written.
        let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) };
        return match pid {
            0 => Reaped::Nothing,
            -1 if io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) => continue,
            -1 => Reaped::NoChildren,
            pid if libc::WIFSIGNALED(status) => Reaped::Child {
                pid,
                ending: Ending::Signal(libc::WTERMSIG(status)),
            },
            pid => Reaped::Child {
                pid,
                ending: Ending::Code(libc::WEXITSTATUS(status)),
            },
        };
    }
}

/// Sends a signal to a process. One that is gone is no error: that is what was wanted.
pub(crate) fn kill(pid: i32, signal: i32) {
    if pid > 0 {
        // SAFETY: kill takes two numbers and touches no memory of ours.
        unsafe { libc::kill(pid, signal) };
    }
}

/// Which side of a fork this is.
pub(crate) enum Fork {
    /// The new process.
    Child,
    /// The old one; the new one has this process id.
    Parent(i32),
}

/// Makes a copy of this process.
///
/// # Errors
/// If there are too many processes or too little memory, or if this process has other threads:
/// only the calling one goes on in the copy, which may find locks held for ever.
pub(crate) fn fork() -> io::Result<Fork> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("the supervisor has more than one thread"));
    }
    // SAFETY: there is no other thread (just checked, and only this one could make any), so
    // the copy is whole and may do whatever this process may do.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid)),
    }
}

/// Ends this process at once, without anything that is run at exit.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit does not return and touches no memory.
    unsafe { libc::_exit(code) }
}

/// Gives every signal its default action, also those that were ignored when this process began.
pub(crate) fn reset_signal_actions() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: the default action runs no code of ours. SIGKILL, SIGSTOP and the numbers
        // that the C library keeps for itself are refused, which changes nothing.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// A handle to a process that never means another one, whatever becomes of its number.
pub(crate) fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes numbers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0);
    let fd = fd.ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends a signal to the process behind a pidfd.
///
/// # Errors
/// If the process has ended or may not be signalled.
pub(crate) fn pidfd_signal(fd: &OwnedFd, signal: i32) -> io::Result<()> {
    let nothing = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open as long as `fd` lives, and no information is passed.
    let done = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            fd.as_raw_fd(),
            signal,
            nothing,
            0,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
