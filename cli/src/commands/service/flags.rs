// SPDX-License-Identifier: Apache-2.0
//! The flags of `service create` and `service update` that describe a service.

use std::time::Duration;

use clap::{Args, ValueEnum};
use skep_sdk::v1::restart_policy::Condition;
use skep_sdk::v1::{Port, Requirement, Ulimit};

use crate::parse::constraint::{parse_constraint, parse_spread};
use crate::parse::duration::parse_duration;
use crate::parse::pair::{EnvFlag, parse_env, parse_label};
use crate::parse::publish::{Unpublish, parse_publish, parse_unpublish};
use crate::parse::quantity::{parse_bytes, parse_count, parse_cpus};
use crate::parse::ulimit::parse_ulimit;
use crate::parse::words::split_words;

/// Several ports from one flag: a range.
#[derive(Debug, Clone)]
pub(crate) struct Ports(pub(crate) Vec<Port>);

/// Several words from one flag: a command line.
#[derive(Debug, Clone)]
pub(crate) struct Words(pub(crate) Vec<String>);

fn ports(text: &str) -> Result<Ports, String> {
    parse_publish(text).map(Ports)
}

fn words(text: &str) -> Result<Words, String> {
    split_words(text).map(Words)
}

/// How a service counts its tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeWord {
    /// As many as --replicas says
    Replicated,
    /// One on every node that fits
    Global,
}

/// When a task that ended is followed by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConditionWord {
    /// Never
    None,
    /// After a failure
    OnFailure,
    /// However it ended
    Any,
}

impl ConditionWord {
    /// The value of the contract.
    pub(crate) fn into_proto(self) -> Condition {
        match self {
            Self::None => Condition::None,
            Self::OnFailure => Condition::OnFailure,
            Self::Any => Condition::Any,
        }
    }
}

/// What `create` and `update` have in common.
#[derive(Debug, Clone, Default, Args)]
#[group(id = "SpecFlags")]
pub(crate) struct SpecFlags {
    /// Number of tasks
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    pub(crate) replicas: Option<u32>,
    /// Most tasks on one node; 0: no limit
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    pub(crate) replicas_max_per_node: Option<u32>,
    /// Most CPU a task may use, such as 0.5; 0: no limit
    #[arg(long, value_name = "CPUS", value_parser = parse_cpus, help_heading = "Resources",
        allow_negative_numbers = true)]
    pub(crate) limit_cpu: Option<u32>,
    /// Most memory a task may use, such as 512m; 0: no limit
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, help_heading = "Resources",
        allow_negative_numbers = true)]
    pub(crate) limit_memory: Option<u64>,
    /// Most processes and threads of a task; 0: no limit
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Resources",
        allow_negative_numbers = true)]
    pub(crate) limit_pids: Option<u32>,
    /// CPU set aside for each task, such as 0.25
    #[arg(long, value_name = "CPUS", value_parser = parse_cpus, help_heading = "Resources",
        allow_negative_numbers = true)]
    pub(crate) reserve_cpu: Option<u32>,
    /// Memory set aside for each task, such as 64m
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, help_heading = "Resources",
        allow_negative_numbers = true)]
    pub(crate) reserve_memory: Option<u64>,
    /// When a task that ended is followed by another
    #[arg(long, value_name = "WHEN", help_heading = "Restart and stop")]
    pub(crate) restart_condition: Option<ConditionWord>,
    /// Wait before the first new attempt; it doubles with each further one
    #[arg(long, value_name = "DURATION", value_parser = parse_duration,
        help_heading = "Restart and stop", allow_hyphen_values = true)]
    pub(crate) restart_delay: Option<Duration>,
    /// Longest wait before a new attempt
    #[arg(long, value_name = "DURATION", value_parser = parse_duration,
        help_heading = "Restart and stop", allow_hyphen_values = true)]
    pub(crate) restart_max_delay: Option<Duration>,
    /// Most new attempts; 0: no limit
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Restart and stop",
        allow_negative_numbers = true)]
    pub(crate) restart_max_attempts: Option<u32>,
    /// Only attempts within this time count; 0: all do
    #[arg(long, value_name = "DURATION", value_parser = parse_duration,
        help_heading = "Restart and stop", allow_hyphen_values = true)]
    pub(crate) restart_window: Option<Duration>,
    /// Signal that stops a task, such as SIGTERM
    #[arg(long, value_name = "SIGNAL", help_heading = "Restart and stop")]
    pub(crate) stop_signal: Option<String>,
    /// Time from that signal until the task is killed
    #[arg(long, value_name = "DURATION", value_parser = parse_duration,
        help_heading = "Restart and stop", allow_hyphen_values = true)]
    pub(crate) stop_grace_period: Option<Duration>,
    /// Time for open connections to end, before that signal
    #[arg(long, value_name = "DURATION", value_parser = parse_duration,
        help_heading = "Restart and stop", allow_hyphen_values = true)]
    pub(crate) stop_drain: Option<Duration>,
    /// User it runs as: name or number, with :group if wanted
    #[arg(short, long, value_name = "USER[:GROUP]", help_heading = "Process")]
    pub(crate) user: Option<String>,
    /// Working directory, absolute
    #[arg(short, long, value_name = "PATH", help_heading = "Process")]
    pub(crate) workdir: Option<String>,
    /// Program with leading arguments, in place of the first word of COMMAND
    #[arg(long, value_name = "COMMAND", value_parser = words, help_heading = "Process")]
    pub(crate) entrypoint: Option<Words>,
}

/// What only `create` has.
#[derive(Debug, Clone, Default, Args)]
#[group(id = "CreateFlags")]
pub(crate) struct CreateFlags {
    /// Name; without it one is made up from the image's or the program's
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// How tasks are counted [default: replicated]
    #[arg(long, value_name = "MODE")]
    pub(crate) mode: Option<ModeWord>,
    /// Label of the service
    #[arg(short, long, value_name = "KEY[=VALUE]", value_parser = parse_label)]
    pub(crate) label: Vec<(String, String)>,
    /// Publish a port: [PUBLISHED:]TARGET[/tcp|udp], ranges, or
    /// target=80,published=8080,protocol=tcp,mode=ingress|host
    #[arg(short, long, value_name = "PORT", value_parser = ports)]
    pub(crate) publish: Vec<Ports>,
    /// Where tasks may run: KEY==VALUE or KEY!=VALUE, with keys node.id, node.name,
    /// node.hostname, node.ip, node.role, node.platform.os, node.platform.arch and
    /// node.labels.KEY
    #[arg(long, value_name = "CONSTRAINT", value_parser = parse_constraint)]
    pub(crate) constraint: Vec<Requirement>,
    /// Spread tasks evenly: spread=node.labels.KEY
    #[arg(long, value_name = "PREFERENCE", value_parser = parse_spread)]
    pub(crate) placement_pref: Vec<String>,
    /// Environment variable; KEY alone passes on that of this shell
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = parse_env,
        help_heading = "Process")]
    pub(crate) env: Vec<EnvFlag>,
    /// File with variables, one KEY=VALUE a line
    #[arg(long, value_name = "FILE", help_heading = "Process")]
    pub(crate) env_file: Vec<String>,
    /// Further group of the process, by name or number
    #[arg(long, value_name = "GROUP", help_heading = "Process")]
    pub(crate) group: Vec<String>,
    /// Kernel limit: NAME=SOFT[:HARD]
    #[arg(long, value_name = "LIMIT", value_parser = parse_ulimit, help_heading = "Process")]
    pub(crate) ulimit: Vec<(String, Ulimit)>,
}

/// What only `update` has.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct UpdateFlags {
    /// New image
    #[arg(long, value_name = "IMAGE", help_heading = "Container")]
    pub(crate) image: Option<String>,
    /// Replace every task although nothing changed
    #[arg(long)]
    pub(crate) force: bool,
    /// New arguments of the program, in one text
    #[arg(long, value_name = "COMMAND", value_parser = words, help_heading = "Process",
        allow_hyphen_values = true)]
    pub(crate) args: Option<Words>,
    /// Set an environment variable
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_env, help_heading = "Process")]
    pub(crate) env_add: Vec<EnvFlag>,
    /// Remove an environment variable
    #[arg(long, value_name = "KEY", help_heading = "Process")]
    pub(crate) env_rm: Vec<String>,
    /// Add a group
    #[arg(long, value_name = "GROUP", help_heading = "Process")]
    pub(crate) group_add: Vec<String>,
    /// Remove a group
    #[arg(long, value_name = "GROUP", help_heading = "Process")]
    pub(crate) group_rm: Vec<String>,
    /// Set a kernel limit: NAME=SOFT[:HARD]
    #[arg(long, value_name = "LIMIT", value_parser = parse_ulimit, help_heading = "Process")]
    pub(crate) ulimit_add: Vec<(String, Ulimit)>,
    /// Remove a kernel limit
    #[arg(long, value_name = "NAME", help_heading = "Process")]
    pub(crate) ulimit_rm: Vec<String>,
    /// Set a label
    #[arg(long, value_name = "KEY[=VALUE]", value_parser = parse_label)]
    pub(crate) label_add: Vec<(String, String)>,
    /// Remove a label
    #[arg(long, value_name = "KEY")]
    pub(crate) label_rm: Vec<String>,
    /// Add a constraint: KEY==VALUE or KEY!=VALUE
    #[arg(long, value_name = "CONSTRAINT", value_parser = parse_constraint)]
    pub(crate) constraint_add: Vec<Requirement>,
    /// Remove a constraint, written as it was added
    #[arg(long, value_name = "CONSTRAINT", value_parser = parse_constraint)]
    pub(crate) constraint_rm: Vec<Requirement>,
    /// Add a preference: spread=node.labels.KEY
    #[arg(long, value_name = "PREFERENCE", value_parser = parse_spread)]
    pub(crate) placement_pref_add: Vec<String>,
    /// Remove a preference, written as it was added
    #[arg(long, value_name = "PREFERENCE", value_parser = parse_spread)]
    pub(crate) placement_pref_rm: Vec<String>,
    /// Publish a port, written as with create
    #[arg(long, value_name = "PORT", value_parser = ports)]
    pub(crate) publish_add: Vec<Ports>,
    /// Publish a port no longer: TARGET[/tcp|udp]
    #[arg(long, value_name = "TARGET", value_parser = parse_unpublish)]
    pub(crate) publish_rm: Vec<Unpublish>,
}
