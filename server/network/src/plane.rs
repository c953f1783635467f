// SPDX-License-Identifier: Apache-2.0
//! What every data plane offers to the agent.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use skep_core::model::{Protocol, Revision, ServiceEndpoints, ServiceId};
use tokio::sync::watch;

/// Carries traffic from published ports to tasks, by the table it is given.
///
/// Changes are gathered by [`put`](Self::put), [`remove`](Self::remove) and
/// [`clear`](Self::clear), and take effect together with the [`commit`](Self::commit) that
/// follows. No call waits: what came of a commit is read from [`status`](Self::status). If
/// commits come faster than they can be put into effect, several become one.
///
/// A plane never doubts the table: one that is old is better than none, so an agent that is
/// cut off from the managers simply stops committing.
pub trait DataPlane: Send + Sync + 'static {
    /// Forgets every service that is not put again before the next commit: what comes until
    /// then is the whole table. Services that are put again keep their connections.
    fn clear(&self);

    /// Adds a service, or replaces what was known of it.
    fn put(&self, endpoints: Arc<ServiceEndpoints>);

    /// Forgets a service: its ports close and its connections end.
    fn remove(&self, service: ServiceId);

    /// Makes the changes so far take effect; `revision` is the number the managers know the
    /// resulting table by. It may be the same as before, after a change that the node made on
    /// its own.
    fn commit(&self, revision: Revision);

    /// What is in effect, and what could not be done. It can be kept and waited on.
    fn status(&self) -> watch::Receiver<PlaneStatus>;
}

/// What a data plane has put into effect.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct PlaneStatus {
    /// Revision of the table that new connections are balanced by. A backend that this table
    /// drains or does not name gets no new connection any more.
    pub revision: Revision,
    /// Published ports that the node does not answer on, in order. The plane keeps trying.
    pub problems: Vec<PortProblem>,
}

/// A published port that a node does not answer on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortProblem {
    /// The published port.
    pub port: u16,
    /// Its protocol.
    pub protocol: Protocol,
    /// Address that it was to be opened on; unspecified: on all of them.
    pub address: IpAddr,
    /// The service that publishes it.
    pub service: ServiceId,
    /// The service's name.
    pub service_name: Arc<str>,
    /// Why not.
    pub cause: PortCause,
}

impl fmt::Display for PortProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = SocketAddr::new(self.address, self.port);
        let protocol = self.protocol.as_str();
        write!(
            f,
            "service {} is not reachable on {at}/{protocol}: ",
            self.service_name
        )?;
        match &self.cause {
            PortCause::InUse => f.write_str(
                "another program holds the port; stop that program or publish another port",
            )?,
            PortCause::NotPermitted => f.write_str(
                "the daemon may not open it; give it CAP_NET_BIND_SERVICE or publish a port \
                 from 1024 up",
            )?,
            PortCause::NoSuchAddress => f.write_str(
                "this machine does not have the address; correct the daemon's node address",
            )?,
            PortCause::TooManyFiles => f.write_str(
                "the daemon has no file descriptor left; raise its limit of open files",
            )?,
            PortCause::Other(cause) => f.write_str(cause)?,
        }
        f.write_str(" (trying again)")
    }
}

/// Why a port could not be opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PortCause {
    /// Another program holds it.
    InUse,
    /// The daemon may not: ports below 1024 need a privilege.
    NotPermitted,
    /// The address to open it on is not one of this machine's.
    NoSuchAddress,
    /// The daemon has as many files open as it may.
    TooManyFiles,
    /// Something else, in the words of the operating system.
    Other(String),
}

impl PortCause {
    /// Why opening a port failed with `error`.
    pub(crate) fn of(error: &io::Error) -> PortCause {
        match error.kind() {
            io::ErrorKind::AddrInUse => PortCause::InUse,
            io::ErrorKind::PermissionDenied => PortCause::NotPermitted,
            io::ErrorKind::AddrNotAvailable => PortCause::NoSuchAddress,
            _ if is_out_of_files(error) => PortCause::TooManyFiles,
            _ => PortCause::Other(error.to_string()),
        }
    }
}

/// Whether this process or the machine has no file descriptor left.
pub(crate) fn is_out_of_files(error: &io::Error) -> bool {
    use nix::libc::{EMFILE, ENFILE};
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::libc;

    #[test]
    fn each_cause_is_told_apart() {
        for (code, cause) in [
            (libc::EADDRINUSE, PortCause::InUse),
            (libc::EACCES, PortCause::NotPermitted),
            (libc::EADDRNOTAVAIL, PortCause::NoSuchAddress),
            (libc::EMFILE, PortCause::TooManyFiles),
            (libc::ENFILE, PortCause::TooManyFiles),
        ] {
            assert_eq!(PortCause::of(&io::Error::from_raw_os_error(code)), cause);
        }
        let other = io::Error::from_raw_os_error(libc::ENODEV);
        assert!(matches!(PortCause::of(&other), PortCause::Other(_)));
    }

    #[test]
    fn a_problem_names_service_address_port_and_cure() {
        let problem = PortProblem {
            port: 8080,
            protocol: Protocol::Tcp,
            address: IpAddr::from([127, 0, 0, 1]),
            service: ServiceId(1),
            service_name: "web".into(),
            cause: PortCause::InUse,
        };
        assert_eq!(
            problem.to_string(),
            "service web is not reachable on 127.0.0.1:8080/tcp: another program holds the \
             port; stop that program or publish another port (trying again)"
        );
    }
}
