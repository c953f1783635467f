// SPDX-License-Identifier: Apache-2.0
//! `skep service logs`.

use clap::Args;
use skep_sdk::v1::{ErrorReason, GetTaskRequest, TaskFilter};
use skep_sdk::{Error, Identified};

use crate::commands::task::logs::{LogFlags, stream};
use crate::failure::Failure;
use crate::lookup;
use crate::session::Session;

/// Show what the tasks of a service, or one task, print.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Service by name or id, or task by id
    #[arg(value_name = "SERVICE|TASK")]
    pub(crate) source: String,
    #[command(flatten)]
    pub(crate) logs: LogFlags,
}

impl Logs {
    /// Finds out which of the two it is, and streams.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let filter = match lookup::service(&client, &self.source).await {
            Ok(service) => TaskFilter {
                services: vec![service.id().to_owned()],
                ..TaskFilter::default()
            },
            Err(no_service) if no_service.is(ErrorReason::ObjectNotFound) => {
                let request = GetTaskRequest {
                    task: self.source.clone(),
                    consistency: None,
                };
                match client.tasks().get_task(request).await.map_err(Error::from) {
                    Ok(answer) => {
                        let task = answer.into_inner().task.unwrap_or_default();
                        TaskFilter {
                            tasks: vec![task.id().to_owned()],
                            ..TaskFilter::default()
                        }
                    }
                    Err(error) if error.is(ErrorReason::ObjectNotFound) => return Err(no_service),
                    Err(error) => return Err(error.into()),
                }
            }
            Err(failure) => return Err(failure),
        };
        stream(&client, filter, &self.logs).await
    }
}
