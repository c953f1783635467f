// SPDX-License-Identifier: Apache-2.0
//! The client: one connection, and the generated stub of each service over it.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http_body_util::Full;
use tonic::Code;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tower::{Service, ServiceExt};

use crate::calls::{self, Calls};
use crate::context::Context;
use crate::error::{Error, root_cause};
use crate::v1;

/// How long one address may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often an open connection is tested while nothing happens on it, and how long the answer
/// may take: a peer whose machine is gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// A connection to a daemon. Cheap to clone; all clones share it. When it breaks, the next call
/// makes a new one.
#[derive(Debug, Clone)]
pub struct Client {
    calls: Calls,
    host: Arc<str>,
}

impl Client {
    /// Connects to the first address of a context that answers. A socket without permission
    /// ends the search: there is a daemon, and another is not what was meant.
    ///
    /// # Errors
    /// No daemon there, no permission on its socket.
    pub async fn connect(context: &Context) -> Result<Self, Error> {
        let mut tried = Vec::new();
        for host in context.hosts() {
            let bad = |error| Error::misuse(format!("bad host {host:?}: {}", root_cause(&error)));
            let endpoint = Endpoint::from_shared(host.clone()).map_err(bad)?;
            let error = match dial(endpoint).await {
                Ok(channel) => match answers(channel.clone()).await {
                    Ok(()) => return Ok(Self::over(channel, host)),
                    Err(why) => {
                        tried.push(format!("{host} ({why})"));
                        continue;
                    }
                },
                Err(error) => error,
            };
            let cause = root_cause(&error);
            let why = match cause.downcast_ref().map(io::Error::kind) {
                Some(ErrorKind::PermissionDenied) => {
                    let message = format!("no permission to use {host}");
                    return Err(Error::local(Code::PermissionDenied, message));
                }
                Some(ErrorKind::NotFound) => "no such socket".to_owned(),
                Some(ErrorKind::ConnectionRefused) => "nothing listens there".to_owned(),
                Some(ErrorKind::TimedOut) => "no answer in time".to_owned(),
                _ => cause.to_string(),
            };
            tried.push(format!("{host} ({why})"));
        }
        let message = format!("no skep daemon answers at {}", tried.join(" or "));
        Err(Error::local(Code::Unavailable, message))
    }

    fn over(channel: Channel, host: &str) -> Self {
        let host: Arc<str> = host.into();
        let calls = calls::over(channel, host.clone());
        Self { calls, host }
    }

    /// The address this client is connected to.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

async fn dial(endpoint: Endpoint) -> Result<Channel, tonic::transport::Error> {
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true);
    endpoint.connect().await
}

/// Whether gRPC is spoken there: connecting alone asks for no answer. What it says does not matter.
async fn answers(mut channel: Channel) -> Result<(), &'static str> {
    let empty = Full::new(Bytes::from_static(&[0; 5]));
    let request = http::Request::post("/grpc.health.v1.Health/Check")
        .header(CONTENT_TYPE, "application/grpc")
        .body(Body::new(empty))
        .expect("a request of constants");
    let answer = async { channel.ready().await?.call(request).await };
    match tokio::time::timeout(CONNECT_TIMEOUT, answer).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err("what listens there does not speak gRPC"),
        Err(_) => Err("no answer in time"),
    }
}

/// One method a service, which gives its generated stub.
macro_rules! stubs {
    ($($(#[$doc:meta])+ $name:ident: $module:ident::$stub:ident;)+) => {
        impl Client {
            $($(#[$doc])+
            #[must_use]
            pub fn $name(&self) -> v1::$module::$stub<Calls> {
                v1::$module::$stub::new(self.calls.clone())
            })+
        }
    };
}

stubs! {
    /// The daemon itself: its state, founding and leaving a swarm.
    daemon: daemon_service_client::DaemonServiceClient;
    /// The swarm as a whole.
    swarm: swarm_service_client::SwarmServiceClient;
    /// Nodes.
    nodes: node_service_client::NodeServiceClient;
    /// Services.
    services: service_service_client::ServiceServiceClient;
    /// Tasks.
    tasks: task_service_client::TaskServiceClient;
    /// The watch as it is on the wire. [`Client::watch`] is the one that resumes.
    watches: watch_service_client::WatchServiceClient;
    /// What tasks print.
    logs: log_service_client::LogServiceClient;
}
