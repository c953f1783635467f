// SPDX-License-Identifier: Apache-2.0
//! Which process exactly: numbers are used again, and a reboot begins them anew.

use std::io;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::sys;

/// One process, and no later one that happens to get its number.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct ProcessIdentity {
    /// Its number.
    pub(crate) pid: i32,
    /// When it began, in clock ticks since the machine did: `proc_pid_stat(5)`, field 22.
    pub(crate) start_ticks: u64,
    /// Which run of the machine.
    pub(crate) boot_id: String,
}

impl ProcessIdentity {
    /// The process that has this number now.
    pub(crate) fn of(pid: i32) -> io::Result<Self> {
        let stat = stat(pid)?;
        Ok(ProcessIdentity {
            pid,
            start_ticks: stat.start_ticks,
            boot_id: boot_id()?,
        })
    }

    /// A handle to the process; none if it has ended, whoever has its number now.
    pub(crate) fn open(&self) -> io::Result<Option<OwnedFd>> {
        if boot_id()? != self.boot_id {
            return Ok(None);
        }
        let handle = match sys::pidfd_open(self.pid) {
            Ok(handle) => handle,
            // None has this number, or it is that of a thread now.
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        // The handle is held first: if the number still means the same process now, it is that
        // process we hold.
        Ok(match stat(self.pid) {
            Ok(stat) if stat.start_ticks == self.start_ticks && stat.runs() => Some(handle),
            _ => None,
        })
    }
}

fn is_gone(error: &io::Error) -> bool {
    let gone = [Errno::ESRCH, Errno::EINVAL, Errno::ENOENT];
    gone.map(|errno| Some(errno as i32))
        .contains(&error.raw_os_error())
}

/// Which run of the machine this is: random, new at each boot.
pub(crate) fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

/// What the system says of a process.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Stat {
    /// One letter: R, S, D, Z, T, ...
    pub(crate) state: char,
    /// Process id of its parent.
    pub(crate) parent: i32,
    /// When it began, in clock ticks since boot.
    pub(crate) start_ticks: u64,
}

impl Stat {
    /// Whether it has not ended: a zombie only waits to be collected.
    pub(crate) fn runs(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }

    fn parse(text: &str) -> Option<Stat> {
        // The second field, the name in brackets, may itself hold brackets and blanks.
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        Some(Stat {
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
        })
    }
}

/// What the system says of the process with this number.
pub(crate) fn stat(pid: i32) -> io::Result<Stat> {
    let text = std::fs::read(format!("/proc/{pid}/stat"))?;
    Stat::parse(&String::from_utf8_lossy(&text))
        .ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat has another form than known")))
}

/// Numbers of all processes there are.
pub(crate) fn all_pids() -> io::Result<Vec<i32>> {
    let mut pids = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        pids.extend(
            entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<i32>().ok()),
        );
    }
    Ok(pids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_mislead() {
        let text = "12 (a) R 1 (b)) S 7 12 12 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4711 99 1\n";
        assert_eq!(
            Stat::parse(text),
            Some(Stat {
                state: 'S',
                parent: 7,
                start_ticks: 4711
            })
        );
        assert_eq!(Stat::parse("12 (x) S 7"), None);
    }

    #[test]
    fn this_process_is_found_and_its_number_alone_is_not_enough() {
        let me = std::process::id() as i32;
        let identity = ProcessIdentity::of(me).expect("an identity");
        assert!(identity.open().expect("a look").is_some());

        let later = ProcessIdentity {
            start_ticks: identity.start_ticks + 1,
            ..identity.clone()
        };
        assert!(
            later.open().expect("a look").is_none(),
            "another process with our number"
        );
        let rebooted = ProcessIdentity {
            boot_id: "another".into(),
            ..identity
        };
        assert!(
            rebooted.open().expect("a look").is_none(),
            "our number in another boot"
        );
    }

    #[test]
    fn a_process_that_ended_is_not_found_even_before_it_is_collected() {
        let mut child = std::process::Command::new("/bin/true")
            .spawn()
            .expect("a process");
        let identity = ProcessIdentity::of(child.id() as i32).expect("an identity");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while identity.open().expect("a look").is_some() {
            assert!(std::time::Instant::now() < deadline, "it never ended");
            std::thread::yield_now();
        }
        child.wait().expect("its status");
        assert!(identity.open().expect("a look").is_none());
    }
}
