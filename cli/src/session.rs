// SPDX-License-Identifier: Apache-2.0
//! The daemon that a run of the program talks to, connected when first needed.

use skep_sdk::{Client, Context};
use tokio::sync::OnceCell;

use crate::args::Target;
use crate::failure::Failure;

/// Where the daemon is, and the connection.
#[derive(Debug)]
pub(crate) struct Session {
    target: Target,
    client: OnceCell<Client>,
}

impl Session {
    /// Nothing is connected yet.
    pub(crate) fn new(target: Target) -> Self {
        Self {
            target,
            client: OnceCell::new(),
        }
    }

    /// The client. The first call connects.
    pub(crate) async fn client(&self) -> Result<Client, Failure> {
        let client = self.client.get_or_try_init(|| async {
            let Target { host, context } = &self.target;
            let context = Context::choose(host.as_deref(), context.as_deref())?;
            Client::connect(&context).await
        });
        Ok(client.await?.clone())
    }

    /// The client if there is one already.
    pub(crate) fn connected(&self) -> Option<&Client> {
        self.client.get()
    }
}
