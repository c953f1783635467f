// SPDX-License-Identifier: Apache-2.0
//! A service behind a published port, and clients that ask it.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use skep_sdk::v1::{EndpointSpec, Port, ServiceSpec, Task, port};
use skep_tests::daemon::binary;
use skep_tests::{DEADLINE, Daemon, until};

use crate::api::{id, program};

/// Nodes of the swarms that are asked.
pub(super) const NODES: u32 = 3;
/// The port that the service is published on.
pub(super) const PORT: u16 = 8080;

/// How long an answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// Tasks of skep-hello behind the published port.
pub(super) fn hello(replicas: u32) -> ServiceSpec {
    let hello = binary("skep-hello");
    let hello = hello.to_str().expect("a path of text");
    let mut spec = program("web", replicas, &[hello, "--udp"]);
    let published = |protocol: port::Protocol| Port {
        target: 80,
        published: u32::from(PORT),
        protocol: protocol.into(),
        ..Default::default()
    };
    let ports = [port::Protocol::Tcp, port::Protocol::Udp];
    spec.endpoint = Some(EndpointSpec {
        ports: ports.map(published).to_vec(),
    });
    spec
}

/// Where every node answers.
pub(super) fn addresses(daemon: &Daemon) -> Vec<SocketAddr> {
    let at = |number| SocketAddr::from((daemon.node_address(number), PORT));
    (0..NODES).map(at).collect()
}

/// Asks who answers, on a connection of its own.
pub(super) fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIME_MAX)?;
    stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
    stream.write_all(b"GET /task HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let bad = || io::Error::other(format!("the answer was {answer:?}"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(bad)?;
    let whole = head.starts_with("HTTP/1.1 200 ") && body.starts_with("tsk_");
    whole.then(|| body.trim().to_owned()).ok_or_else(bad)
}

/// Waits until these tasks, all of them, have answered at an address.
pub(super) fn all_answer(
    at: SocketAddr,
    tasks: &BTreeSet<String>,
    mut ask: impl FnMut(SocketAddr) -> Option<String>,
) {
    let mut answered = BTreeSet::new();
    until(&format!("all tasks answer at {at}"), DEADLINE, || {
        answered.extend(ask(at));
        (answered.is_superset(tasks)).then_some(())
    });
}

/// The ids of tasks.
pub(super) fn ids(tasks: &[Task]) -> BTreeSet<String> {
    tasks.iter().map(id).collect()
}

/// Clients that ask without a pause, each time on a new connection.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// One client for each address.
    pub(super) fn on(addresses: &[SocketAddr]) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(AtomicU64::new(0));
        let client = |address: SocketAddr| {
            let (stop, answers) = (Arc::clone(&stop), Arc::clone(&answers));
            std::thread::spawn(move || {
                let mut failures = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    match ask(address) {
                        Ok(_) => _ = answers.fetch_add(1, Ordering::Relaxed),
                        Err(error) => failures.push(format!("{address}: {error}")),
                    }
                }
                failures
            })
        };
        let clients = addresses.iter().copied().map(client).collect();
        Load {
            stop,
            answers,
            clients,
        }
    }

    /// Waits until some more were answered.
    pub(super) fn goes_on(&self) {
        let goal = self.answers.load(Ordering::Relaxed) + 50;
        until("clients get answers", DEADLINE, || {
            (self.answers.load(Ordering::Relaxed) >= goal).then_some(())
        });
    }

    /// Ends it, and expects that every request was answered.
    pub(super) fn lost_nothing(self) {
        let (answers, failures) = self.end();
        assert!(
            failures.is_empty(),
            "{} of {answers} failed:\n{}",
            failures.len(),
            failures.join("\n")
        );
    }

    /// Ends it, and gives the answers and the failures.
    fn end(mut self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let clients = self.clients.drain(..);
        let failures = clients
            .flat_map(|client| client.join().expect("a client"))
            .collect();
        (self.answers.load(Ordering::Relaxed), failures)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
