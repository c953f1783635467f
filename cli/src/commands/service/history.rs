// SPDX-License-Identifier: Apache-2.0
//! `skep service history`.

use std::time::SystemTime;

use clap::Args;
use skep_sdk::Identified;

use crate::args::ListFlags;
use crate::failure::Failure;
use crate::lookup;
use crate::output::format::Format;
use crate::output::print;
use crate::pages;
use crate::session::Session;
use crate::show;

/// List the revisions of a service that are kept, newest first: what its tasks are made from, and
/// were. `skep service rollback --to REVISION` goes back to one of them.
#[derive(Debug, Args)]
#[command(
    after_help = "A good revision is one that the service converged on once. CHANGED names the \
    fields of the spec that differ from the revision below.\n\
    Fields of templates: .Revision .Current .Good .Tasks .Created .By .Changed .Image, and those \
    of the object, such as .templateRevision."
)]
pub(crate) struct History {
    /// Service, by name, id or the beginning of an id
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    /// Show the numbers of revisions alone
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// table, json, yaml, or a template such as '{{.Revision}} {{.Changed}}'
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = Format::parse)]
    pub(crate) format: Format,
    /// Show texts whole
    #[arg(long)]
    pub(crate) no_trunc: bool,
}

impl History {
    /// Lists them.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let service = lookup::service(&client, &self.service).await?;
        let revisions = pages::revisions(&client, service.id()).await?;
        let current = service.status.map_or(0, |status| status.template_revision);
        let listing = show::revision::listing(revisions, current, SystemTime::now(), self.no_trunc);
        let flags = ListFlags {
            quiet: self.quiet,
            filter: Vec::new(),
            format: self.format,
            no_trunc: self.no_trunc,
        };
        print(&listing.render(&flags)?);
        Ok(())
    }
}
