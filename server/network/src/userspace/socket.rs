// SPDX-License-Identifier: Apache-2.0
//! Sockets with the options that a proxy needs.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

/// Connections that may wait to be accepted. The kernel lowers it to `net.core.somaxconn`.
const BACKLOG: i32 = 4_096;

/// Silence after which a peer is asked whether it is still there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);

/// Time between two such questions.
const KEEPALIVE_PERIOD: Duration = Duration::from_secs(15);

/// Unanswered questions after which a connection is given up: two minutes of silence in all.
/// So a peer that vanished does not hold its place for ever, and an idle one keeps it.
const KEEPALIVE_COUNT: u32 = 4;

/// Receive buffer of a UDP port: room for a burst while the proxy is busy. The kernel lowers
/// it to `net.core.rmem_max`.
const UDP_BUFFER_BYTES: usize = 1024 * 1024;

/// The address that stands for all of the machine's: `::`, which takes IPv4 too, or `0.0.0.0`
/// where there is no IPv6.
#[must_use]
pub fn every_address() -> IpAddr {
    let v6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let dual = Socket::new(Domain::IPV6, Type::STREAM, None)
        .and_then(|socket| {
            socket.set_only_v6(false)?;
            socket.bind(&SocketAddr::new(v6, 0).into())
        })
        .is_ok();
    if dual {
        v6
    } else {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    }
}

/// Listens for TCP connections. On Linux those inherit the options set here.
pub(super) fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = open(at, Type::STREAM)?;
    // Without it the port would be refused while old connections on it are remembered.
    socket.set_reuse_address(true)?;
    prepare(SockRef::from(&socket))?;
    socket.bind(&at.into())?;
    // Before the runtime watches the socket: one that does not listen yet counts as hung up,
    // which the runtime would never forget.
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Connects to a backend.
pub(super) async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    prepare(SockRef::from(&socket))?;
    socket.connect(to).await
}

/// Opens a UDP port. Without address reuse: it would let another program take the port over.
pub(super) fn bind_udp(at: SocketAddr) -> io::Result<UdpSocket> {
    let socket = open(at, Type::DGRAM)?;
    // Only ever a wish: a smaller buffer works too.
    let _ = socket.set_recv_buffer_size(UDP_BUFFER_BYTES);
    socket.bind(&at.into())?;
    UdpSocket::from_std(socket.into())
}

/// Opens a UDP socket that talks to one backend and hears from it when it refuses.
pub(super) fn connect_udp(to: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&to.into())?;
    UdpSocket::from_std(socket.into())
}

fn open(at: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), kind, None)?;
    socket.set_nonblocking(true)?;
    if at.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    Ok(socket)
}

fn prepare(socket: SockRef<'_>) -> io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_PERIOD)
        .with_retries(KEEPALIVE_COUNT);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_nodelay(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_ends_send_at_once_and_notice_a_vanished_peer() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let to = listener.local_addr().unwrap();
        let (accepted, connected) = tokio::join!(listener.accept(), connect(to));
        for stream in [accepted.unwrap().0, connected.unwrap()] {
            let socket = SockRef::from(&stream);
            assert!(socket.tcp_nodelay().unwrap());
            assert!(socket.keepalive().unwrap());
            assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE_AFTER);
        }
    }

    #[tokio::test]
    async fn every_address_takes_ipv4() {
        let listener = listen(SocketAddr::new(every_address(), 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let to = SocketAddr::from(([127, 0, 0, 1], port));
        let (accepted, connected) = tokio::join!(listener.accept(), connect(to));
        assert!(accepted.is_ok() && connected.is_ok());
    }

    #[tokio::test]
    async fn a_port_is_opened_once() {
        let tcp = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = listen(tcp.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let udp = bind_udp("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = bind_udp(udp.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
