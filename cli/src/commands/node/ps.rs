// SPDX-License-Identifier: Apache-2.0
//! `skep node ps`.

use clap::Args;
use skep_sdk::Identified;

use crate::commands::task::TaskListFlags;
use crate::failure::Failure;
use crate::lookup;
use crate::session::Session;

/// List the tasks on nodes; without a name on the one of the daemon that is asked.
#[derive(Debug, Args)]
#[command(after_help = crate::commands::task::LIST_HELP)]
pub(crate) struct Ps {
    /// Nodes, by name, id or the beginning of an id, or self
    #[arg(value_name = "NODE", default_value = lookup::SELF)]
    pub(crate) nodes: Vec<String>,
    #[command(flatten)]
    pub(crate) tasks: TaskListFlags,
}

impl Ps {
    /// Lists those of the nodes that are found, then says which are not.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let mut filter = self.tasks.filter(&client).await?;
        let (found, failures) = lookup::each(&self.nodes, |name| lookup::node(&client, name)).await;
        if !found.is_empty() {
            filter.request.nodes = found.iter().map(|node| node.id().to_owned()).collect();
            self.tasks.show(&client, filter).await?;
        }
        Failure::all(failures)
    }
}
