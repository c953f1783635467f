// SPDX-License-Identifier: Apache-2.0
//! `skep service scale`.

use clap::Args;

use crate::args::ConvergeFlags;
use crate::failure::Failure;
use crate::output::print;
use crate::parse::pair::parse_scale;
use crate::progress;
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
        let mut scaled = Vec::new();
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
            scaled.push(edited);
        }
        for edited in scaled {
            let (service, revision) = (&edited.object, edited.revision);
            let converged = progress::converge(&client, service, revision, &self.wait);
            if let Err(failure) = converged.await {
                if failure.is_interrupt() {
                    return Err(failure);
                }
                failures.push(failure);
            }
        }
        Failure::all(failures)
    }
}
