// SPDX-License-Identifier: Apache-2.0
//! `skep ps`.

use clap::Args;
use skep_sdk::v1::TaskState;

use super::task::{LIST_HELP, TaskListFlags};
use crate::failure::Failure;
use crate::session::Session;

/// List the tasks of all services that are meant to run.
#[derive(Debug, Args)]
#[command(after_help = LIST_HELP)]
pub(crate) struct Ps {
    /// Show ended tasks too
    #[arg(short, long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) tasks: TaskListFlags,
}

impl Ps {
    /// Lists them by service and slot, the newest first.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let mut query = self.tasks.filter(&client).await?;
        let says_which =
            !query.request.desired_states.is_empty() || !query.request.states.is_empty();
        if !self.all && !says_which {
            query.request.desired_states = vec![TaskState::Ready.into(), TaskState::Running.into()];
        }
        self.tasks.show(&client, query).await
    }
}
