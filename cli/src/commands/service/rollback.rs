// SPDX-License-Identifier: Apache-2.0
//! `skep service rollback`.

use clap::Args;
use skep_sdk::Error;
use skep_sdk::v1::control_rollout_request::Action;
use skep_sdk::v1::{ControlRolloutRequest, ErrorReason};

use crate::args::ConvergeFlags;
use crate::failure::Failure;
use crate::output::print;
use crate::progress;
use crate::session::Session;

/// Take back the last change of what tasks run and publish, and wait until its tasks are so.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    skep service rollback web\n  \
    skep service rollback web --to 19\n\
    `skep service history SERVICE` lists the revisions there are to go back to.")]
pub(crate) struct Rollback {
    /// Service, by name, id or the beginning of an id
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    /// The revision to go back to, as `skep service history` lists them; 0: the newest good one
    /// before the present one, or if none is good the one before
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
        let answer = answer.map_err(|status| self.refused(status.into()))?;
        let answer = answer.into_inner();
        let service = answer.service.unwrap_or_default();
        print(&format!("{}\n", self.service));
        progress::converge(&client, &service, answer.revision, &self.wait).await
    }

    /// A refusal, with the command that lists where one can go back to.
    fn refused(&self, mut error: Error) -> Failure {
        if error.is(ErrorReason::NoEarlierRevision) {
            error.message.push_str(&format!(
                "\n`skep service history {}` lists the revisions there are.",
                self.service
            ));
        }
        error.into()
    }
}
