// SPDX-License-Identifier: Apache-2.0
//! `skep version`.

use clap::Args;
use skep_sdk::v1::{Daemon, GetDaemonRequest};
use skep_sdk::{Client, Error};

use crate::failure::Failure;
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
}

impl Version {
    /// Shows both; without a daemon the client's alone, and then why.
    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
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
}

async fn ask(client: &Client) -> Result<Daemon, Error> {
    let answer = client.daemon().get_daemon(GetDaemonRequest {}).await?;
    Ok(answer.into_inner().daemon.unwrap_or_default())
}
