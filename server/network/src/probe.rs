// SPDX-License-Identifier: Apache-2.0
//! Whether a port of this machine is free.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use skep_core::model::Protocol;
use socket2::{Domain, Socket, Type};

/// Whether nothing holds the port on any address of the machine, so that a program may open it
/// on `address` or on all of them, whatever options it sets.
///
/// # Errors
/// If that cannot be told: `address` is not this machine's, no file descriptor is left.
pub(crate) fn is_free_everywhere(
    address: IpAddr,
    port: u16,
    protocol: Protocol,
) -> io::Result<bool> {
    let everywhere = match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    Ok(try_bind(address, port, protocol, false)? && try_bind(everywhere, port, protocol, false)?)
}

/// Whether a server can open the port on `address`. Unlike a chosen port, a fixed one is
/// opened again right after its last user has ended, while the kernel still remembers that
/// one's connections: like nearly every server, this overlooks them.
///
/// # Errors
/// If that cannot be told, or the daemon may not open it.
pub(crate) fn is_free_at(address: IpAddr, port: u16, protocol: Protocol) -> io::Result<bool> {
    try_bind(address, port, protocol, protocol == Protocol::Tcp)
}

fn try_bind(address: IpAddr, port: u16, protocol: Protocol, reuse: bool) -> io::Result<bool> {
    let at = SocketAddr::new(address, port);
    let kind = match protocol {
        Protocol::Tcp => Type::STREAM,
        Protocol::Udp => Type::DGRAM,
    };
    let socket = Socket::new(Domain::for_address(at), kind, None)?;
    socket.set_reuse_address(reuse)?;
    match socket.bind(&at.into()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_port_is_taken_while_a_program_holds_it() {
        let tcp = TcpListener::bind((LOCAL, 0)).unwrap();
        let port = tcp.local_addr().unwrap().port();
        assert!(!is_free_at(LOCAL, port, Protocol::Tcp).unwrap());
        assert!(!is_free_everywhere(LOCAL, port, Protocol::Tcp).unwrap());

        let udp = UdpSocket::bind((LOCAL, 0)).unwrap();
        let port = udp.local_addr().unwrap().port();
        assert!(!is_free_at(LOCAL, port, Protocol::Udp).unwrap());
        assert!(!is_free_everywhere(LOCAL, port, Protocol::Udp).unwrap());
    }

    #[test]
    fn a_port_held_on_another_address_is_free_here_but_not_everywhere() {
        let other = TcpListener::bind("127.0.0.9:0").unwrap();
        let port = other.local_addr().unwrap().port();
        assert!(is_free_at(LOCAL, port, Protocol::Tcp).unwrap());
        assert!(!is_free_everywhere(LOCAL, port, Protocol::Tcp).unwrap());
    }

    #[test]
    fn an_address_of_another_machine_is_an_error() {
        // 192.0.2.0/24 is kept for documentation.
        let error = is_free_everywhere([192, 0, 2, 1].into(), 20_000, Protocol::Tcp).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }
}
