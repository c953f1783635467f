// SPDX-License-Identifier: Apache-2.0
//! Finds directories below which this daemon may make control groups.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Controller, put};

/// The name of the leaf that holds the daemon itself, beside the groups of its tasks.
const OWN_LEAF: &str = "skepd";

/// Which of the kernel's two kinds of control groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Version {
    /// One hierarchy for each controller.
    V1,
    /// One hierarchy for all.
    V2,
}

/// A directory in which the groups of tasks are made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Parent {
    pub(super) dir: PathBuf,
    pub(super) version: Version,
    pub(super) controllers: Vec<Controller>,
}

/// All that work here.
pub(super) fn parents() -> Vec<Parent> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let hierarchies = hierarchies(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
    hierarchies.into_iter().filter_map(usable).collect()
}

/// A mounted hierarchy, and this process's place in it.
#[derive(PartialEq, Eq, Debug)]
struct Hierarchy {
    version: Version,
    mount: PathBuf,
    own: PathBuf,
    /// Version 1: the controllers it is mounted with.
    controllers: Vec<Controller>,
}

/// Brings together where hierarchies are mounted and which groups this process is in.
fn hierarchies(mountinfo: &str, cgroup: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for hierarchy in mountinfo.lines().filter_map(|line| hierarchy(line, cgroup)) {
        // A hierarchy may be mounted twice; two groups in it for one task would make no sense.
        let again = |known: &Hierarchy| {
            known.version == hierarchy.version && known.controllers == hierarchy.controllers
        };
        if !found.iter().any(again) {
            found.push(hierarchy);
        }
    }
    found
}

/// Reads one line of mountinfo: `ID PARENT DEV ROOT MOUNT OPTIONS... - TYPE SOURCE SUPER`.
fn hierarchy(line: &str, cgroup: &str) -> Option<Hierarchy> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, mount) = (place.next()?, PathBuf::from(place.next()?));
    let mut kind = kind.split(' ');
    let version = match kind.next()? {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    let options: Vec<&str> = kind.nth(1)?.split(',').collect();
    let of = |controller: &Controller| options.contains(&controller.name());
    let controllers: Vec<Controller> = match version {
        Version::V1 => Controller::ALL.into_iter().filter(of).collect(),
        Version::V2 => Vec::new(),
    };
    if version == Version::V1 && controllers.is_empty() {
        return None;
    }
    let group = own_group(cgroup, controllers.first().copied())?;
    // Within a container the mount may show only a part of the hierarchy.
    let below = if root == "/" {
        group
    } else {
        group.strip_prefix(root).unwrap_or("")
    };
    let own = mount.join(below.trim_start_matches('/'));
    Some(Hierarchy {
        version,
        mount,
        own,
        controllers,
    })
}

/// The group of this process: in the hierarchy of a controller, or in version 2. Lines are
/// `NUMBER:CONTROLLERS:PATH`, version 2 has number 0 and no controllers.
fn own_group(cgroup: &str, controller: Option<Controller>) -> Option<&str> {
    cgroup.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (number, names, path) = (parts.next()?, parts.next()?, parts.next()?);
        let mine = match controller {
            Some(controller) => names.split(',').any(|name| name == controller.name()),
            None => number == "0" && names.is_empty(),
        };
        mine.then_some(path)
    })
}

/// The first place in a hierarchy where groups can be made, and what they can do there.
fn usable(hierarchy: Hierarchy) -> Option<Parent> {
    let Hierarchy {
        version,
        mount,
        own,
        controllers,
    } = hierarchy;
    match version {
        Version::V1 => {
            let controllers = probe(&own, version, &controllers)?;
            Some(Parent {
                dir: own,
                version,
                controllers,
            })
        }
        Version::V2 => {
            let places = [divided(&own), Some(own), Some(mount)]
                .into_iter()
                .flatten();
            let tried = places.filter_map(|dir| {
                enable(&dir);
                let controllers = probe(&dir, version, &Controller::ALL)?;
                Some(Parent {
                    dir,
                    version,
                    controllers,
                })
            });
            // The first of those that can do most; one that can do nothing still kills.
            tried.reduce(|best, next| {
                if next.controllers.len() > best.controllers.len() {
                    next
                } else {
                    best
                }
            })
        }
    }
}

/// Version 2: the daemon's own group once the daemon is in a leaf of it. A group whose
/// processes are the daemon's alone was delegated to it; in any other it moves nobody.
fn divided(own: &Path) -> Option<PathBuf> {
    if own.file_name().is_some_and(|name| name == OWN_LEAF) {
        return own.parent().map(Path::to_owned);
    }
    let inside = std::fs::read_to_string(own.join("cgroup.procs")).ok()?;
    if inside.trim() != std::process::id().to_string() {
        return None;
    }
    let leaf = own.join(OWN_LEAF);
    match std::fs::create_dir(&leaf) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return None,
        _ => {}
    }
    put(&leaf.join("cgroup.procs"), "0").ok()?;
    Some(own.to_owned())
}

/// Version 2: passes controllers on to the groups below. Whether that worked shows the probe.
fn enable(dir: &Path) {
    for controller in Controller::ALL {
        let order = format!("+{}", controller.name());
        put(&dir.join("cgroup.subtree_control"), &order).ok();
    }
}

/// Makes a group and sets limits in it, to see which of `controllers` work. None: no group can
/// be made here.
fn probe(dir: &Path, version: Version, controllers: &[Controller]) -> Option<Vec<Controller>> {
    static PROBES: AtomicU32 = AtomicU32::new(0);
    let number = PROBES.fetch_add(1, Ordering::Relaxed);
    let group = dir.join(format!("skep-probe-{}-{number}", std::process::id()));
    match std::fs::create_dir(&group) {
        // A daemon with our process id may have died while it probed.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return None,
        _ => {}
    }
    let works = |controller: &&Controller| {
        let (file, value) = match (controller, version) {
            (Controller::Cpu, Version::V1) => ("cpu.cfs_quota_us", "100000"),
            (Controller::Cpu, Version::V2) => ("cpu.max", "100000 100000"),
            (Controller::Memory, Version::V1) => ("memory.limit_in_bytes", "1073741824"),
            (Controller::Memory, Version::V2) => ("memory.max", "1073741824"),
            (Controller::Pids, _) => ("pids.max", "100"),
        };
        put(&group.join(file), value).is_ok()
    };
    let working = controllers.iter().filter(works).copied().collect();
    std::fs::remove_dir(&group).ok();
    Some(working)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hierarchy_for_all() {
        let mountinfo = "\
            24 1 0:22 / /proc rw - proc proc rw\n\
            35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
        let want = Hierarchy {
            version: Version::V2,
            mount: "/sys/fs/cgroup".into(),
            own: "/sys/fs/cgroup/system.slice/skepd.service".into(),
            controllers: vec![],
        };
        assert_eq!(
            hierarchies(mountinfo, "0::/system.slice/skepd.service\n"),
            [want]
        );
    }

    #[test]
    fn controllers_in_version_1_with_version_2_beside_them() {
        let mountinfo = "\
            32 31 0:29 / /cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
            33 31 0:30 / /cg/blkio rw - cgroup cgroup rw,blkio\n\
            35 31 0:32 / /cg/memory rw - cgroup cgroup rw,memory\n\
            36 31 0:32 / /again/memory rw - cgroup cgroup rw,memory\n\
            40 31 0:37 / /cg/systemd rw - cgroup cgroup rw,name=systemd\n\
            41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n";
        let cgroup = "4:memory:/a/b\n2:cpu,cpuacct:/\n1:name=systemd:/x\n0::/init\n";
        let shown: Vec<_> = hierarchies(mountinfo, cgroup)
            .into_iter()
            .map(|found| (found.own, found.version, found.controllers))
            .collect();
        let want: [(PathBuf, Version, Vec<Controller>); 3] = [
            (
                "/cg/cpu,cpuacct/".into(),
                Version::V1,
                vec![Controller::Cpu],
            ),
            (
                "/cg/memory/a/b".into(),
                Version::V1,
                vec![Controller::Memory],
            ),
            ("/cg/unified/init".into(), Version::V2, vec![]),
        ];
        assert_eq!(shown, want);
    }

    #[test]
    fn a_container_sees_only_a_part() {
        let mountinfo = "36 31 0:33 /docker/abc /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n";
        let own = |cgroup| hierarchies(mountinfo, cgroup)[0].own.clone();
        assert_eq!(
            own("8:pids:/docker/abc/sub\n"),
            Path::new("/sys/fs/cgroup/pids/sub")
        );
        assert_eq!(
            own("8:pids:/docker/abc\n"),
            Path::new("/sys/fs/cgroup/pids/")
        );
        assert_eq!(own("8:pids:/\n"), Path::new("/sys/fs/cgroup/pids/"));
    }

    #[test]
    fn lines_of_other_forms_are_passed_over() {
        assert_eq!(
            hierarchies("nonsense\n1 2 3\n - cgroup2\n", "nonsense\n"),
            []
        );
    }

    #[test]
    fn a_directory_without_kernel_files_offers_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(
            probe(dir.path(), Version::V2, &Controller::ALL),
            Some(vec![])
        );
        assert_eq!(
            probe(&dir.path().join("none"), Version::V2, &Controller::ALL),
            None
        );
        assert_eq!(
            std::fs::read_dir(dir.path()).expect("a look").count(),
            0,
            "left nothing"
        );
    }
}
