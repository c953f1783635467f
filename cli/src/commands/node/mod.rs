// SPDX-License-Identifier: Apache-2.0
//! `skep node`. Wherever a node is named, `self` is the one of the daemon that is asked.

mod inspect;
mod ls;
mod ps;
mod rm;
mod update;

use clap::{Subcommand, ValueEnum};
use skep_sdk::v1::node_spec::Availability;

use crate::failure::Failure;
use crate::session::Session;

/// The verbs of nodes.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// List nodes
    #[command(visible_alias = "list")]
    Ls(ls::Ls),
    /// Show nodes whole
    Inspect(inspect::Inspect),
    /// List the tasks on nodes
    Ps(ps::Ps),
    /// Forget nodes
    #[command(visible_alias = "remove")]
    Rm(rm::Rm),
    /// Label, pause, drain or rename a node
    Update(update::Update),
}

/// Whether a node takes tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AvailabilityWord {
    /// It takes tasks
    Active,
    /// It takes no new tasks and keeps those it has
    Pause,
    /// It takes no new tasks, and those it has move elsewhere
    Drain,
}

impl AvailabilityWord {
    /// The value of the contract.
    pub(crate) fn into_proto(self) -> Availability {
        match self {
            Self::Active => Availability::Active,
            Self::Pause => Availability::Pause,
            Self::Drain => Availability::Drain,
        }
    }
}

/// Runs a verb.
pub(crate) async fn run(command: NodeCommand, session: &Session) -> Result<(), Failure> {
    match command {
        NodeCommand::Ls(command) => command.run(session).await,
        NodeCommand::Inspect(command) => command.run(session).await,
        NodeCommand::Ps(command) => command.run(session).await,
        NodeCommand::Rm(command) => command.run(session).await,
        NodeCommand::Update(command) => command.run(session).await,
    }
}
