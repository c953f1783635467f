// SPDX-License-Identifier: Apache-2.0
//! `skep service scale`.

use clap::Args;
use skep_sdk::Goal;

use crate::args::ConvergeFlags;
use crate::failure::Failure;
use crate::output::print;
use crate::parse::pair::parse_scale;
use crate::progress::{self, Subject};
use crate::session::Session;
use crate::spec::set_replicas;

/// Change how many tasks services have. All changes are made first, then waited for one by one.
#[derive(Debug, Args)]
#[command(after_help = "Example: skep service scale web=5 worker=2")]
pub(crate) struct Scale {
    /// Service and its new number of tasks
    #[arg(value_name = "SERVICE=REPLICAS", required = true, value_parser = parse_scale)]
    pub(crate) services: Vec<(String, u32)>,
    #[command(flatten)]
    pub(crate) wait: ConvergeFlags,
}

impl Scale {
    /// Makes the changes, says so, and waits.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let mut subjects = Vec::new();
        let mut failures = Vec::new();
        for (service, replicas) in &self.services {
            let mut outcome = Ok(());
            let edited = client.edit_service(service, |spec| {
                outcome = set_replicas(spec, *replicas);
            });
            let edited = match (edited.await, outcome) {
                (Ok(edited), Ok(())) => edited,
                (Err(error), _) => {
                    failures.push(error.into());
                    continue;
                }
                (_, Err(why)) => {
                    failures.push(Failure::usage(why));
                    continue;
                }
            };
            print(&format!("{service} scaled to {replicas}\n"));
            let spec_revision = edited
                .object
                .meta
                .as_ref()
                .map_or(0, |meta| meta.spec_revision);
            subjects.push((Subject::new(&edited.object, edited.revision), spec_revision));
        }
        for (subject, spec_revision) in subjects {
            let goal = Goal::Converged { spec_revision };
            if let Err(failure) = progress::follow(&client, &subject, goal, &self.wait).await {
                if failure.is_interrupt() {
                    return Err(failure);
                }
                failures.push(failure);
            }
        }
        Failure::all(failures)
    }
}
