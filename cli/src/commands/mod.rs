// SPDX-License-Identifier: Apache-2.0
//! The commands, `<noun>/<verb>.rs`: each has its flags and what it does. They call, hand on and
//! show; what is allowed is for the managers to say.

pub(crate) mod completion;
pub(crate) mod info;
pub(crate) mod node;
pub(crate) mod ps;
pub(crate) mod service;
pub(crate) mod swarm;
pub(crate) mod task;
pub(crate) mod version;
pub(crate) mod watch;

use crate::args::Command;
use crate::failure::Failure;
use crate::session::Session;

/// Runs a command.
pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Swarm(command) => swarm::run(command, session).await,
        Command::Node(command) => node::run(command, session).await,
        Command::Service(command) => service::run(command, session).await,
        Command::Task(command) => task::run(command, session).await,
        Command::Info(command) => command.run(session).await,
        Command::Ps(command) => command.run(session).await,
        Command::Watch(command) => command.run(session).await,
        Command::Version(command) => command.run(session).await,
        Command::Completion(command) => command.run(),
    }
}
