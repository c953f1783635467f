// SPDX-License-Identifier: Apache-2.0
//! `skep task inspect`.

use clap::Args;

use crate::args::InspectFlags;
use crate::failure::Failure;
use crate::lookup;
use crate::output::format::render_objects;
use crate::output::print;
use crate::session::Session;

/// Show tasks whole: the proto JSON of each, in one array.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Tasks, by id or the beginning of an id
    #[arg(value_name = "TASK", required = true)]
    pub(crate) tasks: Vec<String>,
    #[command(flatten)]
    pub(crate) inspect: InspectFlags,
}

impl Inspect {
    /// Shows those that are found, then says which are not.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let (found, failures) = lookup::each(&self.tasks, |id| lookup::task(&client, id)).await;
        print(&render_objects(&found, &self.inspect.format)?);
        Failure::all(failures)
    }
}
