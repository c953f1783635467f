// SPDX-License-Identifier: Apache-2.0
//! `skep service`.

// Help texts have brackets of their own, which are no links.
#[allow(rustdoc::broken_intra_doc_links)]
pub(crate) mod container_flags;
pub(crate) mod create;
// Help texts have brackets of their own, which are no links.
#[allow(rustdoc::broken_intra_doc_links)]
pub(crate) mod flags;
mod history;
mod inspect;
mod logs;
mod ls;
mod pause;
pub(crate) mod policy_flags;
mod ps;
mod resume;
mod rm;
mod rollback;
mod scale;
pub(crate) mod update;

use clap::Subcommand;

use crate::failure::Failure;
use crate::session::Session;

/// The verbs of services.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Create a service and wait until its tasks run
    Create(Box<create::Create>),
    /// Change a service and wait until its tasks are as wanted
    Update(Box<update::Update>),
    /// List services
    #[command(visible_alias = "list")]
    Ls(ls::Ls),
    /// Show services whole
    Inspect(inspect::Inspect),
    /// List the tasks of services
    Ps(ps::Ps),
    /// Change how many tasks services have
    Scale(scale::Scale),
    /// List what the tasks of a service were made from: the revisions to go back to
    History(history::History),
    /// Take back the last change of what tasks run, and wait
    Rollback(rollback::Rollback),
    /// Stop a roll-out where it is
    Pause(pause::Pause),
    /// Go on with a roll-out that is paused, and wait
    Resume(resume::Resume),
    /// Remove services and wait until their tasks have stopped
    #[command(visible_alias = "remove")]
    Rm(rm::Rm),
    /// Show what the tasks of a service, or one task, print
    Logs(logs::Logs),
}

/// Runs a verb.
pub(crate) async fn run(command: ServiceCommand, session: &Session) -> Result<(), Failure> {
    match command {
        ServiceCommand::Create(command) => command.run(session).await,
        ServiceCommand::Update(command) => command.run(session).await,
        ServiceCommand::Ls(command) => command.run(session).await,
        ServiceCommand::Inspect(command) => command.run(session).await,
        ServiceCommand::Ps(command) => command.run(session).await,
        ServiceCommand::Scale(command) => command.run(session).await,
        ServiceCommand::History(command) => command.run(session).await,
        ServiceCommand::Rollback(command) => command.run(session).await,
        ServiceCommand::Pause(command) => command.run(session).await,
        ServiceCommand::Resume(command) => command.run(session).await,
        ServiceCommand::Rm(command) => command.run(session).await,
        ServiceCommand::Logs(command) => command.run(session).await,
    }
}
