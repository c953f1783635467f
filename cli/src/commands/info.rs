// SPDX-License-Identifier: Apache-2.0
//! `skep info`.

use clap::Args;
use skep_sdk::v1::{Daemon, GetDaemonRequest, GetSwarmRequest, Swarm};
use skep_sdk::{Client, Error};

use crate::failure::Failure;
use crate::output::format::{Format, render_parts};
use crate::output::json::Json;
use crate::output::{notice, print};
use crate::session::Session;
use crate::show;

/// Show the daemon and its swarm.
#[derive(Debug, Args)]
pub(crate) struct Info {
    /// json, yaml, or a template such as '{{.daemon.version}} {{.swarm.meta.id}}'
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parse)]
    pub(crate) format: Option<Format>,
}

impl Info {
    /// Asks the daemon, and the swarm if it is in one. A swarm that cannot answer is said, and
    /// is no failure: the daemon is shown all the same.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client().await?;
        let daemon = client
            .daemon()
            .get_daemon(GetDaemonRequest {})
            .await
            .map_err(Error::from)?;
        let daemon = daemon.into_inner().daemon.unwrap_or_default();
        let swarm = if daemon.swarm.is_empty() {
            None
        } else {
            ask_swarm(&client).await
        };
        let text = match &self.format {
            None => show::info::text(client.host(), &daemon, swarm.as_ref()),
            Some(format) => render_parts(&parts(&daemon, swarm.as_ref()), format)?,
        };
        print(&text);
        Ok(())
    }
}

async fn ask_swarm(client: &Client) -> Option<Swarm> {
    match client.swarm().get_swarm(GetSwarmRequest::default()).await {
        Ok(answer) => answer.into_inner().swarm,
        Err(status) => {
            notice(&format!(
                "the swarm does not answer: {}",
                Error::from(status)
            ));
            None
        }
    }
}

fn parts(daemon: &Daemon, swarm: Option<&Swarm>) -> Vec<(&'static str, Json)> {
    let mut parts = vec![("daemon", Json::of(daemon))];
    parts.extend(swarm.map(|swarm| ("swarm", Json::of(swarm))));
    parts
}
