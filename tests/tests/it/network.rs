// SPDX-License-Identifier: Apache-2.0
//! Published ports on three nodes: every node answers, with every task, whatever happens.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use skep_sdk::v1::condition::Status;
use skep_sdk::v1::service_spec::Mode;
use skep_sdk::v1::{Condition, GetNodeRequest, Node, Port, Replicated, UpdateServiceRequest, port};
use skep_tests::{DEADLINE, Daemon, until};

use crate::api::{Api, id};
use crate::traffic::{Load, NODES, addresses, all_answer, ask, hello, ids};

/// How long an answer to a datagram may take: either may get lost, so it is sent again.
const DATAGRAM_TIME_MAX: Duration = Duration::from_millis(500);

/// Sends a datagram from a port of its own, and gives who answered it.
fn ask_udp(address: SocketAddr) -> Option<String> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    socket
        .set_read_timeout(Some(DATAGRAM_TIME_MAX))
        .expect("a good time");
    socket.send_to(b"ping", address).ok()?;
    let mut answer = [0; 256];
    let (length, from) = socket.recv_from(&mut answer).ok()?;
    assert_eq!(
        from, address,
        "the answer comes from where the question went"
    );
    let text = String::from_utf8_lossy(&answer[..length]);
    let task = text.strip_suffix(" ping");
    Some(
        task.unwrap_or_else(|| panic!("the answer was {text:?}"))
            .to_owned(),
    )
}

/// The whole promise of a published port.
#[test]
fn every_node_answers_with_every_task() {
    let daemon = Daemon::start(NODES);
    let api = Api::of(&daemon);
    api.create(hello(3));
    let tasks = ids(&api.converged("web"));
    assert_eq!(tasks.len(), 3);
    for address in addresses(&daemon) {
        all_answer(address, &tasks, |at| ask(at).ok());
        all_answer(address, &tasks, ask_udp);
    }
}

/// The number of the node's port is that for the mesh too.
#[test]
fn a_port_of_the_node_and_of_the_mesh_reach_the_same_target() {
    const ON_NODE: u16 = 9_090;
    let daemon = Daemon::start(NODES);
    let api = Api::of(&daemon);
    let mut spec = hello(1);
    let ports = &mut spec.endpoint.get_or_insert_default().ports;
    ports.push(Port {
        target: 80,
        published: u32::from(ON_NODE),
        mode: port::Mode::Host.into(),
        ..Default::default()
    });
    api.create(spec);
    let tasks = ids(&api.converged("web"));
    for address in addresses(&daemon) {
        all_answer(address, &tasks, |at| ask(at).ok());
        all_answer(address, &tasks, ask_udp);
    }
    let on_node = |address: SocketAddr| ask(SocketAddr::new(address.ip(), ON_NODE)).ok();
    let answered = addresses(&daemon).into_iter().filter_map(on_node);
    assert_eq!(answered.count(), 1, "only where the task is");
}

/// A task that is killed leaves a moment in which its node does not know of it yet.
#[test]
fn a_dead_backend_fails_nobody() {
    let daemon = Daemon::start(NODES);
    let api = Api::of(&daemon);
    api.create(hello(3));
    let tasks = api.converged("web");
    for address in addresses(&daemon) {
        all_answer(address, &ids(&tasks), |at| ask(at).ok());
    }
    for task in tasks {
        let pid = task
            .status
            .as_ref()
            .map_or(0, |status| status.pid)
            .cast_signed();
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("the task runs");
        until("the process is gone", DEADLINE, || {
            let gone = daemon
                .task_processes()
                .iter()
                .all(|(other, _)| *other != pid);
            gone.then_some(())
        });
        for (address, _) in addresses(&daemon).into_iter().zip(0..).cycle().take(60) {
            let answer = ask(address);
            let answer = answer.unwrap_or_else(|error| panic!("{address}: {error}"));
            assert_ne!(answer, id(&task), "the dead do not answer");
        }
        until("the task is replaced", DEADLINE, || {
            let now = api.converged("web");
            now.iter().all(|other| id(other) != id(&task)).then_some(())
        });
    }
}

fn node(api: &Api, name: &str) -> Node {
    let request = GetNodeRequest {
        node: name.to_owned(),
        ..Default::default()
    };
    let answer = api.run(api.client.nodes().get_node(request));
    let answer = answer.expect("the node is there").into_inner();
    answer.node.expect("a node that was read")
}

/// What a node says of ports that other programs have.
fn in_use(api: &Api, name: &str) -> Option<Condition> {
    let conditions = node(api, name).status.unwrap_or_default().conditions;
    let mut found = conditions.into_iter().filter(|c| c.r#type == "PORT_IN_USE");
    found.find(|condition| condition.status() == Status::True)
}

/// One node cannot open the port: it says so, the others answer, and it answers once it can.
#[test]
fn a_port_in_use_is_said_and_taken_when_it_is_free() {
    let daemon = Daemon::start(NODES);
    let api = Api::of(&daemon);
    let taken = addresses(&daemon)[1];
    let other = TcpListener::bind(taken).expect("the address is free");
    api.create(hello(3));
    let tasks = ids(&api.converged("web"));
    let said = until("the node says that the port is in use", DEADLINE, || {
        in_use(&api, "node-2")
    });
    for word in ["8080", "web"] {
        assert!(
            said.message.contains(word),
            "{word} is missing: {}",
            said.message
        );
    }
    for number in [0, 2] {
        all_answer(addresses(&daemon)[number], &tasks, |at| ask(at).ok());
        assert_eq!(in_use(&api, &format!("node-{}", number + 1)), None);
    }
    drop(other);
    until("the port is open", DEADLINE, || {
        in_use(&api, "node-2").is_none().then_some(())
    });
    all_answer(taken, &tasks, |at| ask(at).ok());
}

/// As long as one task runs no new connection fails, though tasks come and go.
#[test]
fn scaling_and_updating_fail_nobody() {
    let daemon = Daemon::start(NODES);
    let api = Api::of(&daemon);
    let mut spec = hello(3);
    api.create(spec.clone());
    let tasks = ids(&api.converged("web"));
    for address in addresses(&daemon) {
        all_answer(address, &tasks, |at| ask(at).ok());
    }
    let load = Load::on(&addresses(&daemon));
    let mut change = |replicas: u32, token: &str| {
        load.goes_on();
        let replicas = Some(replicas);
        spec.mode = Some(Mode::Replicated(Replicated { replicas }));
        spec.template.get_or_insert_default().restart_token = token.to_owned();
        let request = UpdateServiceRequest {
            spec: Some(spec.clone()),
            ..Default::default()
        };
        let answer = api.run(api.client.services().update_service(request));
        answer.expect("the service can be changed");
        api.converged("web");
    };
    change(6, "first");
    change(2, "first");
    change(2, "second");
    change(4, "second");
    change(2, "third");
    load.goes_on();
    load.lost_nothing();
}
