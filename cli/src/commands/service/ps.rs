// SPDX-License-Identifier: Apache-2.0
//! `skep service ps`.

use clap::Args;
use skep_sdk::Identified;

use crate::commands::task::TaskListFlags;
use crate::failure::Failure;
use crate::lookup;
use crate::session::Session;

/// List the tasks of services, the newest of each slot first and those before it below.
#[derive(Debug, Args)]
#[command(after_help = crate::commands::task::LIST_HELP)]
pub(crate) struct Ps {
    /// Services, by name, id or the beginning of an id
    #[arg(value_name = "SERVICE", required = true)]
    pub(crate) services: Vec<String>,
    #[command(flatten)]
    pub(crate) tasks: TaskListFlags,
}

impl Ps {
    /// Lists those of the services that are found, then says which are not.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let mut filter = self.tasks.filter(&client).await?;
        let (found, failures) =
            lookup::each(&self.services, |name| lookup::service(&client, name)).await;
        if !found.is_empty() {
            filter.request.services = found
                .iter()
                .map(|service| service.id().to_owned())
                .collect();
            self.tasks.show(&client, filter).await?;
        }
        Failure::all(failures)
    }
}
