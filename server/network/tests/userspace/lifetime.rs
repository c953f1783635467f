// SPDX-License-Identifier: Apache-2.0
//! How a proxy lives through changes, and how it ends.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use skep_core::model::Protocol::{Tcp, Udp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::backend::{Server, ask, echo, letter, letter_of, udp_letter};
use crate::harness::{Net, serving, soon, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replacing_every_backend_fails_no_client() {
    let mut net = Net::new(Tcp).await;
    let mut servers = VecDeque::from([letter('a').await, letter('b').await]);
    let backends = |servers: &VecDeque<Server>| {
        let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
        serving(&addresses)
    };
    net.serve(backends(&servers)).await;

    let done = Arc::new(AtomicBool::new(false));
    let front = net.front();
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let done = Arc::clone(&done);
            tokio::spawn(async move {
                let mut served = 0;
                while !done.load(Ordering::Relaxed) {
                    let mut client = soon(TcpStream::connect(front)).await.unwrap();
                    letter_of(&mut client).await;
                    echo(&mut client, b"hello").await;
                    served += 1;
                }
                served
            })
        })
        .collect();

    for new in 'c'..'k' {
        let before = net.stats().connections_total;
        until(|| net.stats().connections_total > before + 8).await;
        let old = servers.pop_front().unwrap();
        servers.push_back(letter(new).await);
        net.serve(backends(&servers)).await;
        old.retire().await;
    }
    done.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(soon(client).await.unwrap() > 0);
    }
    assert_eq!(net.stats().connections_failed_total, 0);
}

#[tokio::test]
async fn shutdown_closes_ports_at_once_and_lets_connections_finish() {
    let mut net = Net::new(Tcp).await;
    let a = letter('a').await;
    net.serve(serving(&[a.address])).await;
    let mut client = net.connect().await;
    assert_eq!(letter_of(&mut client).await, 'a');

    let front = net.front();
    let ending = tokio::spawn(async move { net.plane.shutdown(Duration::from_secs(3_600)).await });
    while let Ok(mut late) = soon(TcpStream::connect(front)).await {
        // It was accepted before the port closed, or waits in a queue that is about to go.
        let _ = soon(late.read_u8()).await;
    }
    echo(&mut client, b"one more thing").await;
    client.shutdown().await.unwrap();
    soon(ending).await.unwrap();
}

#[tokio::test]
async fn shutdown_without_grace_resets_connections_and_frees_ports() {
    let mut net = Net::new(Tcp).await;
    let a = letter('a').await;
    net.serve(serving(&[a.address])).await;
    let mut client = net.connect().await;
    assert_eq!(letter_of(&mut client).await, 'a');

    soon(net.plane.shutdown(Duration::ZERO)).await;
    let error = soon(client.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(net.stats().connections_open, 0);
    TcpListener::bind(net.front())
        .await
        .expect("the port is free");
    soon(net.plane.shutdown(Duration::ZERO)).await;
}

#[tokio::test]
async fn a_udp_port_is_free_after_shutdown() {
    let mut net = Net::new(Udp).await;
    let a = udp_letter('a').await;
    net.serve(serving(&[a.address])).await;
    assert_eq!(ask(&net.client().await, b"x").await, 'a');
    soon(net.plane.shutdown(Duration::ZERO)).await;
    UdpSocket::bind(net.front())
        .await
        .expect("the port is free");
    until(|| net.stats().udp_sessions_open == 0).await;
}

#[tokio::test]
async fn a_proxy_that_is_dropped_ends() {
    let mut net = Net::new(Tcp).await;
    let a = letter('a').await;
    net.serve(serving(&[a.address])).await;
    let mut client = net.connect().await;
    assert_eq!(letter_of(&mut client).await, 'a');
    drop(net);
    let error = soon(client.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}
