// SPDX-License-Identifier: Apache-2.0
//! The control group of one task: what to make, and what to do with it.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::find::Version;
use super::{Controller, put};
use crate::executor::Limits;

/// The period over which time on CPUs is measured out, in microseconds: the kernel's default.
const CPU_PERIOD_MICROS: u64 = 100_000;
/// The kernel gives no less than this in a period.
const CPU_LEAST_MICROS: u64 = 1_000;

/// The control group of one task: a directory for each hierarchy, planned by the daemon, made
/// by the shim.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CgroupPlan {
    /// The directories to make and to join.
    dirs: Vec<PathBuf>,
    /// What to write into which file, in this order.
    settings: Vec<Setting>,
    /// The file that counts processes killed for want of memory.
    oom_events: Option<PathBuf>,
    /// The file that kills all of them in one stroke.
    kill: Option<PathBuf>,
    /// There are limits, so the task must not run without.
    pub(super) required: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Setting {
    file: PathBuf,
    value: String,
    /// Without the file there is nothing to limit: a machine that cannot swap.
    optional: bool,
}

impl CgroupPlan {
    /// Adds the directory of one hierarchy.
    pub(super) fn add(
        &mut self,
        dir: PathBuf,
        version: Version,
        controllers: &[Controller],
        limits: &Limits,
    ) {
        for controller in controllers {
            for (file, value, optional) in settings(*controller, version, limits) {
                self.settings.push(Setting {
                    file: dir.join(file),
                    value,
                    optional,
                });
            }
        }
        if controllers.contains(&Controller::Memory) {
            self.oom_events = Some(dir.join(match version {
                Version::V1 => "memory.oom_control",
                Version::V2 => "memory.events",
            }));
        }
        if version == Version::V2 {
            self.kill = Some(dir.join("cgroup.kill"));
        }
        self.dirs.push(dir);
    }

    /// Makes the group and sets the limits. Without limits, a group that cannot be made is
    /// done without.
    pub(crate) fn make(&self) -> io::Result<()> {
        let made = self
            .dirs
            .iter()
            .try_for_each(|dir| make_dir(dir))
            .and_then(|()| self.set());
        if made.is_err() {
            self.remove();
        }
        if self.required { made } else { Ok(()) }
    }

    fn set(&self) -> io::Result<()> {
        for Setting {
            file,
            value,
            optional,
        } in &self.settings
        {
            match put(file, value) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && *optional => {}
                other => named(file, other)?,
            }
        }
        Ok(())
    }

    /// Moves the calling process in.
    pub(crate) fn join(&self) -> io::Result<()> {
        for dir in &self.dirs {
            let file = dir.join("cgroup.procs");
            let joined = named(&file, put(&file, "0"));
            if self.required {
                joined?;
            }
        }
        Ok(())
    }

    /// Kills all that are in it, if the kernel can do that in one stroke.
    pub(crate) fn kill_all(&self) {
        if let Some(file) = &self.kill {
            // Older kernels have no such file; the caller has other ways.
            put(file, "1").ok();
        }
    }

    /// Process ids of all that are in it.
    pub(crate) fn pids(&self) -> Vec<i32> {
        let mut pids = Vec::new();
        for dir in &self.dirs {
            let text = std::fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
            pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
        }
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// How many of its processes were killed for want of memory.
    pub(crate) fn oom_kills(&self) -> u64 {
        let text = self.oom_events.as_ref().map(std::fs::read_to_string);
        text.and_then(Result::ok).map_or(0, |text| oom_count(&text))
    }

    /// Removes it, once nothing is in it. One that cannot be removed yet is tried again when
    /// the task is removed.
    pub(crate) fn remove(&self) {
        for dir in &self.dirs {
            std::fs::remove_dir(dir).ok();
        }
    }

    /// Whether some of its directories are there.
    pub(crate) fn exists(&self) -> bool {
        self.dirs.iter().any(|dir| dir.exists())
    }
}

/// The files of a controller that hold a limit, with what to write into them.
fn settings(
    controller: Controller,
    version: Version,
    limits: &Limits,
) -> Vec<(&'static str, String, bool)> {
    let (memory, pids) = (limits.memory_bytes.to_string(), limits.pids.to_string());
    let quota = (u64::from(limits.cpu_millis) * CPU_PERIOD_MICROS / 1_000).max(CPU_LEAST_MICROS);
    match (controller, version) {
        (Controller::Cpu, _) if limits.cpu_millis == 0 => vec![],
        (Controller::Memory, _) if limits.memory_bytes == 0 => vec![],
        (Controller::Pids, _) if limits.pids == 0 => vec![],
        (Controller::Pids, _) => vec![("pids.max", pids, false)],
        (Controller::Cpu, Version::V2) => {
            vec![("cpu.max", format!("{quota} {CPU_PERIOD_MICROS}"), false)]
        }
        (Controller::Cpu, Version::V1) => vec![
            ("cpu.cfs_period_us", CPU_PERIOD_MICROS.to_string(), false),
            ("cpu.cfs_quota_us", quota.to_string(), false),
        ],
        // Swap would be memory too: a limit that leaks into swap is none.
        (Controller::Memory, Version::V2) => {
            vec![
                ("memory.max", memory, false),
                ("memory.swap.max", "0".into(), true),
            ]
        }
        (Controller::Memory, Version::V1) => vec![
            ("memory.limit_in_bytes", memory.clone(), false),
            ("memory.memsw.limit_in_bytes", memory, true),
        ],
    }
}

/// The number behind "oom_kill" in the kernel's list of events.
fn oom_count(text: &str) -> u64 {
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}

fn make_dir(dir: &Path) -> io::Result<()> {
    match std::fs::create_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => named(dir, other),
    }
}

fn named<T>(path: &Path, result: io::Result<T>) -> io::Result<T> {
    result.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(version: Version, limits: Limits) -> Vec<String> {
        let mut plan = CgroupPlan::default();
        plan.add("/g".into(), version, &Controller::ALL, &limits);
        let show = |setting: &Setting| {
            let optional = if setting.optional { "?" } else { "" };
            format!("{}{optional}={}", setting.file.display(), setting.value)
        };
        plan.settings.iter().map(show).collect()
    }

    const LIMITS: Limits = Limits {
        cpu_millis: 1_500,
        memory_bytes: 4_194_304,
        pids: 7,
    };

    #[test]
    fn version_2_has_one_file_for_each_limit() {
        let want = [
            "/g/cpu.max=150000 100000",
            "/g/memory.max=4194304",
            "/g/memory.swap.max?=0",
            "/g/pids.max=7",
        ];
        assert_eq!(written(Version::V2, LIMITS), want);
    }

    #[test]
    fn version_1_has_its_own() {
        let want = [
            "/g/cpu.cfs_period_us=100000",
            "/g/cpu.cfs_quota_us=150000",
            "/g/memory.limit_in_bytes=4194304",
            "/g/memory.memsw.limit_in_bytes?=4194304",
            "/g/pids.max=7",
        ];
        assert_eq!(written(Version::V1, LIMITS), want);
    }

    #[test]
    fn no_limit_writes_nothing_and_a_tiny_one_what_the_kernel_takes() {
        assert_eq!(written(Version::V1, Limits::default()), [""; 0]);
        assert_eq!(written(Version::V2, Limits::default()), [""; 0]);
        let tiny = Limits {
            cpu_millis: 1,
            ..Limits::default()
        };
        assert_eq!(written(Version::V2, tiny), ["/g/cpu.max=1000 100000"]);
    }

    #[test]
    fn kills_for_want_of_memory_are_counted_in_both_versions() {
        assert_eq!(oom_count("low 0\nhigh 0\nmax 31\noom 2\noom_kill 2\n"), 2);
        assert_eq!(
            oom_count("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"),
            1
        );
        assert_eq!(oom_count(""), 0);
    }

    #[test]
    fn a_group_that_cannot_be_made_stops_only_a_task_with_limits() {
        let mut plan = CgroupPlan::default();
        plan.add(
            "/proc/no/such/place".into(),
            Version::V2,
            &Controller::ALL,
            &LIMITS,
        );
        plan.make().expect("no limits, no harm");
        plan.join().expect("nothing to join");
        plan.required = true;
        let error = plan
            .make()
            .expect_err("the limits would not hold")
            .to_string();
        assert!(error.starts_with("/proc/no/such/place: "), "{error}");
        assert!(plan.join().is_err());
    }
}
