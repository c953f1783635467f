// SPDX-License-Identifier: Apache-2.0
//! `skep task watch`.

use clap::Args;
use skep_sdk::v1::{Task, WatchRequest};

use super::LIST_HELP;
use crate::commands::watch::{StreamFlags, show_events};
use crate::failure::Failure;
use crate::filter;
use crate::lookup;
use crate::parse::pair::parse_filter;
use crate::session::Session;

/// Show changes of tasks as they happen: first every task there is, then each change.
#[derive(Debug, Args)]
#[command(after_help = LIST_HELP)]
pub(crate) struct Watch {
    /// Services whose tasks are shown, by name or id; without them all
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Show what matches, such as state=failed; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_filter)]
    pub(crate) filter: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) stream: StreamFlags,
}

impl Watch {
    /// Shows events until interrupted.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let query = filter::tasks(&self.filter).map_err(Failure::usage)?;
        let mut filter = query.into_watch_filter();
        filter.services.extend(self.services.iter().cloned());
        let client = session.client().await?;
        for node in &mut filter.nodes {
            *node = lookup::node_reference(&client, node).await?;
        }
        let request = WatchRequest {
            tasks: Some(filter),
            after_revision: self.stream.after,
            ..WatchRequest::default()
        };
        show_events::<Task>(&client, request, &self.stream).await
    }
}
