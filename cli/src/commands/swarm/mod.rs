// SPDX-License-Identifier: Apache-2.0
//! `skep swarm`.

mod init;
mod leave;
mod update;

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::failure::Failure;
use crate::parse::duration::parse_duration;
use crate::parse::quantity::parse_count;
use crate::session::Session;

/// The verbs of the swarm.
#[derive(Debug, Subcommand)]
pub(crate) enum SwarmCommand {
    /// Found a swarm with this node as its manager
    Init(init::Init),
    /// Leave the swarm
    Leave(leave::Leave),
    /// Change the settings of the swarm
    Update(update::Update),
}

/// The settings of a swarm.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SwarmFlags {
    /// Name of the swarm, for people
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Ended tasks kept for each slot [default: 5]
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    pub(crate) task_history_limit: Option<u32>,
    /// History kept for watches, at least this long [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) watch_history: Option<Duration>,
    /// Time between two heartbeats of a node [default: 1s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) dispatcher_heartbeat: Option<Duration>,
    /// A node silent for this long is down, and its tasks are replaced [default: 15s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) down_after: Option<Duration>,
    /// A task on a node that is down for this long is given up [default: 24h]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) orphan_after: Option<Duration>,
    /// Log entries between two Raft snapshots [default: 10000]
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    pub(crate) snapshot_interval: Option<u32>,
}

/// Runs a verb.
pub(crate) async fn run(command: SwarmCommand, session: &Session) -> Result<(), Failure> {
    match command {
        SwarmCommand::Init(command) => command.run(session).await,
        SwarmCommand::Leave(command) => command.run(session).await,
        SwarmCommand::Update(command) => command.run(session).await,
    }
}
