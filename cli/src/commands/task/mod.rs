// SPDX-License-Identifier: Apache-2.0
//! `skep task`, and what every list of tasks has in common.

mod inspect;
pub(crate) mod logs;
mod ls;
mod stop;
mod watch;

use std::time::SystemTime;

use clap::{Args, Subcommand};
use skep_sdk::v1::{Task, TaskFilter};
use skep_sdk::{Client, Error};

use crate::args::ListFlags;
use crate::failure::Failure;
use crate::filter::{self, TaskQuery};
use crate::lookup;
use crate::output::{error_width, print};
use crate::pages;
use crate::programs::{self, Programs};
use crate::session::Session;
use crate::show;

/// What `--help` says of every list of tasks.
pub(crate) const LIST_HELP: &str = "Filters: id, name (the beginnings of them), service, node, \
    label=KEY[=VALUE], state=running|failed|..., desired-state=running|ready|shutdown|remove.\n\
    Fields of templates: .ID .Name .Image .Service .Node .DesiredState .CurrentState .Error .Ports .Slot, \
    and those of the object, such as .status.exitCode.";

/// The verbs of tasks.
#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// List tasks, ended ones that are kept included
    #[command(visible_alias = "list")]
    Ls(ls::Ls),
    /// Show tasks whole
    Inspect(inspect::Inspect),
    /// Show what tasks print
    Logs(logs::Logs),
    /// Stop tasks; their services replace them
    Stop(stop::Stop),
    /// Show changes of tasks as they happen
    Watch(watch::Watch),
}

/// How tasks are listed.
#[derive(Debug, Clone, Args)]
pub(crate) struct TaskListFlags {
    #[command(flatten)]
    pub(crate) list: ListFlags,
    /// Show ids in place of the names of nodes
    #[arg(long)]
    pub(crate) no_resolve: bool,
}

impl TaskListFlags {
    /// What `--filter` asks for, with `self` as the name of a node resolved.
    pub(crate) async fn filter(&self, client: &Client) -> Result<TaskQuery, Failure> {
        let mut query = filter::tasks(&self.list.filter).map_err(Failure::usage)?;
        for node in &mut query.request.nodes {
            *node = lookup::node_reference(client, node).await?;
        }
        Ok(query)
    }

    /// Lists what a query finds.
    pub(crate) async fn show(&self, client: &Client, query: TaskQuery) -> Result<(), Failure> {
        let mut tasks = pages::tasks(client, query.request).await?;
        tasks.retain(|task| query.ids.allows(task));
        let (mut programs, mut earlier) = (Programs::default(), Vec::new());
        if self.list.shows_columns() {
            programs = programs::of_tasks(client, &tasks).await?;
            earlier = earlier_than(client, &tasks).await?;
        }
        let look = show::task::Look {
            programs: &programs,
            earlier: &earlier,
            now: SystemTime::now(),
            whole: self.list.no_trunc,
            resolve: !self.no_resolve,
            error_width: error_width(),
        };
        print(&show::task::listing(tasks, &look).render(&self.list)?);
        Ok(())
    }
}

/// The attempts before those tasks that are in a crash loop, where the list does not have them.
async fn earlier_than(client: &Client, tasks: &[Task]) -> Result<Vec<Task>, Error> {
    let mut earlier = Vec::new();
    for services in show::attempts::unknown(tasks).chunks(pages::REFERENCES_MAX) {
        let filter = TaskFilter {
            services: services.to_vec(),
            ..TaskFilter::default()
        };
        earlier.extend(pages::tasks(client, filter).await?);
    }
    Ok(earlier)
}

/// Runs a verb.
pub(crate) async fn run(command: TaskCommand, session: &Session) -> Result<(), Failure> {
    match command {
        TaskCommand::Ls(command) => command.run(session).await,
        TaskCommand::Inspect(command) => command.run(session).await,
        TaskCommand::Logs(command) => command.run(session).await,
        TaskCommand::Stop(command) => command.run(session).await,
        TaskCommand::Watch(command) => command.run(session).await,
    }
}
