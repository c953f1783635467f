// SPDX-License-Identifier: Apache-2.0
//! What the kernel knows of a process and of the machine, out of `/proc`.

use std::time::Instant;

use anyhow::{Context, Result};
use nix::unistd::{SysconfVar, sysconf};

/// CPU time that a process used so far, user and system, in seconds.
///
/// # Errors
/// If there is no such process.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let text = read(&format!("/proc/{pid}/stat"))?;
    cpu_ticks(&text)
        .map(|ticks| ticks / ticks_per_second())
        .with_context(|| format!("/proc/{pid}/stat is not as expected"))
}

/// The name in parentheses may hold anything, so fields are counted from its end: utime and
/// stime are fields 14 and 15 of all, see proc_pid_stat(5).
fn cpu_ticks(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// The most memory a process ever had (`VmHWM`), or has now (`VmRSS`), in MiB.
///
/// # Errors
/// If there is no such process.
pub(crate) fn memory_mib(pid: u32, field: &str) -> Result<f64> {
    let text = read(&format!("/proc/{pid}/status"))?;
    let kib: f64 = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse().ok())
        .with_context(|| format!("/proc/{pid}/status has no {field}"))?;
    Ok(kib / 1024.0)
}

/// CPU time that all of the machine's processors were busy since it started, in seconds.
fn machine_busy_seconds() -> Result<f64> {
    let text = read("/proc/stat")?;
    let first = text.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = first
        .split_whitespace()
        .skip(1)
        .map_while(|field| field.parse().ok())
        .collect();
    // Fields 4 and 5 are idle and waiting for disks; 9 and 10 are counted in user time already.
    let busy = |(place, ticks): (usize, &f64)| match place {
        3 | 4 | 8 | 9 => 0.0,
        _ => *ticks,
    };
    Ok(ticks.iter().enumerate().map(busy).sum::<f64>() / ticks_per_second())
}

/// The load averages over 1, 5 and 15 minutes, as text.
pub(crate) fn load() -> String {
    let text = read("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

/// How many processors there are for this process.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What the processes of a measurement used, and how busy others kept the machine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Time on the clock, in seconds.
    pub(crate) wall: f64,
    /// CPU time of the process that is measured, in seconds.
    pub(crate) cpu: f64,
    /// The most memory it ever had, in MiB.
    pub(crate) peak_mib: f64,
    /// The part of the machine's processors that neither it nor this program used: noise.
    pub(crate) others: f64,
}

/// Measures what a process uses from here on.
#[derive(Debug)]
pub(crate) struct Meter {
    pid: u32,
    start: Instant,
    cpu: f64,
    own: f64,
    machine: f64,
}

impl Meter {
    /// Starts. `pid` may be this program's own.
    ///
    /// # Errors
    /// If there is no such process.
    pub(crate) fn start(pid: u32) -> Result<Meter> {
        Ok(Meter {
            pid,
            cpu: cpu_seconds(pid)?,
            own: cpu_seconds(std::process::id())?,
            machine: machine_busy_seconds()?,
            start: Instant::now(),
        })
    }

    /// What was used until now.
    ///
    /// # Errors
    /// If the process is gone.
    pub(crate) fn stop(&self) -> Result<Usage> {
        let wall = self.start.elapsed().as_secs_f64();
        let cpu = cpu_seconds(self.pid)? - self.cpu;
        let own = cpu_seconds(std::process::id())? - self.own;
        let ours = if self.pid == std::process::id() {
            cpu
        } else {
            cpu + own
        };
        let machine = machine_busy_seconds()? - self.machine;
        let all = wall * processors() as f64;
        Ok(Usage {
            wall,
            cpu,
            peak_mib: memory_mib(self.pid, "VmHWM")?,
            others: ((machine - ours) / all).clamp(0.0, 1.0),
        })
    }
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

fn ticks_per_second() -> f64 {
    match sysconf(SysconfVar::CLK_TCK) {
        Ok(Some(ticks)) => ticks as f64,
        _ => 100.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_moves_no_field() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0";
        assert_eq!(cpu_ticks(stat), Some(200.0));
        assert_eq!(cpu_ticks("7 (short) S 1"), None);
    }

    #[test]
    fn this_process_has_used_something() {
        let meter = Meter::start(std::process::id()).expect("it is there");
        let mut sum = 0_u64;
        while cpu_seconds(std::process::id()).expect("it is there") < meter.cpu + 0.05 {
            sum = sum.wrapping_mul(31).wrapping_add(1);
        }
        let usage = meter.stop().expect("it is there");
        assert!(usage.cpu >= 0.04 && usage.peak_mib > 0.5, "{usage:?} {sum}");
        assert!((0.0..=1.0).contains(&usage.others), "{usage:?}");
    }
}
