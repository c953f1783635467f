// SPDX-License-Identifier: Apache-2.0
//! The command line: all commands, and the flags that several of them share.

use std::sync::LazyLock;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use skep_sdk::{STABLE_FOR, WaitOptions};

use crate::commands::{completion, info, node, ps, service, swarm, task, version, watch};
use crate::exit;
use crate::output::format::Format;
use crate::parse::duration::{format_duration, parse_duration};
use crate::parse::pair::parse_filter;

/// Drives a swarm: services, tasks, nodes.
///
/// A service says what to run and how many tasks of it; the swarm makes the tasks, places them
/// on nodes and replaces those that fail. Commands, flags and words are those of Docker Swarm
/// where both have them.
#[derive(Debug, Parser)]
#[command(
    name = "skep",
    version,
    disable_version_flag = true,
    max_term_width = 100,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = format!(
        "Begin with `skepd --dev` in one terminal, and in another:\n  \
         skep service create --name web --replicas 3 -p 8080:80 --process -- /path/to/program\n  \
         skep service ps web\n\
         {}\n\
         docs/operating.md says more of them.",
        exit::help()
    )
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Print the version
    #[arg(short = 'v', short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which daemon.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Target {
    /// Address of the daemon: unix:///path/to/skep.sock, or http://host:port of a dev address
    /// [env: SKEP_HOST]
    #[arg(
        short = 'H',
        long,
        global = true,
        value_name = "ADDRESS",
        help_heading = "Which daemon"
    )]
    pub(crate) host: Option<String>,
    /// Named context of ~/.config/skep/config.json [env: SKEP_CONTEXT]
    #[arg(
        short = 'c',
        long,
        global = true,
        value_name = "NAME",
        help_heading = "Which daemon"
    )]
    pub(crate) context: Option<String>,
}

/// All there is.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Found a swarm, leave it, change its settings
    #[command(subcommand, arg_required_else_help = true)]
    Swarm(swarm::SwarmCommand),
    /// Nodes: the machines that run tasks
    #[command(subcommand, arg_required_else_help = true)]
    Node(node::NodeCommand),
    /// Services: what should run
    #[command(subcommand, arg_required_else_help = true)]
    Service(service::ServiceCommand),
    /// Tasks: what runs
    #[command(subcommand, arg_required_else_help = true)]
    Task(task::TaskCommand),
    /// Show the daemon and its swarm
    Info(info::Info),
    /// List the tasks of all services
    Ps(ps::Ps),
    /// Show changes as they happen
    Watch(watch::Watch),
    /// Show the versions of client and daemon
    Version(version::Version),
    /// Write the completion script of a shell
    Completion(completion::Completion),
}

/// How a list is shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListFlags {
    /// Show ids alone, whole
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Show what matches, such as name=web; may be repeated
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = parse_filter)]
    pub(crate) filter: Vec<(String, String)>,
    /// table, json, yaml, or a template such as '{{.ID}} {{.Name}}'
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = Format::parse)]
    pub(crate) format: Format,
    /// Show ids and texts whole
    #[arg(long)]
    pub(crate) no_trunc: bool,
}

impl ListFlags {
    /// Whether columns are shown, not ids or objects alone.
    pub(crate) fn shows_columns(&self) -> bool {
        !self.quiet && !matches!(self.format, Format::Json | Format::Yaml)
    }
}

/// How objects are shown one by one.
#[derive(Debug, Clone, Args)]
pub(crate) struct InspectFlags {
    /// json, yaml, or a template such as '{{.meta.id}}'
    #[arg(short, long, value_name = "FORMAT", default_value = "json", value_parser = Format::parse)]
    pub(crate) format: Format,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressWord {
    /// Bars that are drawn over and over
    Tty,
    /// A line when something is worth knowing
    Plain,
    /// A JSON object a line when something changed, the last one with the end
    Json,
    /// Not at all
    None,
}

/// Whether and how long a command waits for its effect.
#[derive(Debug, Clone, Args)]
pub(crate) struct WaitFlags {
    /// Do not wait until the tasks are as wanted
    #[arg(
        short,
        long,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        default_value = "false",
        action = ArgAction::Set,
        value_name = "BOOL",
        hide_possible_values = true
    )]
    pub(crate) detach: bool,
    /// Show no progress: --progress none
    #[arg(short, long, conflicts_with = "progress")]
    pub(crate) quiet: bool,
    /// How progress is shown on standard error; unset: tty on a terminal, else plain
    #[arg(long, value_name = "HOW")]
    pub(crate) progress: Option<ProgressWord>,
    /// Wait at most this long; 0: for ever. The work goes on all the same
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = parse_duration)]
    pub(crate) timeout: Duration,
}

/// The SDK's own default, as a flag has it.
static STABLE_FOR_TEXT: LazyLock<String> = LazyLock::new(|| format_duration(STABLE_FOR));

/// The longest that the managers take: refused here, before anything is changed.
const STABLE_FOR_MAX: Duration = Duration::from_secs(3_600);

fn parse_stable_for(text: &str) -> Result<Duration, String> {
    let span = parse_duration(text)?;
    let refusal = || format!("at most {}", format_duration(STABLE_FOR_MAX));
    (span <= STABLE_FOR_MAX).then_some(span).ok_or_else(refusal)
}

/// Whether and how long a command waits until the tasks are as wanted.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConvergeFlags {
    #[command(flatten)]
    pub(crate) wait: WaitFlags,
    /// How long all tasks have to stay as wanted before that counts; 0: not at all; at most 1h
    #[arg(long, value_name = "DURATION", default_value = STABLE_FOR_TEXT.as_str(),
        value_parser = parse_stable_for)]
    pub(crate) stable_for: Duration,
}

#[cfg(test)]
impl Default for ConvergeFlags {
    /// As if none were given.
    fn default() -> Self {
        use clap::FromArgMatches;
        let command = Self::augment_args(clap::Command::new("skep"));
        let matches = command.get_matches_from(["skep"]);
        Self::from_arg_matches(&matches).expect("every flag has a default")
    }
}

impl From<WaitFlags> for ConvergeFlags {
    /// For a goal that is final once it is reached.
    fn from(wait: WaitFlags) -> Self {
        Self {
            wait,
            stable_for: Duration::ZERO,
        }
    }
}

impl ConvergeFlags {
    /// How to wait.
    pub(crate) fn options(&self) -> WaitOptions {
        let timeout = self.wait.timeout;
        WaitOptions {
            timeout: (!timeout.is_zero()).then_some(timeout),
            stable_for: self.stable_for,
        }
    }
}
