// SPDX-License-Identifier: Apache-2.0
//! UDP has no connections: a client that keeps its port keeps its task, until that has drained.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime};

use skep_sdk::v1::update_policy::Order;
use skep_sdk::v1::{TaskState, UpdatePolicy};
use skep_tests::{DEADLINE, Daemon, until};

use crate::api::{Api, id, state};
use crate::drain::{drain, draining, is_draining, moment, task, update};
use crate::traffic::{NODES, addresses};

/// How long an answer to a datagram may take: either may get lost, so it is sent again.
const DATAGRAM_TIME_MAX: Duration = Duration::from_millis(500);

/// Long enough for the test to look at it many times.
const DRAIN_SECONDS: i64 = 8;

/// A client of one node, which keeps its port.
struct Client(UdpSocket);

impl Client {
    fn of(address: SocketAddr) -> Client {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let patience = Some(DATAGRAM_TIME_MAX);
        socket.set_read_timeout(patience).expect("a good time");
        socket.connect(address).expect("an address");
        Client(socket)
    }

    /// Asks until somebody answers, and gives who that was.
    fn ask(&self) -> String {
        until("a datagram is answered", DEADLINE, || {
            self.0.send(b"ping").ok()?;
            let mut answer = [0; 256];
            let length = self.0.recv(&mut answer).ok()?;
            let text = String::from_utf8_lossy(&answer[..length]).into_owned();
            text.strip_suffix(" ping").map(str::to_owned)
        })
    }
}

/// At every node, in a rollout that starts first.
#[test]
fn who_has_a_task_keeps_it_until_it_has_drained() {
    let daemon = Daemon::start(NODES);
    let api = Api::of(&daemon);
    let mut spec = draining(1, DRAIN_SECONDS);
    spec.update = Some(UpdatePolicy {
        order: Order::StartFirst.into(),
        ..Default::default()
    });
    api.create(spec.clone());
    let old = id(&api.converged("web")[0]);
    let nodes = addresses(&daemon);
    let kept: Vec<Client> = nodes.iter().copied().map(Client::of).collect();
    for client in &kept {
        assert_eq!(client.ask(), old);
    }

    spec.template.get_or_insert_default().restart_token = "again".to_owned();
    update(&api, &spec);
    let draining = until("the old task drains", DEADLINE, || {
        Some(task(&api, &old)).filter(is_draining)
    });
    let released = moment(drain(&draining).released_time);
    let over = released + Duration::from_secs(DRAIN_SECONDS.cast_unsigned());
    let mut rounds = 0;
    loop {
        let with_old: Vec<String> = kept.iter().map(Client::ask).collect();
        let new: Vec<String> = nodes.iter().map(|node| Client::of(*node).ask()).collect();
        // It is signalled no earlier than then; what was answered after that may be otherwise.
        if SystemTime::now() >= over {
            break;
        }
        assert!(with_old.iter().all(|by| *by == old), "{with_old:?}");
        assert!(new.iter().all(|by| *by != old), "{new:?}");
        rounds += 1;
    }
    assert!(rounds > 0, "nobody was asked in {DRAIN_SECONDS} s");

    until("the old task has stopped", DEADLINE, || {
        (state(&task(&api, &old)) > TaskState::Running).then_some(())
    });
    let successor = id(&api.converged("web")[0]);
    for client in &kept {
        assert_eq!(client.ask(), successor);
    }
}
