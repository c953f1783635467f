// SPDX-License-Identifier: Apache-2.0
//! `skep service ls`.

use clap::Args;

use crate::args::ListFlags;
use crate::failure::Failure;
use crate::filter;
use crate::output::print;
use crate::pages;
use crate::session::Session;
use crate::show;

/// List services.
#[derive(Debug, Args)]
#[command(
    after_help = "Filters: id, name (the beginnings of them), label=KEY[=VALUE], \
    mode=replicated|global.\n\
    Fields of templates: .ID .Name .Mode .Replicas .Image .Ports .Labels, and those of the \
    object, such as .spec.name."
)]
pub(crate) struct Ls {
    #[command(flatten)]
    pub(crate) list: ListFlags,
}

impl Ls {
    /// Lists them by name.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let filter = filter::services(&self.list.filter).map_err(Failure::usage)?;
        let client = session.client().await?;
        let mut services = pages::services(&client, filter.request).await?;
        services.retain(|service| filter.ids.allows(service));
        let listing = show::service::listing(services, self.list.no_trunc);
        print(&listing.render(&self.list)?);
        Ok(())
    }
}
