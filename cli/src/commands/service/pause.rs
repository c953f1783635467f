// SPDX-License-Identifier: Apache-2.0
//! `skep service pause`.

use clap::Args;
use skep_sdk::v1::control_rollout_request::Action;

use super::resume::control;
use crate::failure::Failure;
use crate::output::print;
use crate::session::Session;

/// Stop the roll-out of a service where it is: no further task is changed.
#[derive(Debug, Args)]
#[command(after_help = "Example: skep service pause web")]
pub(crate) struct Pause {
    /// Service, by name, id or the beginning of an id
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
}

impl Pause {
    /// Pauses it, and prints what the service was called. That takes effect at once.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        control(&client, &self.service, Action::Pause, 0).await?;
        print(&format!("{}\n", self.service));
        Ok(())
    }
}
