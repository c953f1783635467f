// SPDX-License-Identifier: Apache-2.0
//! The client: one connection, and the generated stub of each service over it.

use crate::calls::Calls;
use crate::connect;
use crate::context::Context;
use crate::error::ConnectError;
use crate::v1::daemon_service_client::DaemonServiceClient;
use crate::v1::log_service_client::LogServiceClient;
use crate::v1::node_service_client::NodeServiceClient;
use crate::v1::service_service_client::ServiceServiceClient;
use crate::v1::swarm_service_client::SwarmServiceClient;
use crate::v1::task_service_client::TaskServiceClient;
use crate::v1::watch_service_client::WatchServiceClient;

/// A connection to a daemon. Cheap to clone; all clones share it. When it breaks, the next call
/// makes a new one.
#[derive(Debug, Clone)]
pub struct Client {
    calls: Calls,
}

impl Client {
    /// Connects to the first address of a context that answers.
    ///
    /// # Errors
    /// No daemon there, no permission on its socket.
    pub async fn connect(context: &Context) -> Result<Self, ConnectError> {
        Ok(Self {
            calls: connect::connect(context).await?,
        })
    }

    /// The address this client is connected to.
    #[must_use]
    pub fn host(&self) -> &str {
        self.calls.host()
    }

    /// The daemon itself: its state, founding and leaving a swarm.
    #[must_use]
    pub fn daemon(&self) -> DaemonServiceClient<Calls> {
        DaemonServiceClient::new(self.calls.clone())
    }

    /// The swarm as a whole.
    #[must_use]
    pub fn swarm(&self) -> SwarmServiceClient<Calls> {
        SwarmServiceClient::new(self.calls.clone())
    }

    /// Nodes.
    #[must_use]
    pub fn nodes(&self) -> NodeServiceClient<Calls> {
        NodeServiceClient::new(self.calls.clone())
    }

    /// Services.
    #[must_use]
    pub fn services(&self) -> ServiceServiceClient<Calls> {
        ServiceServiceClient::new(self.calls.clone())
    }

    /// Tasks.
    #[must_use]
    pub fn tasks(&self) -> TaskServiceClient<Calls> {
        TaskServiceClient::new(self.calls.clone())
    }

    /// The watch as it is on the wire. [`Client::watch`] is the one that resumes.
    #[must_use]
    pub fn watches(&self) -> WatchServiceClient<Calls> {
        WatchServiceClient::new(self.calls.clone())
    }

    /// What tasks print.
    #[must_use]
    pub fn logs(&self) -> LogServiceClient<Calls> {
        LogServiceClient::new(self.calls.clone())
    }
}
