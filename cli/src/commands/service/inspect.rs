// SPDX-License-Identifier: Apache-2.0
//! `skep service inspect`.

use std::time::SystemTime;

use clap::Args;

use crate::args::InspectFlags;
use crate::failure::Failure;
use crate::lookup;
use crate::output::format::render_objects;
use crate::output::print;
use crate::session::Session;
use crate::show;

/// Show services whole: the proto JSON of each, in one array.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Services, by name, id or the beginning of an id
    #[arg(value_name = "SERVICE", required = true)]
    pub(crate) services: Vec<String>,
    /// Show them for people
    #[arg(long, conflicts_with = "format")]
    pub(crate) pretty: bool,
    #[command(flatten)]
    pub(crate) inspect: InspectFlags,
}

impl Inspect {
    /// Shows those that are found, then says which are not.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let (found, failures) =
            lookup::each(&self.services, |name| lookup::service(&client, name)).await;
        if self.pretty {
            let now = SystemTime::now();
            found
                .iter()
                .for_each(|service| print(&show::service_pretty::text(service, now)));
        } else {
            print(&render_objects(&found, &self.inspect.format)?);
        }
        Failure::all(failures)
    }
}
