// SPDX-License-Identifier: Apache-2.0
//! What a node is: its name, platform and capacity.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use skep_core::model::{NodeDescription, Platform, Resources};

use crate::executor::Executor;

/// What there is to say of this machine as a node.
pub(crate) fn describe(
    address: IpAddr,
    capacity: Option<Resources>,
    executor: &dyn Executor,
) -> NodeDescription {
    NodeDescription {
        hostname: hostname(),
        address,
        platform: platform(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        capabilities: capabilities(executor),
        capacity: capacity.unwrap_or_else(machine),
        conditions: Vec::new(),
        ports_in_use: Vec::new(),
    }
}

/// What the tasks of a node can ask for, in order.
pub(crate) fn capabilities(executor: &dyn Executor) -> Vec<String> {
    let known = executor.capabilities().into_iter();
    let mut capabilities: Vec<String> = known.map(str::to_owned).collect();
    capabilities.sort_unstable();
    capabilities.dedup();
    capabilities
}

fn hostname() -> String {
    let name = nix::unistd::gethostname().ok();
    let name = name.and_then(|name| name.into_string().ok());
    name.unwrap_or_else(|| "localhost".to_owned())
}

/// This machine's platform, in the words of OCI images.
fn platform() -> Platform {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        other => other,
    };
    Platform {
        os: std::env::consts::OS.to_owned(),
        architecture: architecture.to_owned(),
    }
}

/// What each of so many nodes has that share this machine evenly.
#[must_use]
pub fn share_of_machine(nodes: u32) -> Resources {
    share(machine(), nodes)
}

fn share(whole: Resources, nodes: u32) -> Resources {
    let nodes = nodes.max(1);
    Resources {
        cpu_millis: whole.cpu_millis / nodes,
        memory_bytes: whole.memory_bytes / u64::from(nodes),
    }
}

/// What this machine has, as far as the daemon's own control group lets it have it.
fn machine() -> Resources {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let cpu_millis = u32::try_from(cpus * 1_000).unwrap_or(u32::MAX);
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory_bytes = total_memory(&meminfo).unwrap_or(0);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = group_files(&groups, Path::new("/sys/fs/cgroup"));
    let limits = limits
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok());
    let least = limits.filter_map(|text| text.trim().parse().ok()).min();
    Resources {
        cpu_millis,
        memory_bytes: least.map_or(memory_bytes, |least: u64| least.min(memory_bytes)),
    }
}

/// Total memory in bytes, out of the text of /proc/meminfo.
fn total_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1_024)
}

/// The files that may hold a limit of memory: of the groups in the text of /proc/self/cgroup,
/// and of all above them, in both versions.
fn group_files(groups: &str, mount: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (mount, name) = match controllers {
            "" => (mount.to_owned(), "memory.max"),
            "memory" => (mount.join("memory"), "memory.limit_in_bytes"),
            _ => continue,
        };
        let place = mount.join(group.trim_start_matches('/'));
        let up = place.ancestors().take_while(|dir| dir.starts_with(&mount));
        files.extend(up.map(|dir| dir.join(name)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "MemFree:  5 kB\nMemTotal:       16316412 kB\n";
        assert_eq!(total_memory(text), Some(16_316_412 * 1_024));
        assert_eq!(total_memory("MemFree: 5 kB\n"), None);
    }

    #[test]
    fn limits_of_all_groups_above_count() {
        let mount = Path::new("/sys/fs/cgroup");
        let files = |text| -> Vec<String> {
            let files = group_files(text, mount).into_iter();
            files.map(|file| file.display().to_string()).collect()
        };
        assert_eq!(
            files("0::/a/b\n"),
            [
                "/sys/fs/cgroup/a/b/memory.max",
                "/sys/fs/cgroup/a/memory.max",
                "/sys/fs/cgroup/memory.max"
            ]
        );
        assert_eq!(
            files("3:cpu:/x\n9:memory:/x\n"),
            [
                "/sys/fs/cgroup/memory/x/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes"
            ]
        );
    }

    #[test]
    fn nodes_that_share_a_machine_have_it_once() {
        let whole = Resources {
            cpu_millis: 2_000,
            memory_bytes: 3 << 30,
        };
        let third = share(whole, 3);
        assert_eq!((third.cpu_millis, third.memory_bytes), (666, 1 << 30));
        assert_eq!(share(whole, 1), whole);
        assert_eq!(share(whole, 0), whole);
    }

    #[test]
    fn this_machine_has_something() {
        let machine = machine();
        assert!(
            machine.cpu_millis >= 1_000 && machine.memory_bytes > 64 << 20,
            "{machine:?}"
        );
        assert_eq!(platform().os, "linux");
        assert!(!hostname().is_empty());
    }
}
