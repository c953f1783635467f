// SPDX-License-Identifier: Apache-2.0
//! Connections: where they go, and what passes through them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

use skep_core::model::BackendState::{Draining, Serving, Suspect};
use skep_core::model::Protocol::Tcp;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::backend::{echo, letter, letter_at, letter_of, tally};
use crate::harness::{Net, at, dead_end, fresh_address, serving, soon, until};

/// Listens as one backend, and connects a client to it through the proxy.
async fn pair(net: &mut Net) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((fresh_address(), 0)).await.unwrap();
    net.serve(serving(&[listener.local_addr().unwrap()])).await;
    let client = net.connect().await;
    let (backend, _) = soon(listener.accept()).await.unwrap();
    (client, backend)
}

async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    soon(stream.read_to_end(&mut bytes)).await.unwrap();
    bytes
}

#[tokio::test]
async fn connections_take_turns_among_all_backends() {
    let mut net = Net::new(Tcp).await;
    let (a, b, c) = (letter('a').await, letter('b').await, letter('c').await);
    net.serve(serving(&[a.address, b.address, c.address])).await;
    let expected = BTreeMap::from([('a', 3), ('b', 3), ('c', 3)]);
    assert_eq!(tally(&net, 9).await, expected);
    assert_eq!(net.stats().connections_total, 9);
}

#[tokio::test]
async fn a_dead_backend_is_passed_over() {
    let mut net = Net::new(Tcp).await;
    let (a, c) = (letter('a').await, letter('c').await);
    net.serve(serving(&[a.address, dead_end(Tcp).await, c.address]))
        .await;
    let tally = tally(&net, 12).await;
    assert_eq!(tally.values().sum::<usize>(), 12);
    assert!(net.stats().dials_failed_total > 0);
    assert_eq!(net.stats().connections_failed_total, 0);
}

#[tokio::test]
async fn a_silent_backend_is_passed_over() {
    // A listener whose queue is full answers nothing at all, like a node that is cut off.
    let silent = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let address = std::net::SocketAddr::new(fresh_address(), 0);
    silent.bind(&address.into()).unwrap();
    silent.listen(0).unwrap();
    let address = silent.local_addr().unwrap().as_socket().unwrap();
    let _queued = soon(TcpStream::connect(address)).await.unwrap();

    let mut net = Net::new(Tcp).await;
    let b = letter('b').await;
    net.serve(serving(&[address, b.address])).await;
    assert_eq!(tally(&net, 4).await, BTreeMap::from([('b', 4)]));
    // The wait for it is paid once: afterwards its turn passes.
    assert_eq!(net.stats().dials_failed_total, 1);
}

#[tokio::test]
async fn a_backend_that_listens_a_little_late_is_reached() {
    let mut net = Net::new(Tcp).await;
    let late = dead_end(Tcp).await;
    net.serve(serving(&[late])).await;
    let mut client = net.connect().await;
    until(|| net.stats().dials_failed_total > 0).await;
    let _server = letter_at('l', TcpListener::bind(late).await.unwrap());
    assert_eq!(letter_of(&mut client).await, 'l');
}

#[tokio::test]
async fn without_any_backend_a_client_is_reset() {
    let mut net = Net::new(Tcp).await;
    net.serve(vec![at(1, dead_end(Tcp).await, Serving)]).await;
    let mut client = net.connect().await;
    let error = soon(client.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    until(|| net.stats().connections_failed_total == 1 && net.stats().connections_open == 0).await;
}

#[tokio::test]
async fn draining_backends_keep_their_connections_and_get_no_more() {
    let mut net = Net::new(Tcp).await;
    let (a, b) = (letter('a').await, letter('b').await);
    net.serve(serving(&[a.address])).await;
    let mut old = net.connect().await;
    assert_eq!(letter_of(&mut old).await, 'a');

    net.serve(vec![at(1, a.address, Draining), at(2, b.address, Serving)])
        .await;
    assert_eq!(tally(&net, 4).await, BTreeMap::from([('b', 4)]));
    echo(&mut old, b"still here").await;

    net.serve(vec![at(2, b.address, Serving)]).await;
    echo(&mut old, b"and here").await;
}

#[tokio::test]
async fn suspect_backends_are_a_last_resort() {
    let mut net = Net::new(Tcp).await;
    let (a, b) = (letter('a').await, letter('b').await);
    net.serve(vec![at(1, a.address, Suspect), at(2, b.address, Serving)])
        .await;
    assert_eq!(tally(&net, 4).await, BTreeMap::from([('b', 4)]));

    net.serve(vec![at(1, a.address, Suspect), at(2, b.address, Draining)])
        .await;
    assert_eq!(tally(&net, 4).await, BTreeMap::from([('a', 4)]));

    let dead = dead_end(Tcp).await;
    net.serve(vec![at(1, a.address, Suspect), at(3, dead, Serving)])
        .await;
    assert_eq!(tally(&net, 4).await, BTreeMap::from([('a', 4)]));
}

#[tokio::test]
async fn each_direction_ends_by_itself() {
    let mut net = Net::new(Tcp).await;
    let (mut client, mut backend) = pair(&mut net).await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut backend).await, b"question");
    backend.write_all(b"answer").await.unwrap();
    backend.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut client).await, b"answer");
    until(|| net.stats().connections_open == 0).await;
}

#[tokio::test]
async fn a_backend_may_end_first_and_still_hear() {
    let mut net = Net::new(Tcp).await;
    let (mut client, mut backend) = pair(&mut net).await;
    backend.write_all(b"greeting").await.unwrap();
    backend.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut client).await, b"greeting");
    client.write_all(b"farewell").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut backend).await, b"farewell");
}

#[tokio::test]
async fn a_reset_is_passed_on_as_a_reset() {
    let mut net = Net::new(Tcp).await;
    let (client, mut backend) = pair(&mut net).await;
    client.set_zero_linger().unwrap();
    drop(client);
    let error = soon(backend.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);

    let (mut client, backend) = pair(&mut net).await;
    backend.set_zero_linger().unwrap();
    drop(backend);
    let error = soon(client.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_question_arrives() {
    let mut net = Net::new(Tcp).await;
    let (client, mut backend) = pair(&mut net).await;
    let (mut from, mut to) = client.into_split();
    let upload = tokio::spawn(async move { while to.write_all(&[7; 65_536]).await.is_ok() {} });
    soon(backend.read_u8()).await.unwrap();
    backend.write_all(b"enough").await.unwrap();
    drop(backend);
    let mut answer = [0; 6];
    soon(from.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"enough");
    drop(from);
    soon(upload).await.unwrap();
}

/// Bytes that differ from place to place, so that a lost or moved one is seen.
fn pattern(seed: u32, count: usize) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

async fn exchange(stream: TcpStream, sent: Vec<u8>) -> Vec<u8> {
    let (mut from, mut to) = stream.into_split();
    let sending = tokio::spawn(async move {
        to.write_all(&sent).await.unwrap();
        to.shutdown().await.unwrap();
        to
    });
    let mut received = Vec::new();
    soon(from.read_to_end(&mut received)).await.unwrap();
    drop(soon(sending).await.unwrap());
    received
}

async fn both_ways(net: &mut Net, count: usize) {
    let (client, backend) = pair(net).await;
    let (up, down) = (pattern(1, count), pattern(2, count));
    let (at_client, at_backend) = tokio::join!(
        exchange(client, up.clone()),
        exchange(backend, down.clone())
    );
    // Not assert_eq: nobody wants to read megabytes.
    assert!(
        at_backend == up,
        "the way up: {} of {count} bytes",
        at_backend.len()
    );
    assert!(
        at_client == down,
        "the way down: {} of {count} bytes",
        at_client.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn large_transfers_pass_both_ways_at_once() {
    let mut net = Net::new(Tcp).await;
    both_ways(&mut net, 24 << 20).await;
}

#[tokio::test]
async fn so_they_do_without_pipes() {
    let mut net = Net::with(Tcp, |options| options.limits.pipes_max = 0).await;
    both_ways(&mut net, 8 << 20).await;
}

#[tokio::test]
async fn sizes_around_the_buffers_pass() {
    let mut net = Net::new(Tcp).await;
    for count in [
        0,
        1,
        16 * 1024,
        32 * 1024 - 1,
        32 * 1024,
        32 * 1024 + 1,
        256 * 1024 + 1,
    ] {
        both_ways(&mut net, count).await;
    }
}

#[tokio::test]
async fn a_sender_waits_for_a_slow_receiver() {
    let mut net = Net::new(Tcp).await;
    let (client, mut backend) = pair(&mut net).await;
    // More than all buffers on the way hold; the backend reads nothing until the client is
    // stuck, so a proxy that gathers bytes in memory lets this through and fails.
    let mut sent = 0usize;
    let stuck = std::time::Duration::from_millis(300);
    while let Ok(writable) = tokio::time::timeout(stuck, client.writable()).await {
        writable.unwrap();
        sent += client.try_write(&[5; 65_536]).unwrap_or(0);
        assert!(sent < 256 << 20, "the proxy takes all that is sent");
    }
    let mut client = client;
    client.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut backend).await.len(), sent);
}

#[tokio::test]
async fn at_the_limit_new_clients_wait_for_their_turn() {
    let mut net = Net::with(Tcp, |options| options.limits.tcp_connections_max = 2).await;
    let a = letter('a').await;
    net.serve(serving(&[a.address])).await;
    let (mut first, mut second) = (net.connect().await, net.connect().await);
    echo_after_letter(&mut first).await;
    echo_after_letter(&mut second).await;

    let mut third = net.connect().await;
    assert_eq!(net.stats().connections_open, 2);
    drop(first);
    echo_after_letter(&mut third).await;
    assert_eq!(net.stats().connections_total, 3);
}

async fn echo_after_letter(stream: &mut TcpStream) {
    letter_of(stream).await;
    echo(stream, b"x").await;
}

#[tokio::test]
async fn a_node_balances_over_its_own_and_other_nodes_alike() {
    let mut net = Net::new(Tcp).await;
    let own = TcpListener::bind((net.bind, 0)).await.unwrap();
    let (a, b) = (letter_at('a', own), letter('b').await);
    net.serve(serving(&[a.address, b.address])).await;
    let letters: BTreeSet<char> = tally(&net, 4).await.into_keys().collect();
    assert_eq!(letters, BTreeSet::from(['a', 'b']));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_connections_talk_at_once() {
    let mut net = Net::new(Tcp).await;
    let (a, b) = (letter('a').await, letter('b').await);
    net.serve(serving(&[a.address, b.address])).await;
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(net.connect().await);
    }
    for client in &mut clients {
        echo_after_letter(client).await;
    }
    assert_eq!(net.stats().connections_open, 200);
    drop(clients);
    until(|| net.stats().connections_open == 0).await;
}
