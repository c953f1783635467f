// SPDX-License-Identifier: Apache-2.0
//! The client side of a published UDP port.
//!
//! A client that asked one of several addresses of a machine takes an answer only from that
//! same address, so with each datagram comes the address that it was sent to.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::socket;

/// Who sent a datagram, and to where: what one session belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Client {
    peer: SocketAddr,
    /// The address it asked, where that is not plain from the socket.
    asked: Option<IpAddr>,
}

/// The client side of a published UDP port.
#[derive(Debug)]
pub(super) struct Front {
    socket: UdpSocket,
    /// The address it was opened on is one; it is not asked for with each datagram.
    is_single: bool,
}

impl Front {
    /// Opens the port.
    pub(super) fn open(at: SocketAddr) -> io::Result<Front> {
        let socket = socket::bind_udp(at)?;
        let is_single = !at.ip().is_unspecified();
        if !is_single {
            match at {
                SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
                SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
            }
        }
        Ok(Front { socket, is_single })
    }

    /// Waits for datagrams.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Takes one datagram.
    pub(super) fn try_receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Client)> {
        if self.is_single {
            let (count, peer) = self.socket.try_recv_from(buffer)?;
            return Ok((count, Client { peer, asked: None }));
        }
        self.socket.try_io(Interest::READABLE, || {
            receive_with_address(&self.socket, buffer)
        })
    }

    /// Sends one datagram without waiting. It does not ask the runtime whether the socket is
    /// ready, which would not know yet of a socket that is new.
    pub(super) fn send_now(&self, bytes: &[u8], to: Client) -> io::Result<()> {
        match to.asked {
            None => SockRef::from(&self.socket)
                .send_to(bytes, &to.peer.into())
                .map(drop),
            Some(asked) => send_from(&self.socket, bytes, to.peer, asked),
        }
    }

    /// Sends one datagram when the socket has room for it.
    pub(super) async fn send(&self, bytes: &[u8], to: Client) -> io::Result<()> {
        self.socket
            .async_io(Interest::WRITABLE, || self.send_now(bytes, to))
            .await
    }
}

fn receive_with_address(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, Client)> {
    let mut parts = [IoSliceMut::new(buffer)];
    // in6_pktinfo is the larger of the two.
    let mut control = nix::cmsg_space!(libc::in6_pktinfo);
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::empty(),
    )?;
    let peer = message
        .address
        .as_ref()
        .and_then(to_std)
        .ok_or(io::ErrorKind::InvalidData)?;
    let asked = message.cmsgs()?.find_map(|part| match part {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(IpAddr::V4(Ipv4Addr::from(
            info.ipi_spec_dst.s_addr.to_ne_bytes(),
        ))),
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)))
        }
        _ => None,
    });
    Ok((message.bytes, Client { peer, asked }))
}

fn send_from(socket: &UdpSocket, bytes: &[u8], to: SocketAddr, from: IpAddr) -> io::Result<()> {
    let parts = [IoSlice::new(bytes)];
    let to = SockaddrStorage::from(to);
    let fd = socket.as_raw_fd();
    match from {
        IpAddr::V4(from) => {
            let spec = libc::in_addr {
                s_addr: u32::from_ne_bytes(from.octets()),
            };
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: spec,
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            let control = [ControlMessage::Ipv4PacketInfo(&info)];
            sendmsg(fd, &parts, &control, MsgFlags::empty(), Some(&to))?;
        }
        IpAddr::V6(from) => {
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr {
                    s6_addr: from.octets(),
                },
                ipi6_ifindex: 0,
            };
            let control = [ControlMessage::Ipv6PacketInfo(&info)];
            sendmsg(fd, &parts, &control, MsgFlags::empty(), Some(&to))?;
        }
    }
    Ok(())
}

fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::V4(SocketAddrV4::from(*v4)));
    }
    address
        .as_sockaddr_in6()
        .map(|v6| SocketAddr::V6(SocketAddrV6::from(*v6)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket as Plain;
    use std::time::Duration;

    /// Sends a datagram to `to` and expects `front` to receive it and its answer to come back.
    async fn echo(front: &Front, to: SocketAddr) -> Client {
        let local = if to.is_ipv4() {
            "127.0.0.1:0"
        } else {
            "[::1]:0"
        };
        let plain = Plain::bind(local).unwrap();
        plain
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        // A connected socket takes answers from no other address.
        plain.connect(to).unwrap();
        plain.send(b"ping").unwrap();
        let mut buffer = [0; 16];
        let (count, client) = loop {
            front.readable().await.unwrap();
            match front.try_receive(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => break received.unwrap(),
            }
        };
        front.send_now(&buffer[..count], client).unwrap();
        front.send(b"again", client).await.unwrap();
        for expected in [&b"ping"[..], b"again"] {
            let count = plain.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..count], expected);
        }
        client
    }

    fn port_of(front: &Front) -> u16 {
        front.socket.local_addr().unwrap().port()
    }

    #[tokio::test]
    async fn answers_come_from_the_address_that_was_asked() {
        let front = Front::open("0.0.0.0:0".parse().unwrap()).unwrap();
        for ip in [[127, 0, 0, 1], [127, 0, 0, 7]] {
            let client = echo(&front, (ip, port_of(&front)).into()).await;
            assert_eq!(client.asked, Some(ip.into()));
        }
    }

    #[tokio::test]
    async fn so_do_answers_of_a_socket_for_both_families() {
        let every = socket::every_address();
        let front = Front::open(SocketAddr::new(every, 0)).unwrap();
        echo(&front, ([127, 0, 0, 7], port_of(&front)).into()).await;
        if every.is_ipv6() {
            echo(&front, (Ipv6Addr::LOCALHOST, port_of(&front)).into()).await;
        }
    }

    #[tokio::test]
    async fn a_single_address_needs_no_asking() {
        let front = Front::open("127.0.0.7:0".parse().unwrap()).unwrap();
        let client = echo(&front, ([127, 0, 0, 7], port_of(&front)).into()).await;
        assert_eq!(client.asked, None);
    }
}
