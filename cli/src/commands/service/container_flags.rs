// SPDX-License-Identifier: Apache-2.0
//! The flags of `service create` and `service update` that are about containers and their health.

use std::time::Duration;

use clap::{Args, ValueEnum};
use skep_sdk::v1::container::PullPolicy;
use skep_sdk::v1::health_check::Probe;
use skep_sdk::v1::{HostEntry, Mount};

use crate::parse::duration::parse_duration;
use crate::parse::health::{parse_grpc, parse_http, parse_tcp};
use crate::parse::host::{Unhost, parse_host, parse_unhost};
use crate::parse::mount::parse_mount;
use crate::parse::pair::parse_label;
use crate::parse::quantity::parse_count;

/// When an image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PullWord {
    /// Before each start; if that fails, the node's own image is used
    Always,
    /// Only if the node does not have it
    Missing,
    /// Never
    Never,
}

impl PullWord {
    /// The value of the contract.
    pub(crate) fn into_proto(self) -> PullPolicy {
        match self {
            Self::Always => PullPolicy::Always,
            Self::Missing => PullPolicy::IfMissing,
            Self::Never => PullPolicy::Never,
        }
    }
}

/// What `create` and `update` have in common.
#[derive(Debug, Clone, Default, Args)]
#[group(id = "ContainerFlags")]
pub(crate) struct ContainerFlags {
    /// Host name inside; may hold placeholders such as {{.Task.Slot}}
    #[arg(long, value_name = "NAME", help_heading = "Container")]
    pub(crate) hostname: Option<String>,
    /// An init process reaps children and passes on signals
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
        require_equals = true, help_heading = "Container")]
    pub(crate) init: Option<bool>,
    /// The root file system is read only
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
        require_equals = true, help_heading = "Container")]
    pub(crate) read_only: Option<bool>,
    /// Allocate a terminal
    #[arg(short, long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
        require_equals = true, help_heading = "Container")]
    pub(crate) tty: Option<bool>,
    /// When the image is pulled
    #[arg(long, value_name = "WHEN", help_heading = "Container")]
    pub(crate) pull: Option<PullWord>,
    /// Each node resolves the image's tag for itself; false: the digest first found is that of all
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
        require_equals = true, help_heading = "Container")]
    pub(crate) no_resolve_image: Option<bool>,
    /// How readily the kernel kills it when memory is short: -1000 to 1000
    #[arg(
        long,
        value_name = "N",
        help_heading = "Container",
        allow_negative_numbers = true
    )]
    pub(crate) oom_score_adj: Option<i32>,
    /// The engine's log driver
    #[arg(long, value_name = "NAME", help_heading = "Container")]
    pub(crate) log_driver: Option<String>,
    /// Option of the log driver
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_label, help_heading = "Container")]
    pub(crate) log_opt: Vec<(String, String)>,
    /// Check by a command for /bin/sh in the task: exit code 0 is healthy
    #[arg(long, value_name = "COMMAND", help_heading = "Health")]
    pub(crate) health_cmd: Option<String>,
    /// Check over HTTP: PORT[/PATH]
    #[arg(long, value_name = "PORT[/PATH]", value_parser = parse_http, help_heading = "Health",
        conflicts_with = "health_cmd")]
    pub(crate) health_http: Option<Probe>,
    /// Check by a TCP connection
    #[arg(long, value_name = "PORT", value_parser = parse_tcp, help_heading = "Health",
        conflicts_with_all = ["health_cmd", "health_http"])]
    pub(crate) health_tcp: Option<Probe>,
    /// Check over gRPC: PORT[/SERVICE]
    #[arg(long, value_name = "PORT[/SERVICE]", value_parser = parse_grpc, help_heading = "Health",
        conflicts_with_all = ["health_cmd", "health_http", "health_tcp"])]
    pub(crate) health_grpc: Option<Probe>,
    /// No check, not even the image's own; false: the image's own again
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
        require_equals = true, help_heading = "Health",
        conflicts_with_all = ["health_cmd", "health_http", "health_tcp", "health_grpc"])]
    pub(crate) no_healthcheck: Option<bool>,
    /// Time between two checks
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = "Health",
        allow_hyphen_values = true)]
    pub(crate) health_interval: Option<Duration>,
    /// A check that takes longer has failed
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = "Health",
        allow_hyphen_values = true)]
    pub(crate) health_timeout: Option<Duration>,
    /// Failures in a row that make a task unhealthy
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Health",
        allow_negative_numbers = true)]
    pub(crate) health_retries: Option<u32>,
    /// First time, in which failures do not count
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = "Health",
        allow_hyphen_values = true)]
    pub(crate) health_start_period: Option<Duration>,
    /// Time between two checks in that first time
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = "Health",
        allow_hyphen_values = true)]
    pub(crate) health_start_interval: Option<Duration>,
}

/// What only `create` has.
#[derive(Debug, Clone, Default, Args)]
#[group(id = "ContainerCreateFlags")]
pub(crate) struct ContainerCreateFlags {
    /// Label of the container
    #[arg(long, value_name = "KEY[=VALUE]", value_parser = parse_label,
        help_heading = "Container")]
    pub(crate) container_label: Vec<(String, String)>,
    /// Mount: type=bind|volume|tmpfs,source=...,target=...,readonly and further options; an
    /// option with a comma stands in quotes
    #[arg(long, value_name = "MOUNT", value_parser = parse_mount, help_heading = "Container")]
    pub(crate) mount: Vec<Mount>,
    /// Add a kernel capability, such as NET_ADMIN
    #[arg(long, value_name = "NAME", help_heading = "Container")]
    pub(crate) cap_add: Vec<String>,
    /// Drop a kernel capability; ALL: all
    #[arg(long, value_name = "NAME", help_heading = "Container")]
    pub(crate) cap_drop: Vec<String>,
    /// Namespaced kernel parameter
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_label, help_heading = "Container")]
    pub(crate) sysctl: Vec<(String, String)>,
    /// Line for /etc/hosts: NAME:IP
    #[arg(long = "add-host", value_name = "NAME:IP", value_parser = parse_host,
        help_heading = "Container")]
    pub(crate) hosts: Vec<HostEntry>,
    /// Name server
    #[arg(long, value_name = "IP", help_heading = "Container")]
    pub(crate) dns: Vec<String>,
    /// Option of the resolver
    #[arg(long, value_name = "OPTION", help_heading = "Container")]
    pub(crate) dns_option: Vec<String>,
    /// Search domain
    #[arg(long, value_name = "DOMAIN", help_heading = "Container")]
    pub(crate) dns_search: Vec<String>,
}

/// What only `update` has.
#[derive(Debug, Clone, Default, Args)]
#[group(id = "ContainerUpdateFlags")]
pub(crate) struct ContainerUpdateFlags {
    /// Set a label of the container
    #[arg(long, value_name = "KEY[=VALUE]", value_parser = parse_label,
        help_heading = "Container")]
    pub(crate) container_label_add: Vec<(String, String)>,
    /// Remove a label of the container
    #[arg(long, value_name = "KEY", help_heading = "Container")]
    pub(crate) container_label_rm: Vec<String>,
    /// Mount, written as with create
    #[arg(long, value_name = "MOUNT", value_parser = parse_mount, help_heading = "Container")]
    pub(crate) mount_add: Vec<Mount>,
    /// Remove a mount
    #[arg(long, value_name = "TARGET", help_heading = "Container")]
    pub(crate) mount_rm: Vec<String>,
    /// Add a kernel capability; of one that is dropped: drop it no longer
    #[arg(long, value_name = "NAME", help_heading = "Container")]
    pub(crate) cap_add: Vec<String>,
    /// Drop a kernel capability; of one that is added: add it no longer
    #[arg(long, value_name = "NAME", help_heading = "Container")]
    pub(crate) cap_drop: Vec<String>,
    /// Set a namespaced kernel parameter
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_label, help_heading = "Container")]
    pub(crate) sysctl_add: Vec<(String, String)>,
    /// Remove a namespaced kernel parameter
    #[arg(long, value_name = "KEY", help_heading = "Container")]
    pub(crate) sysctl_rm: Vec<String>,
    /// Add a line to /etc/hosts: NAME:IP
    #[arg(long, value_name = "NAME:IP", value_parser = parse_host, help_heading = "Container")]
    pub(crate) host_add: Vec<HostEntry>,
    /// Remove a name from /etc/hosts
    #[arg(long, value_name = "NAME[:IP]", value_parser = parse_unhost,
        help_heading = "Container")]
    pub(crate) host_rm: Vec<Unhost>,
    /// Add a name server
    #[arg(long, value_name = "IP", help_heading = "Container")]
    pub(crate) dns_add: Vec<String>,
    /// Remove a name server
    #[arg(long, value_name = "IP", help_heading = "Container")]
    pub(crate) dns_rm: Vec<String>,
    /// Add an option of the resolver
    #[arg(long, value_name = "OPTION", help_heading = "Container")]
    pub(crate) dns_option_add: Vec<String>,
    /// Remove an option of the resolver
    #[arg(long, value_name = "OPTION", help_heading = "Container")]
    pub(crate) dns_option_rm: Vec<String>,
    /// Add a search domain
    #[arg(long, value_name = "DOMAIN", help_heading = "Container")]
    pub(crate) dns_search_add: Vec<String>,
    /// Remove a search domain
    #[arg(long, value_name = "DOMAIN", help_heading = "Container")]
    pub(crate) dns_search_rm: Vec<String>,
}
