// SPDX-License-Identifier: Apache-2.0
//! `skep version`.

use clap::Args;
use skep_sdk::v1::{Daemon, GetDaemonRequest};
use skep_sdk::{Client, Error};

use crate::failure::Failure;
use crate::output::format::{Format, render_parts};
use crate::output::json::Json;
use crate::output::print;
use crate::session::Session;

/// The version of this program.
const CLIENT: &str = env!("CARGO_PKG_VERSION");

/// Show the versions of client and daemon.
#[derive(Debug, Args)]
pub(crate) struct Version {
    /// Ask no daemon
    #[arg(long)]
    pub(crate) client: bool,
    /// json, yaml, or a template such as '{{.client.version}} {{.server.version}}'
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parse)]
    pub(crate) format: Option<Format>,
}

impl Version {
    /// Shows both; without a daemon the client's alone, and then why.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        match &self.format {
            Some(format) => self.run_for_programs(session, format).await,
            None => self.run_for_people(session).await,
        }
    }

    async fn run_for_people(&self, session: &Session) -> Result<(), Failure> {
        print(&format!("Client:\n Version:  {CLIENT}\n"));
        if self.client {
            return Ok(());
        }
        let client = session.client().await?;
        let daemon = ask(&client).await?;
        print(&format!(
            "\nServer:\n Version:  {}\n Address:  {}\n",
            daemon.version,
            client.host()
        ));
        Ok(())
    }

    /// The client has what a daemon tells of itself, less what only a daemon knows.
    async fn run_for_programs(&self, session: &Session, format: &Format) -> Result<(), Failure> {
        let own = Daemon {
            version: CLIENT.to_owned(),
            ..Daemon::default()
        };
        let mut parts = vec![("client", Json::of(&own))];
        if !self.client {
            let daemon = ask(&session.client().await?).await?;
            parts.push(("server", Json::of(&daemon)));
        }
        print(&render_parts(&parts, format)?);
        Ok(())
    }
}

async fn ask(client: &Client) -> Result<Daemon, Error> {
    let answer = client.daemon().get_daemon(GetDaemonRequest {}).await?;
    Ok(answer.into_inner().daemon.unwrap_or_default())
}
