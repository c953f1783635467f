// SPDX-License-Identifier: Apache-2.0
//! What changes of the table do to ports and connections.

use std::io::ErrorKind;
use std::net::SocketAddr;

use skep_core::model::Protocol::{Tcp, Udp};
use skep_core::model::{Revision, ServiceId};
use skep_network::{DataPlane, PortCause};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::backend::{echo, letter, letter_of, tally};
use crate::harness::{Net, free_port, service, serving, soon};

async fn refused(at: SocketAddr) {
    let error = soon(TcpStream::connect(at)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_port_in_use_is_reported_and_taken_when_it_is_free() {
    let mut net = Net::new(Tcp).await;
    let a = letter('a').await;
    let other_program = TcpListener::bind(net.front()).await.unwrap();
    net.serve(serving(&[a.address])).await;

    let problems = net.status.borrow().problems.clone();
    let [problem] = problems.as_slice() else {
        panic!("one problem, not {problems:?}")
    };
    assert_eq!((problem.port, problem.protocol), (net.port, Tcp));
    assert_eq!(problem.cause, PortCause::InUse);
    assert!(
        problem
            .to_string()
            .contains(&format!("{}/tcp", net.front())),
        "{problem}"
    );
    assert!(problem.to_string().contains("service-1"), "{problem}");

    drop(other_program);
    soon(net.status.wait_for(|status| status.problems.is_empty()))
        .await
        .unwrap();
    assert_eq!(tally(&net, 1).await.into_keys().collect::<Vec<_>>(), ['a']);
}

#[tokio::test]
async fn one_port_that_is_taken_does_not_hold_up_the_others() {
    let mut net = Net::new(Tcp).await;
    let a = letter('a').await;
    let taken = UdpSocket::bind((net.bind, 0)).await.unwrap();
    let taken_port = taken.local_addr().unwrap().port();
    net.plane.put(service(2, Udp, &[taken_port], vec![]));
    net.serve(serving(&[a.address])).await;
    assert_eq!(net.status.borrow().problems.len(), 1);
    assert_eq!(net.status.borrow().problems[0].protocol, Udp);
    tally(&net, 1).await;

    // What is not wanted any more is no problem any more.
    net.plane.remove(ServiceId(2));
    net.commit().await;
    assert!(net.status.borrow().problems.is_empty());
}

#[tokio::test]
async fn an_address_of_another_machine_is_named() {
    let mut net = Net::new(Tcp).await;
    let port = net.port;
    let plane =
        skep_network::UserspacePlane::start(skep_network::Options::new([192, 0, 2, 1].into()));
    net.plane = plane;
    net.status = net.plane.status();
    net.serve(vec![]).await;
    let problems = net.status.borrow().problems.clone();
    assert_eq!(problems[0].cause, PortCause::NoSuchAddress);
    assert!(
        problems[0]
            .to_string()
            .contains(&format!("192.0.2.1:{port}/tcp"))
    );
}

#[tokio::test]
async fn an_unpublished_port_closes_and_its_connections_go_on() {
    let mut net = Net::new(Tcp).await;
    let a = letter('a').await;
    let second = free_port(net.bind, Tcp).await;
    let backends = serving(&[a.address]);
    net.plane
        .put(service(1, Tcp, &[net.port, second], backends.clone()));
    net.commit().await;
    let mut client = net.connect().await;
    assert_eq!(letter_of(&mut client).await, 'a');

    net.plane.put(service(1, Tcp, &[second], backends));
    net.commit().await;
    refused(net.front()).await;
    echo(&mut client, b"on and on").await;
    net.port = second;
    tally(&net, 1).await;
}

#[tokio::test]
async fn the_connections_of_a_removed_service_end() {
    let mut net = Net::new(Tcp).await;
    let a = letter('a').await;
    net.serve(serving(&[a.address])).await;
    let mut client = net.connect().await;
    assert_eq!(letter_of(&mut client).await, 'a');

    net.plane.remove(ServiceId(1));
    net.commit().await;
    refused(net.front()).await;
    let error = soon(client.read_u8()).await.unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::ConnectionReset,
        "cut short, not ended"
    );
}

#[tokio::test]
async fn a_whole_new_table_keeps_what_is_still_in_it() {
    let mut net = Net::new(Tcp).await;
    let (a, b) = (letter('a').await, letter('b').await);
    let other = free_port(net.bind, Tcp).await;
    net.plane
        .put(service(2, Tcp, &[other], serving(&[b.address])));
    net.serve(serving(&[a.address])).await;
    let mut client = net.connect().await;
    assert_eq!(letter_of(&mut client).await, 'a');

    net.plane.clear();
    net.serve(serving(&[a.address, b.address])).await;
    echo(&mut client, b"as before").await;
    assert_eq!(tally(&net, 2).await.len(), 2);
    refused(SocketAddr::new(net.bind, other)).await;
}

#[tokio::test]
async fn a_port_changes_hands() {
    let mut net = Net::new(Tcp).await;
    let (a, b) = (letter('a').await, letter('b').await);
    net.serve(serving(&[a.address])).await;
    tally(&net, 1).await;
    net.plane.remove(ServiceId(1));
    net.plane
        .put(service(2, Tcp, &[net.port], serving(&[b.address])));
    net.commit().await;
    assert_eq!(
        tally(&net, 2).await.into_iter().collect::<Vec<_>>(),
        [('b', 2)]
    );
}

#[tokio::test]
async fn nothing_takes_effect_before_it_is_committed() {
    let mut net = Net::new(Tcp).await;
    let a = letter('a').await;
    net.plane
        .put(service(1, Tcp, &[net.port], serving(&[a.address])));
    net.plane
        .put(service(2, Tcp, &[free_port(net.bind, Tcp).await], vec![]));
    net.plane.remove(ServiceId(1));
    net.commit().await;
    refused(net.front()).await;
    assert_eq!(net.status.borrow().revision, Revision(1));
}
