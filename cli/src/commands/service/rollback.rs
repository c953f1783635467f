// SPDX-License-Identifier: Apache-2.0
//! `skep service rollback`.

use clap::Args;
use skep_sdk::v1::ControlRolloutRequest;
use skep_sdk::v1::control_rollout_request::Action;

use crate::args::ConvergeFlags;
use crate::failure::Failure;
use crate::output::print;
use crate::progress;
use crate::session::Session;

/// Take back the last change of what tasks run and publish, and wait until its tasks are so.
#[derive(Debug, Args)]
#[command(after_help = "Example: skep service rollback web")]
pub(crate) struct Rollback {
    /// Service, by name, id or the beginning of an id
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    /// The template revision to go back to; 0: the newest good one before the present one
    #[arg(long, value_name = "REVISION", default_value_t = 0)]
    pub(crate) to: u64,
    #[command(flatten)]
    pub(crate) wait: ConvergeFlags,
}

impl Rollback {
    /// Goes back, prints what the service was called, and waits.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let request = ControlRolloutRequest {
            service: self.service.clone(),
            action: Action::Rollback.into(),
            to_template_revision: self.to,
            ..Default::default()
        };
        let answer = client.services().control_rollout(request).await;
        let answer = answer.map_err(skep_sdk::Error::from)?.into_inner();
        let service = answer.service.unwrap_or_default();
        print(&format!("{}\n", self.service));
        progress::converge(&client, &service, answer.revision, &self.wait).await
    }
}
