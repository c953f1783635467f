// SPDX-License-Identifier: Apache-2.0
//! Datagrams: where they go, and who keeps which backend.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use skep_core::model::BackendState::{Draining, Serving};
use skep_core::model::Protocol::Udp;
use skep_core::model::ServiceId;
use skep_network::DataPlane;
use tokio::net::UdpSocket;

use crate::backend::{ask, udp_letter};
use crate::harness::{Net, at, dead_end, serving, soon, until};

#[tokio::test]
async fn clients_take_turns_and_each_keeps_its_backend() {
    let mut net = Net::new(Udp).await;
    let servers = [
        udp_letter('a').await,
        udp_letter('b').await,
        udp_letter('c').await,
    ];
    net.serve(serving(&servers.each_ref().map(|server| server.address)))
        .await;
    let mut letters = Vec::new();
    for _ in 0..6 {
        let client = net.client().await;
        let letter = ask(&client, b"one").await;
        for more in [&b"two"[..], b"", b"three"] {
            assert_eq!(ask(&client, more).await, letter);
        }
        letters.push(letter);
    }
    letters.sort_unstable();
    assert_eq!(letters, ['a', 'a', 'b', 'b', 'c', 'c']);
    assert_eq!(net.stats().udp_sessions_open, 6);
}

#[tokio::test]
async fn a_datagram_that_is_refused_goes_to_another_backend() {
    let mut net = Net::new(Udp).await;
    let live = udp_letter('a').await;
    net.serve(serving(&[dead_end(Udp).await, live.address]))
        .await;
    // Each asks once: a lost datagram would never be answered.
    for _ in 0..4 {
        assert_eq!(ask(&net.client().await, b"once").await, 'a');
    }
}

#[tokio::test]
async fn a_backend_that_dies_is_replaced_without_loss() {
    let mut net = Net::new(Udp).await;
    let (a, b) = (udp_letter('a').await, udp_letter('b').await);
    net.serve(serving(&[a.address, b.address])).await;
    let client = net.client().await;
    let (first, second, other) = match ask(&client, b"one").await {
        'a' => (a, b, 'b'),
        _ => (b, a, 'a'),
    };
    first.end().await;
    assert_eq!(ask(&client, b"two").await, other);
    assert_eq!(ask(&client, b"three").await, other);
    drop(second);
}

#[tokio::test]
async fn when_every_backend_refuses_the_datagram_is_dropped() {
    let mut net = Net::new(Udp).await;
    net.serve(serving(&[dead_end(Udp).await, dead_end(Udp).await]))
        .await;
    net.client().await.send(b"hello").await.unwrap();
    until(|| net.stats().datagrams_dropped_total > 0 && net.stats().udp_sessions_open == 0).await;
}

#[tokio::test]
async fn a_session_stays_with_a_draining_backend_and_leaves_a_removed_one() {
    let mut net = Net::new(Udp).await;
    let (a, b) = (udp_letter('a').await, udp_letter('b').await);
    net.serve(serving(&[a.address])).await;
    let client = net.client().await;
    assert_eq!(ask(&client, b"one").await, 'a');

    net.serve(vec![at(1, a.address, Draining), at(2, b.address, Serving)])
        .await;
    assert_eq!(ask(&client, b"two").await, 'a');
    assert_eq!(ask(&net.client().await, b"new").await, 'b');

    net.serve(vec![at(2, b.address, Serving)]).await;
    until(|| net.stats().udp_sessions_open == 1).await;
    assert_eq!(ask(&client, b"three").await, 'b');
}

#[tokio::test]
async fn an_idle_session_is_forgotten() {
    let idle = Duration::from_millis(50);
    let mut net = Net::with(Udp, |options| options.udp_idle = idle).await;
    let a = udp_letter('a').await;
    net.serve(serving(&[a.address])).await;
    let client = net.client().await;
    assert_eq!(ask(&client, b"one").await, 'a');
    until(|| net.stats().udp_sessions_open == 0).await;
    assert_eq!(ask(&client, b"two").await, 'a');
}

#[tokio::test]
async fn a_full_table_makes_room_for_new_clients() {
    for per_port in [2, 100] {
        let mut net = Net::with(Udp, |options| {
            options.limits.udp_sessions_per_port_max = per_port;
            options.limits.udp_sessions_max = 2.max(102 - per_port);
        })
        .await;
        let a = udp_letter('a').await;
        net.serve(serving(&[a.address])).await;
        let mut clients = Vec::new();
        for _ in 0..5 {
            let client = net.client().await;
            assert_eq!(ask(&client, b"hello").await, 'a');
            clients.push(client);
        }
        assert_eq!(net.stats().udp_sessions_open, 2);
        // Who was forgotten begins anew.
        assert_eq!(ask(&clients[0], b"again").await, 'a');
    }
}

#[tokio::test]
async fn datagrams_of_every_size_pass_whole() {
    let mut net = Net::new(Udp).await;
    let a = udp_letter('a').await;
    net.serve(serving(&[a.address])).await;
    let client = net.client().await;
    for size in [0, 1, 1_472, 2_048, 2_049, 60_000] {
        assert_eq!(ask(&client, &vec![9; size]).await, 'a');
    }
}

#[tokio::test]
async fn a_burst_of_a_new_client_arrives_whole() {
    let mut net = Net::new(Udp).await;
    let backend = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    net.serve(serving(&[backend.local_addr().unwrap()])).await;
    let client = net.client().await;
    for number in 0..100u8 {
        client.send(&[number]).await.unwrap();
    }
    let mut buffer = [0; 8];
    for number in 0..100u8 {
        assert_eq!(soon(backend.recv(&mut buffer)).await.unwrap(), 1);
        assert_eq!(buffer[0], number, "in order");
    }
}

#[tokio::test]
async fn a_removed_service_answers_no_more() {
    let mut net = Net::new(Udp).await;
    let a = udp_letter('a').await;
    net.serve(serving(&[a.address])).await;
    let client = net.client().await;
    assert_eq!(ask(&client, b"one").await, 'a');
    net.plane.remove(ServiceId(1));
    net.commit().await;
    client.send(b"two").await.unwrap();
    let error = soon(client.recv(&mut [0; 8])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    until(|| net.stats().udp_sessions_open == 0).await;
}

#[tokio::test]
async fn a_port_on_all_addresses_answers_from_the_one_asked() {
    let everywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let mut net = Net::with(Udp, |options| options.bind = everywhere).await;
    let (a, b) = (udp_letter('a').await, udp_letter('b').await);
    net.serve(serving(&[a.address, b.address])).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut letters = BTreeSet::new();
    for ip in [[127, 0, 0, 1], [127, 0, 0, 6]] {
        // Connected: an answer from any other address would not be taken.
        socket.connect((IpAddr::from(ip), net.port)).await.unwrap();
        letters.insert(ask(&socket, b"who").await);
    }
    assert_eq!(
        letters.len(),
        2,
        "who asks another address is another client"
    );
}
