// SPDX-License-Identifier: Apache-2.0
//! What a driver talks to: a real daemon behind a link, or the stand-in.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use skep_tests::{DEADLINE, Daemon, until};
use tokio::task::block_in_place;

use crate::driver::last_lines;
use crate::link::Link;
use crate::raw::Raw;
use crate::scenario::{Fault, Link as LinkState, Server};
use crate::standin::StandIn;

/// Flags of every daemon: tasks are programs, also where an engine answers.
const FLAGS: [&str; 3] = ["--dev", "--executor", "process"];

/// The other side of a driver.
pub(crate) enum World {
    Daemon(Box<Real>),
    StandIn(StandIn),
}

/// A daemon and the link to it.
pub(crate) struct Real {
    flags: Vec<String>,
    daemon: Daemon,
    paused: bool,
    link: Link,
    by_socket: bool,
}

impl World {
    pub(crate) async fn start(server: &Server) -> Result<Self> {
        if server.stand_in {
            return Ok(Self::StandIn(StandIn::start().await?));
        }
        let mut flags: Vec<String> = FLAGS.iter().map(|&flag| flag.to_owned()).collect();
        if server.flags.iter().any(|flag| flag == "--executor") {
            flags.truncate(1);
        }
        flags.extend(server.flags.iter().cloned());
        let daemon = start(&flags);
        let link = Link::to(daemon.dev_addr()).await?;
        Ok(Self::Daemon(Box::new(Real {
            flags,
            daemon,
            paused: false,
            link,
            by_socket: server.by_socket,
        })))
    }

    /// Where the driver connects to.
    pub(crate) fn host(&self) -> String {
        match self {
            Self::Daemon(real) if real.by_socket => {
                format!("unix://{}", real.daemon.ready.socket.display())
            }
            Self::Daemon(real) => format!("http://{}", real.link.address),
            Self::StandIn(stand_in) => format!("http://{}", stand_in.address),
        }
    }

    /// The runner's own way to the daemon, past the link.
    pub(crate) fn raw(&self) -> Result<Raw> {
        match self {
            Self::Daemon(real) => Raw::to(real.daemon.dev_addr()),
            Self::StandIn(stand_in) => Raw::to(stand_in.address),
        }
    }

    pub(crate) fn stand_in(&self) -> Result<&StandIn> {
        match self {
            Self::Daemon(_) => bail!("this is for the stand-in, and here is a daemon"),
            Self::StandIn(stand_in) => Ok(stand_in),
        }
    }

    /// Does what a scenario wants to go wrong.
    pub(crate) fn fault(&mut self, fault: &Fault) -> Result<()> {
        let Self::Daemon(real) = self else {
            bail!("only a daemon can be hurt, and here is the stand-in");
        };
        match fault {
            Fault::Kill(_) => block_in_place(|| real.daemon.kill()),
            Fault::Start(_) => {
                block_in_place(|| real.daemon.start_again());
                real.link.lead_to(real.daemon.dev_addr());
            }
            Fault::Replace(_) => {
                real.daemon = start(&real.flags);
                real.link.lead_to(real.daemon.dev_addr());
                real.link.set(LinkState::Broken);
            }
            Fault::Pause(_) => {
                real.signal(Signal::SIGSTOP)?;
                let pid = real.daemon.ready.pid;
                block_in_place(|| until("it stands still", DEADLINE, || stopped(pid)));
            }
            Fault::Cont(_) => real.signal(Signal::SIGCONT)?,
            Fault::Link(state) => real.link.set(*state),
        }
        Ok(())
    }

    /// Mends what a scenario left broken.
    pub(crate) fn mend(&mut self) -> Result<()> {
        if let Self::Daemon(real) = self {
            real.link.set(LinkState::Whole);
            if real.paused {
                real.signal(Signal::SIGCONT)?;
            }
        }
        Ok(())
    }

    /// What the daemon logged last.
    pub(crate) fn log(&self) -> String {
        match self {
            Self::Daemon(real) => last_lines(&real.daemon.log(), 15),
            Self::StandIn(_) => String::new(),
        }
    }
}

impl Real {
    fn signal(&mut self, signal: Signal) -> Result<()> {
        self.paused = signal == Signal::SIGSTOP;
        kill(Pid::from_raw(self.daemon.ready.pid), signal).context("the daemon is gone")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // The end of a daemon is waited for.
        if let Self::Daemon(real) = self
            && real.paused
        {
            let _ = real.signal(Signal::SIGCONT);
        }
    }
}

/// Whether all threads of a process are stopped: the signal takes its time.
fn stopped(pid: i32) -> Option<()> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let all = threads.flatten().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        let state = stat
            .rsplit_once(") ")
            .map(|(_, rest)| rest.starts_with('T'));
        state.unwrap_or(true)
    });
    all.then_some(())
}

fn start(flags: &[String]) -> Daemon {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    block_in_place(|| Daemon::start_with(&flags))
}
