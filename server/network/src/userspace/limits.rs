// SPDX-License-Identifier: Apache-2.0
//! How much the proxy carries at once.

use nix::sys::resource::{Resource, getrlimit};

/// How much a [`UserspacePlane`](crate::UserspacePlane) carries at once.
///
/// A connection takes two open files and some kilobytes; up to 64 KiB more while its receiver
/// is slow. A UDP session takes one open file and up to 4 KiB. A pipe takes two open files and
/// up to 256 KiB of kernel memory, and speeds up one bulk transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// TCP connections at once. Further ones wait to be accepted.
    pub tcp_connections_max: usize,
    /// TCP connections at once to one published port, so that one service cannot take all.
    pub tcp_connections_per_port_max: usize,
    /// UDP sessions at once. A further one takes the place of the one idle for longest on the
    /// same port.
    pub udp_sessions_max: usize,
    /// UDP sessions at once on one published port.
    pub udp_sessions_per_port_max: usize,
    /// Pipes at once. Transfers beyond are carried all the same, a little slower.
    pub pipes_max: usize,
}

impl Limits {
    /// As much as is ever useful.
    const MOST: Limits = Limits {
        tcp_connections_max: 16_384,
        tcp_connections_per_port_max: 8_192,
        udp_sessions_max: 8_192,
        udp_sessions_per_port_max: 4_096,
        pipes_max: 64,
    };

    /// What half of `open_files` allows; the other half is for the rest of the daemon.
    #[must_use]
    pub fn within(open_files: u64) -> Limits {
        let files = usize::try_from(open_files / 2).unwrap_or(usize::MAX);
        let udp_sessions_max = (files / 4).clamp(2, Limits::MOST.udp_sessions_max);
        let pipes_max = (files / 32).min(Limits::MOST.pipes_max);
        let rest = files.saturating_sub(udp_sessions_max + 2 * pipes_max);
        let tcp_connections_max = (rest / 2).clamp(2, Limits::MOST.tcp_connections_max);
        Limits {
            tcp_connections_max,
            tcp_connections_per_port_max: tcp_connections_max / 2,
            udp_sessions_max,
            udp_sessions_per_port_max: udp_sessions_max / 2,
            pipes_max,
        }
    }

    /// What this process's limit of open files allows. A process that wants to carry much
    /// raises its soft limit first.
    #[must_use]
    pub fn of_this_process() -> Limits {
        // 1,024 is the soft limit that Linux gives by default.
        let open_files = getrlimit(Resource::RLIMIT_NOFILE).map_or(1_024, |(soft, _)| soft);
        Limits::within(open_files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_many_files_the_limits_are_those_of_sense() {
        assert_eq!(Limits::within(u64::MAX), Limits::MOST);
    }

    #[test]
    fn half_of_the_files_are_left_to_others() {
        for open_files in [256, 1_024, 20_000, 65_536] {
            let limits = Limits::within(open_files);
            let used =
                2 * limits.tcp_connections_max + limits.udp_sessions_max + 2 * limits.pipes_max;
            assert!(used as u64 <= open_files / 2, "{open_files}: {limits:?}");
            assert!(
                limits.tcp_connections_per_port_max > 0,
                "{open_files}: {limits:?}"
            );
        }
        assert_eq!(Limits::within(1_024).tcp_connections_max, 176);
    }
}
