// SPDX-License-Identifier: Apache-2.0
//! `skep service rm`.

use clap::Args;
use skep_sdk::v1::DeleteServiceRequest;

use crate::args::WaitFlags;
use crate::failure::Failure;
use crate::output::print;
use crate::progress::{self, Goal, Subject};
use crate::session::Session;

/// Remove services and wait until their tasks have stopped.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// Services, by name, id or the beginning of an id
    #[arg(value_name = "SERVICE", required = true)]
    pub(crate) services: Vec<String>,
    #[command(flatten)]
    pub(crate) wait: WaitFlags,
}

impl Rm {
    /// Begins all removals, says which, and waits for them one by one.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let mut subjects = Vec::new();
        let mut failures = Vec::new();
        for service in &self.services {
            let request = DeleteServiceRequest {
                service: service.clone(),
                ..Default::default()
            };
            match client.services().delete_service(request).await {
                Ok(answer) => {
                    print(&format!("{service}\n"));
                    let answer = answer.into_inner();
                    let deleted = answer.service.unwrap_or_default();
                    subjects.push(Subject::new(&deleted, answer.revision));
                }
                Err(status) => failures.push(Failure::from(skep_sdk::Error::from(status))),
            }
        }
        let flags = self.wait.into();
        for subject in subjects {
            let followed = progress::follow(&client, &subject, Goal::Deleted, &flags).await;
            if let Err(failure) = followed {
                if failure.is_interrupt() {
                    return Err(failure);
                }
                failures.push(failure);
            }
        }
        Failure::all(failures)
    }
}
