// SPDX-License-Identifier: Apache-2.0
//! `skep node rm`.

use clap::Args;
use skep_sdk::v1::DeleteNodeRequest;

use crate::failure::Failure;
use crate::lookup;
use crate::output::print;
use crate::session::Session;

/// Forget nodes. Their tasks are replaced elsewhere.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// Nodes, by name, id or the beginning of an id, or self
    #[arg(value_name = "NODE", required = true)]
    pub(crate) nodes: Vec<String>,
    /// Even if it is not down
    #[arg(short, long)]
    pub(crate) force: bool,
}

impl Rm {
    /// Forgets one after the other, and says which.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let mut failures = Vec::new();
        for name in &self.nodes {
            let node = lookup::node_reference(&client, name).await?;
            let request = DeleteNodeRequest {
                node,
                force: self.force,
                ..DeleteNodeRequest::default()
            };
            match client.nodes().delete_node(request).await {
                Ok(_) => print(&format!("{name}\n")),
                Err(status) => failures.push(Failure::from(skep_sdk::Error::from(status))),
            }
        }
        Failure::all(failures)
    }
}
