// SPDX-License-Identifier: Apache-2.0
//! Making the connection: one address after the other, and words for what went wrong.

use std::io;
use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use crate::calls::Calls;
use crate::context::{Context, Host};
use crate::error::ConnectError;

/// How long one address may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often an open connection is tested while nothing happens on it, and how long the answer
/// may take: a peer whose machine is gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// The authority sent over a Unix socket, where there is no address.
const SOCKET_AUTHORITY: &str = "http://localhost";

/// Connects to the first address that answers.
pub(crate) async fn connect(context: &Context) -> Result<Calls, ConnectError> {
    let mut tried = Vec::new();
    for host in &context.hosts {
        let error = match dial(host).await {
            Ok(channel) => return Ok(Calls::new(channel, &host.to_string())),
            Err(Failure::Bad(error)) => return Err(error),
            Err(Failure::Io(error)) => error,
        };
        tried.push(note(host, &error)?);
    }
    Err(ConnectError::NoDaemon { tried })
}

enum Failure {
    Io(io::Error),
    Bad(ConnectError),
}

async fn dial(host: &Host) -> Result<Channel, Failure> {
    let (uri, path) = match host {
        Host::Unix(path) => (SOCKET_AUTHORITY, Some(path.clone())),
        Host::Http(url) => (url.as_str(), None),
    };
    let bad = |error: tonic::transport::Error| {
        Failure::Bad(ConnectError::BadHost {
            host: host.to_string(),
            why: cause_of(&error),
        })
    };
    let endpoint = Endpoint::from_shared(uri.to_owned())
        .map_err(bad)?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true);
    let channel = match path {
        None => endpoint.connect().await,
        Some(path) => {
            let connector = service_fn(move |_: Uri| {
                let path = path.clone();
                async move { open_socket(&path).await.map(TokioIo::new) }
            });
            endpoint.connect_with_connector(connector).await
        }
    };
    channel.map_err(|error| Failure::Io(io_error(&error)))
}

async fn open_socket(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(path).await
}

/// The system's error below a transport error.
fn io_error(error: &(dyn std::error::Error + 'static)) -> io::Error {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<io::Error>() {
            return io::Error::new(found.kind(), found.to_string());
        }
        cause = error.source();
    }
    io::Error::other(cause_of(error))
}

fn cause_of(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// What to remember of an address that cannot be reached, for the case that none can. A socket
/// without permission ends the search: there is a daemon, and another is not what was meant.
fn note(host: &Host, error: &io::Error) -> Result<(String, String), ConnectError> {
    let words = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            return Err(ConnectError::NoPermission {
                host: host.to_string(),
            });
        }
        io::ErrorKind::NotFound => "no such socket".to_owned(),
        io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        io::ErrorKind::TimedOut => "no answer in time".to_owned(),
        _ => error.to_string(),
    };
    Ok((host.to_string(), words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_without_permission_ends_the_search() {
        let host = Host::Unix("/run/skep/skep.sock".into());
        let error = note(&host, &io::ErrorKind::PermissionDenied.into()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no permission to use unix:///run/skep/skep.sock"
        );
        let (_, words) = note(&host, &io::ErrorKind::ConnectionRefused.into()).unwrap();
        assert_eq!(words, "nothing listens there");
    }
}
