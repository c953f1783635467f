// SPDX-License-Identifier: Apache-2.0
//! Containers: what a task runs from an image.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Ulimit;

/// An OCI container. Fields that a user left out stay empty and mean the image's or the
/// engine's own choice.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Container {
    /// OCI reference, as the user wrote it.
    pub image: String,
    /// When the image is pulled.
    pub pull: Option<PullPolicy>,
    /// Each node resolves the tag for itself.
    pub unpinned: bool,
    /// Program and leading arguments, in place of the image's entrypoint.
    pub command: Vec<String>,
    /// Arguments, in place of the image's command.
    pub args: Vec<String>,
    /// Environment, added to the image's; values may hold placeholders.
    pub env: BTreeMap<String, String>,
    /// Working directory.
    pub dir: String,
    /// `user` or `user:group`.
    pub user: String,
    /// Further groups.
    pub groups: Vec<String>,
    /// Host name inside; may hold placeholders.
    pub hostname: String,
    /// Lines added to /etc/hosts.
    pub hosts: Vec<HostEntry>,
    /// Resolver settings.
    pub dns: DnsConfig,
    /// Labels on the container.
    pub labels: BTreeMap<String, String>,
    /// An init process reaps children and passes on signals.
    pub init: bool,
    /// A terminal is allocated.
    pub tty: bool,
    /// The root file system is read only.
    pub read_only: bool,
    /// Kernel capabilities added.
    pub capabilities_add: Vec<String>,
    /// Kernel capabilities dropped.
    pub capabilities_drop: Vec<String>,
    /// Namespaced kernel parameters.
    pub sysctls: BTreeMap<String, String>,
    /// Kernel limits of a process, by name.
    pub ulimits: BTreeMap<String, Ulimit>,
    /// How readily the kernel kills it when memory is short: -1,000 to 1,000.
    pub oom_score_adj: i32,
    /// Confinement.
    pub security: Security,
}

impl Container {
    /// When the image is pulled: an image named by its digest cannot change, so it is pulled
    /// only if it is missing.
    #[must_use]
    pub fn pull(&self) -> PullPolicy {
        self.pull.unwrap_or(if self.image.contains('@') {
            PullPolicy::IfMissing
        } else {
            PullPolicy::Always
        })
    }
}

/// Reason of a task whose image could not be pulled, so that the one that its node has is used.
pub const LOCAL_IMAGE: &str = "LOCAL_IMAGE";

/// When an image is pulled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PullPolicy {
    /// Before each start; if that fails and the node has the image, that one is used.
    Always,
    /// Only if the node does not have it.
    IfMissing,
    /// Never.
    Never,
}

/// A line of /etc/hosts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostEntry {
    /// The address.
    pub ip: IpAddr,
    /// Names for it.
    pub names: Vec<String>,
}

/// Resolver settings.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct DnsConfig {
    /// Addresses of name servers.
    pub servers: Vec<IpAddr>,
    /// Search domains.
    pub search: Vec<String>,
    /// Resolver options, such as `ndots:2`.
    pub options: Vec<String>,
}

/// Confinement of a container.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Security {
    /// setuid bits and file capabilities give nothing.
    pub no_new_privileges: bool,
    /// No filter of system calls; else the engine's own.
    pub seccomp_unconfined: bool,
    /// `unconfined` or a profile loaded on the node; empty: the engine's own.
    pub apparmor: String,
    /// `user:role:type:level`; empty: the engine's choice.
    pub selinux: String,
}

/// Where the output of a container goes.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct LogDriver {
    /// The engine's driver; empty: `json-file`.
    pub name: String,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
}
