// SPDX-License-Identifier: Apache-2.0
//! `skep service resume`.

use clap::Args;
use skep_sdk::v1::control_rollout_request::Action;
use skep_sdk::v1::{ControlRolloutRequest, ControlRolloutResponse};
use skep_sdk::{Client, Error};

use crate::args::ConvergeFlags;
use crate::failure::Failure;
use crate::output::print;
use crate::progress;
use crate::session::Session;

/// Go on with the roll-out of a service that is paused, and wait until its tasks are as wanted.
/// Those that failed are tried again first.
#[derive(Debug, Args)]
#[command(after_help = "Example: skep service resume web")]
pub(crate) struct Resume {
    /// Service, by name, id or the beginning of an id
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    #[command(flatten)]
    pub(crate) wait: ConvergeFlags,
}

impl Resume {
    /// Resumes it, prints what the service was called, and waits.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let answer = control(&client, &self.service, Action::Resume, 0).await?;
        print(&format!("{}\n", self.service));
        let service = answer.service.unwrap_or_default();
        progress::converge(&client, &service, answer.revision, &self.wait).await
    }
}

/// Pauses or resumes a roll-out; with `if_spec_revision` only if the spec is still that one.
pub(super) async fn control(
    client: &Client,
    service: &str,
    action: Action,
    if_spec_revision: u64,
) -> Result<ControlRolloutResponse, Error> {
    let request = ControlRolloutRequest {
        service: service.to_owned(),
        action: action.into(),
        if_spec_revision,
        ..Default::default()
    };
    Ok(client
        .services()
        .control_rollout(request)
        .await?
        .into_inner())
}
