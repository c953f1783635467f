// SPDX-License-Identifier: Apache-2.0
//! `skep swarm leave`.

use clap::Args;
use skep_sdk::v1::LeaveSwarmRequest;

use crate::failure::Failure;
use crate::output::print;
use crate::session::Session;

/// Leave the swarm: the tasks of this node stop. When its last manager leaves, the swarm and all
/// it knew are gone.
#[derive(Debug, Args)]
pub(crate) struct Leave {
    /// Even if this node is a manager, and even if that erases the swarm
    #[arg(short, long)]
    pub(crate) force: bool,
}

impl Leave {
    /// Leaves.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let answer = client
            .daemon()
            .leave_swarm(LeaveSwarmRequest { force: self.force })
            .await;
        answer.map_err(skep_sdk::Error::from)?;
        print("Node left the swarm.\n");
        Ok(())
    }
}
