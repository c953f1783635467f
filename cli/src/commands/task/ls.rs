// SPDX-License-Identifier: Apache-2.0
//! `skep task ls`.

use clap::Args;

use super::{LIST_HELP, TaskListFlags};
use crate::failure::Failure;
use crate::session::Session;

/// List tasks, ended ones that are kept included.
#[derive(Debug, Args)]
#[command(after_help = LIST_HELP)]
pub(crate) struct Ls {
    #[command(flatten)]
    pub(crate) tasks: TaskListFlags,
}

impl Ls {
    /// Lists them by service and slot, the newest first.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let query = self.tasks.filter(&client).await?;
        self.tasks.show(&client, query).await
    }
}
