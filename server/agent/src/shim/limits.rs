// SPDX-License-Identifier: Apache-2.0
//! Kernel limits of a process, by the names people know from `ulimit` and containers.

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, rlim_t, setrlimit};

use crate::executor::Ulimit;

const NAMES: [(&str, Resource); 16] = [
    ("as", Resource::RLIMIT_AS),
    ("core", Resource::RLIMIT_CORE),
    ("cpu", Resource::RLIMIT_CPU),
    ("data", Resource::RLIMIT_DATA),
    ("fsize", Resource::RLIMIT_FSIZE),
    ("locks", Resource::RLIMIT_LOCKS),
    ("memlock", Resource::RLIMIT_MEMLOCK),
    ("msgqueue", Resource::RLIMIT_MSGQUEUE),
    ("nice", Resource::RLIMIT_NICE),
    ("nofile", Resource::RLIMIT_NOFILE),
    ("nproc", Resource::RLIMIT_NPROC),
    ("rss", Resource::RLIMIT_RSS),
    ("rtprio", Resource::RLIMIT_RTPRIO),
    ("rttime", Resource::RLIMIT_RTTIME),
    ("sigpending", Resource::RLIMIT_SIGPENDING),
    ("stack", Resource::RLIMIT_STACK),
];

/// The limit with this name.
pub(crate) fn resource(name: &str) -> Option<Resource> {
    NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, resource)| *resource)
}

/// All names, for an error message.
pub(crate) fn names() -> String {
    NAMES.map(|(name, _)| name).join(", ")
}

/// The usual soft limit of open files, which a program may raise itself. The daemon has raised
/// its own, and programs that use select(2) fail with more.
const USUAL_FILES: rlim_t = 1_024;

/// Takes back the daemon's own soft limit of open files.
pub(super) fn usual_files() -> nix::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, USUAL_FILES.min(hard), hard)
}

/// Sets a limit for this process and those it makes.
pub(super) fn set(name: &str, limit: Ulimit) -> nix::Result<()> {
    let resource = resource(name).ok_or(nix::errno::Errno::EINVAL)?;
    setrlimit(resource, value(limit.soft), value(limit.hard))
}

/// A limit as the kernel writes it; anything below 0 is unlimited.
fn value(limit: i64) -> rlim_t {
    rlim_t::try_from(limit).unwrap_or(RLIM_INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_unlimited_is_minus_one() {
        assert_eq!(resource("nofile"), Some(Resource::RLIMIT_NOFILE));
        assert_eq!(resource("NOFILE"), None);
        assert_eq!(resource("files"), None);
        assert_eq!((value(0), value(5), value(-1)), (0, 5, RLIM_INFINITY));
        assert!(names().starts_with("as, core, cpu, "));
    }
}
