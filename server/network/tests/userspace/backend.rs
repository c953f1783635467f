// SPDX-License-Identifier: Apache-2.0
//! Small servers that stand for tasks, and clients that talk with them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::harness::{Net, fresh_address, soon};

/// A server that runs until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    retire: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Server {
    /// Accepts who is connected already, then closes its port. The connections go on.
    pub(crate) async fn retire(mut self) {
        self.retire.notify_one();
        soon(&mut self.task).await.unwrap();
    }

    /// Ends it, and returns when its port is closed.
    pub(crate) async fn end(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A TCP server that says its letter and then echoes.
pub(crate) async fn letter(letter: char) -> Server {
    let at = SocketAddr::new(fresh_address(), 0);
    letter_at(letter, TcpListener::bind(at).await.unwrap())
}

/// The same on a listener that is there already.
pub(crate) fn letter_at(letter: char, listener: TcpListener) -> Server {
    let address = listener.local_addr().unwrap();
    let retire = Arc::new(Notify::new());
    let retiring = Arc::clone(&retire);
    let task = tokio::spawn(async move {
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    tokio::spawn(say(letter, accepted.unwrap().0));
                }
                () = retiring.notified() => break,
            }
        }
        // Asked directly: the runtime may not have heard of the latest yet.
        let listener = listener.into_std().unwrap();
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(true).unwrap();
            tokio::spawn(say(letter, TcpStream::from_std(stream).unwrap()));
        }
    });
    Server {
        address,
        retire,
        task,
    }
}

async fn say(letter: char, stream: TcpStream) {
    let (mut from, mut to) = split(stream);
    let _ = to.write_all(&[letter as u8]).await;
    let _ = copy(&mut from, &mut to).await;
    let _ = to.shutdown().await;
}

/// A UDP server that answers each datagram with its letter and the datagram.
pub(crate) async fn udp_letter(letter: char) -> Server {
    let socket = UdpSocket::bind(SocketAddr::new(fresh_address(), 0))
        .await
        .unwrap();
    let address = socket.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut buffer = vec![0; 65_536];
        buffer[0] = letter as u8;
        while let Ok((count, from)) = socket.recv_from(&mut buffer[1..]).await {
            let _ = socket.send_to(&buffer[..=count], from).await;
        }
    });
    Server {
        address,
        retire: Arc::default(),
        task,
    }
}

/// Which server a connection reached.
pub(crate) async fn letter_of(stream: &mut TcpStream) -> char {
    char::from(soon(stream.read_u8()).await.unwrap())
}

/// How many of `count` new connections each server got.
pub(crate) async fn tally(net: &Net, count: usize) -> BTreeMap<char, usize> {
    let mut tally = BTreeMap::new();
    for _ in 0..count {
        let mut stream = net.connect().await;
        *tally.entry(letter_of(&mut stream).await).or_default() += 1;
    }
    tally
}

/// Sends `bytes` and expects them back.
pub(crate) async fn echo(stream: &mut TcpStream, bytes: &[u8]) {
    soon(stream.write_all(bytes)).await.unwrap();
    let mut back = vec![0; bytes.len()];
    soon(stream.read_exact(&mut back)).await.unwrap();
    assert_eq!(back, bytes);
}

/// Sends a datagram and returns the letter of the server that answers it.
pub(crate) async fn ask(client: &UdpSocket, datagram: &[u8]) -> char {
    client.send(datagram).await.unwrap();
    let mut buffer = vec![0; 65_536];
    let count = soon(client.recv(&mut buffer)).await.unwrap();
    assert_eq!(&buffer[1..count], datagram);
    char::from(buffer[0])
}
