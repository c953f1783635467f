// SPDX-License-Identifier: Apache-2.0
//! `skep node ls`.

use clap::Args;
use skep_sdk::v1::GetDaemonRequest;

use crate::args::ListFlags;
use crate::failure::Failure;
use crate::filter;
use crate::output::print;
use crate::pages;
use crate::session::Session;
use crate::show;

/// List nodes. `*` marks the one of the daemon that is asked.
#[derive(Debug, Args)]
#[command(
    after_help = "Filters: id, name (the beginnings of them), node.label=KEY[=VALUE], \
    role=worker|manager, availability=active|pause|drain, status=ready|down|unknown.\n\
    Fields of templates: .ID .Self .Name .Hostname .Status .Availability .ManagerStatus .Version \
    .Address .Role, and those of the object, such as .status.platform.os."
)]
pub(crate) struct Ls {
    #[command(flatten)]
    pub(crate) list: ListFlags,
}

impl Ls {
    /// Lists them by name.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let filter = filter::nodes(&self.list.filter).map_err(Failure::usage)?;
        let client = session.client().await?;
        let mut nodes = pages::nodes(&client, filter.request).await?;
        nodes.retain(|node| filter.ids.allows(node));
        let daemon = client.daemon().get_daemon(GetDaemonRequest {}).await;
        let own = daemon
            .map_err(skep_sdk::Error::from)?
            .into_inner()
            .daemon
            .unwrap_or_default();
        print(&show::node::listing(nodes, &own.node).render(&self.list)?);
        Ok(())
    }
}
