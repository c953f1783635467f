// SPDX-License-Identifier: Apache-2.0
//! Asks a server like this one how it is: the health check of an image that has no other program.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use crate::identity::Identity;

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the server that `identity` would be, and says what it answered. Succeeds if all is well.
///
/// # Errors
/// If it does not answer.
pub(crate) fn check(identity: &Identity) -> Result<ExitCode, String> {
    let host = match identity.address {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    let address = SocketAddr::new(host, identity.port);
    let answer = ask(address).map_err(|error| format!("{address}/healthz: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    crate::say(&format!("{status}: {}", body.trim()));
    let is_well = status.split(' ').nth(1) == Some("200");
    Ok(ExitCode::from(u8::from(!is_well)))
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: check\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
