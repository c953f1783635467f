// SPDX-License-Identifier: Apache-2.0
//! `skep task stop`.

use clap::Args;
use skep_sdk::v1::StopTaskRequest;

use crate::failure::Failure;
use crate::output::print;
use crate::session::Session;

/// Stop tasks; their services replace them, without delay and not as failures.
#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// Tasks, by id or the beginning of an id
    #[arg(value_name = "TASK", required = true)]
    pub(crate) tasks: Vec<String>,
}

impl Stop {
    /// Orders one stop after the other, and says which.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let mut failures = Vec::new();
        for task in &self.tasks {
            let request = StopTaskRequest {
                task: task.clone(),
                ..StopTaskRequest::default()
            };
            match client.tasks().stop_task(request).await {
                Ok(_) => print(&format!("{task}\n")),
                Err(status) => failures.push(Failure::from(skep_sdk::Error::from(status))),
            }
        }
        Failure::all(failures)
    }
}
