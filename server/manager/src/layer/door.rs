// SPDX-License-Identifier: Apache-2.0
//! By which door a call comes in, and who that makes the caller.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Request};
use skep_proto::v1::Role;
use tonic::transport::server::{TcpConnectInfo, UdsConnectInfo};

use crate::error::Failure;
use crate::roles::role_name;

/// A way into the daemon.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Door {
    /// The Unix socket: whom its permissions let in is an admin.
    Socket,
    /// The dev address, in plain text: programs on this machine are admins, web pages nobody.
    Dev,
}

/// Who calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Caller {
    /// For the record: `uid:1000`, `dev:127.0.0.1`.
    pub(super) name: Arc<str>,
    /// What they may do.
    pub(super) role: Role,
}

impl Door {
    /// Who makes a request that came in here.
    ///
    /// # Errors
    /// If a browser makes it for a page that is not ours.
    pub(super) fn caller<B>(self, request: &Request<B>) -> Result<Caller, Failure> {
        let extensions = request.extensions();
        let name = match self {
            Door::Socket => {
                let peer = extensions
                    .get::<UdsConnectInfo>()
                    .and_then(|info| info.peer_cred);
                peer.map_or("socket".to_owned(), |peer| format!("uid:{}", peer.uid()))
            }
            Door::Dev => {
                check_host_and_origin(request)?;
                let peer = extensions
                    .get::<TcpConnectInfo>()
                    .and_then(TcpConnectInfo::remote_addr);
                peer.map_or("dev".to_owned(), |peer| format!("dev:{}", peer.ip()))
            }
        };
        Ok(Caller {
            name: name.into(),
            role: Role::Admin,
        })
    }
}

/// A browser tells by which name it found us and for which page it asks. A name that somebody
/// else's DNS server made up, or a page from elsewhere, gets nothing.
fn check_host_and_origin<B>(request: &Request<B>) -> Result<(), Failure> {
    let headers = request.headers();
    let named = request.uri().authority().map(Authority::as_str);
    let hosts: Vec<&str> = named
        .into_iter()
        .chain(values(headers, HOST.as_str()))
        .collect();
    if let Some(foreign) = hosts.iter().find(|host| !is_this_machine(host)) {
        return Err(foreign_caller(&format!(
            "the dev address answers to \"localhost\" and to IP addresses, not to \"{foreign}\""
        )));
    }
    for origin in values(headers, ORIGIN.as_str()) {
        let page = origin
            .split_once("://")
            .map_or(origin, |(_, authority)| authority);
        if !hosts.contains(&page) {
            return Err(foreign_caller(&format!(
                "the dev address does not answer pages from \"{origin}\""
            )));
        }
    }
    Ok(())
}

fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let text = |value: &'a HeaderValue| value.to_str().unwrap_or("(not text)");
    headers.get_all(name).into_iter().map(text)
}

/// Names can be made to lead anywhere; "localhost" and addresses cannot.
fn is_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

fn foreign_caller(message: &str) -> Failure {
    Failure::RoleRequired {
        role: role_name(Role::Viewer),
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_names_of_others_are_refused() {
        for (host, origin, granted) in [
            ("127.0.0.1:2378", "", true),
            ("localhost:2378", "", true),
            ("[::1]:2378", "", true),
            ("192.168.0.7:2378", "", true),
            ("evil.example:2378", "", false),
            ("127.0.0.1.evil.example", "", false),
            ("127.0.0.1:2378", "http://127.0.0.1:2378", true),
            ("127.0.0.1:2378", "http://127.0.0.1:8080", false),
            ("127.0.0.1:2378", "https://evil.example", false),
            ("127.0.0.1:2378", "null", false),
        ] {
            let mut request = Request::builder().uri(format!("http://{host}/x"));
            if !origin.is_empty() {
                request = request.header(ORIGIN, origin);
            }
            let request = request.body(()).expect("a whole request");
            assert_eq!(
                Door::Dev.caller(&request).is_ok(),
                granted,
                "{host} {origin}"
            );
            assert!(Door::Socket.caller(&request).is_ok());
        }
    }

    #[test]
    fn a_host_header_counts_as_much() {
        let request = Request::builder()
            .uri("/x")
            .header(HOST, "evil.example")
            .body(())
            .expect("a whole request");
        let refused = Door::Dev.caller(&request);
        assert!(
            matches!(refused, Err(Failure::RoleRequired { .. })),
            "{refused:?}"
        );
    }
}
