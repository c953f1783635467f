// SPDX-License-Identifier: Apache-2.0
//! A task that is to stop leaves the traffic first: whatever takes tasks away, nobody who asks the
//! service notices.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime};

use skep_sdk::v1::health_check::Probe;
use skep_sdk::v1::service_spec::Mode;
use skep_sdk::v1::update_policy::Order;
use skep_sdk::v1::{
    HealthCheck, HttpProbe, Replicated, ServiceSpec, StopPolicy, StopTaskRequest, Task, TaskDrain,
    TaskState, UpdatePolicy, UpdateServiceRequest,
};
use skep_tests::{DEADLINE, Daemon, until};

use crate::api::{Api, id, state};
use crate::traffic::{Load, NODES, addresses, all_answer, ask, hello, ids};

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

/// skep-hello, which gets connections once it answers its health check.
pub(crate) fn checked(spec: ServiceSpec, order: Order) -> ServiceSpec {
    let mut spec = rolled(spec, order);
    let ports = &spec.endpoint.get_or_insert_default().ports;
    let port = ports.first().expect("it is published").target;
    spec.template.get_or_insert_default().health_check = Some(HealthCheck {
        probe: Some(Probe::Http(HttpProbe {
            port,
            path: "/healthz".to_owned(),
        })),
        interval: Some(prost_types::Duration {
            seconds: 0,
            nanos: 200_000_000,
        }),
        ..Default::default()
    });
    spec
}

/// A service whose roll-outs go in this order, and wait for nothing.
pub(crate) fn rolled(mut spec: ServiceSpec, order: Order) -> ServiceSpec {
    spec.update = Some(UpdatePolicy {
        order: order.into(),
        monitor: seconds(0),
        ..Default::default()
    });
    spec
}

/// skep-hello, whose connections get this time to end.
pub(crate) fn draining(replicas: u32, drain: i64) -> ServiceSpec {
    let mut spec = hello(replicas);
    spec.template.get_or_insert_default().stop = Some(StopPolicy {
        drain: seconds(drain),
        ..Default::default()
    });
    spec
}

pub(crate) fn update(api: &Api, spec: &ServiceSpec) {
    let request = UpdateServiceRequest {
        spec: Some(spec.clone()),
        ..Default::default()
    };
    let answer = api.run(api.client.services().update_service(request));
    answer.expect("the service can be changed");
}

fn scale(api: &Api, spec: &mut ServiceSpec, replicas: u32) {
    let replicas = Some(replicas);
    spec.mode = Some(Mode::Replicated(Replicated { replicas }));
    update(api, spec);
}

/// Starts a service, and clients that ask it at every node, each request on a new connection.
pub(crate) fn under_load(daemon: &Daemon, api: &Api, spec: &ServiceSpec) -> Load {
    api.create(spec.clone());
    let tasks = ids(&api.converged("web"));
    for address in addresses(daemon) {
        all_answer(address, &tasks, |at| ask(at).ok());
    }
    let load = Load::on(&addresses(daemon));
    load.goes_on();
    load
}

/// Waits until only the tasks that are wanted are left.
pub(crate) fn only_wanted(api: &Api) {
    let wanted = ids(&api.converged("web"));
    until("the others have stopped", DEADLINE, || {
        let tasks = api.tasks("web").into_iter();
        let going: Vec<Task> = tasks
            .filter(|task| state(task) <= TaskState::Running)
            .collect();
        (ids(&going) == wanted).then_some(())
    });
}

/// Changes what the tasks are made from, and waits until all of them are made from it.
pub(crate) fn roll(api: &Api, load: &Load, spec: &mut ServiceSpec, token: &str) {
    let before = ids(&api.converged("web"));
    spec.template.get_or_insert_default().restart_token = token.to_owned();
    update(api, spec);
    until("all tasks are others", DEADLINE, || {
        ids(&api.converged("web"))
            .is_disjoint(&before)
            .then_some(())
    });
    only_wanted(api);
    load.goes_on();
}

/// With one task: its successor answers before it leaves, and it leaves before it is stopped.
#[test]
fn an_update_that_starts_first_loses_no_request() {
    let daemon = Daemon::start(NODES);
    let api = Api::of(&daemon);
    let mut spec = checked(hello(1), Order::StartFirst);
    let load = under_load(&daemon, &api, &spec);
    for token in ["first", "second", "third"] {
        roll(&api, &load, &mut spec, token);
    }
    load.lost_nothing();
}

/// With two tasks, of which one at a time is away.
#[test]
fn an_update_that_stops_first_loses_no_request() {
    let daemon = Daemon::start(NODES);
    let api = Api::of(&daemon);
    let mut spec = checked(hello(2), Order::StopFirst);
    let load = under_load(&daemon, &api, &spec);
    for token in ["first", "second"] {
        roll(&api, &load, &mut spec, token);
    }
    load.lost_nothing();
}

#[test]
fn fewer_replicas_and_a_drained_node_lose_no_request() {
    let daemon = Daemon::start(NODES);
    let api = Api::of(&daemon);
    let mut spec = checked(hello(6), Order::StopFirst);
    let load = under_load(&daemon, &api, &spec);
    scale(&api, &mut spec, 3);
    only_wanted(&api);
    load.goes_on();

    daemon.skep_ok(["node", "update", "--availability", "drain", "node-2"]);
    until("nothing runs on the drained node", DEADLINE, || {
        let there = |task: &Task| {
            let node = task.node.as_ref();
            node.is_some_and(|node| node.name == "node-2") && state(task) <= TaskState::Running
        };
        (!api.tasks("web").iter().any(there)).then_some(())
    });
    only_wanted(&api);
    load.goes_on();
    scale(&api, &mut spec, 1);
    only_wanted(&api);
    load.goes_on();
    load.lost_nothing();
}

/// A connection on which several requests are asked.
struct Kept(BufReader<TcpStream>);

impl Kept {
    fn open(address: SocketAddr) -> Kept {
        let stream = TcpStream::connect(address).expect("the port is open");
        stream
            .set_read_timeout(Some(DEADLINE))
            .expect("a good time");
        Kept(BufReader::new(stream))
    }

    /// Asks who answers.
    fn ask(&mut self) -> String {
        let request = b"GET /task HTTP/1.1\r\nHost: web\r\n\r\n";
        self.0.get_mut().write_all(request).expect("it is open");
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("an answer");
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(number) = line.strip_prefix("content-length: ") {
                length = number.parse().expect("a number");
            } else if line.is_empty() {
                break;
            }
        }
        assert_ne!(length, 0, "the connection has ended");
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("the whole answer");
        String::from_utf8(body).expect("text").trim().to_owned()
    }
}

/// A task by its id.
pub(crate) fn task(api: &Api, wanted: &str) -> Task {
    let found = api.tasks("web").into_iter().find(|task| id(task) == wanted);
    found.expect("the task is remembered")
}

/// Stops a task, which its service replaces.
fn stop(api: &Api, task: &str) {
    let request = StopTaskRequest {
        task: task.to_owned(),
        ..Default::default()
    };
    let answer = api.run(api.client.tasks().stop_task(request));
    answer.expect("the task can be stopped");
}

pub(crate) fn drain(task: &Task) -> TaskDrain {
    let drain = task.status.as_ref().and_then(|status| status.drain);
    drain.unwrap_or_default()
}

pub(crate) fn is_draining(task: &Task) -> bool {
    let status = task.status.clone().unwrap_or_default();
    status.reason == "DRAINING" && drain(task).released_time.is_some()
}

/// Who drains goes on with what it has, and gets nothing new.
#[test]
fn open_connections_go_on_and_new_ones_go_elsewhere() {
    let daemon = Daemon::start(NODES);
    let api = Api::of(&daemon);
    api.create(draining(2, 600));
    let tasks = ids(&api.converged("web"));
    for address in addresses(&daemon) {
        all_answer(address, &tasks, |at| ask(at).ok());
    }
    let mut kept: Vec<Kept> = addresses(&daemon).into_iter().map(Kept::open).collect();
    let first = kept[0].ask();
    let answers: Vec<String> = kept.iter_mut().map(Kept::ask).collect();

    stop(&api, &first);
    let going = until("the task drains", DEADLINE, || {
        Some(task(&api, &first)).filter(is_draining)
    });
    let told = drain(&going);
    assert!(told.told_revision > 0 && !told.unconfirmed, "{told:?}");
    assert!(
        moment(told.told_time) <= moment(told.released_time),
        "{told:?}"
    );
    assert_eq!(state(&going), TaskState::Running);
    for address in addresses(&daemon).into_iter().cycle().take(30) {
        let other = ask(address).expect("an answer");
        assert_ne!(other, first, "it is sent nothing new");
    }
    let again: Vec<String> = kept.iter_mut().map(Kept::ask).collect();
    assert_eq!(
        again, answers,
        "on connections that were open the same tasks answer"
    );
    let shown = daemon.skep_ok(["service", "ps", "web"]);
    assert!(shown.contains("Draining"), "{shown}");
}

pub(crate) fn moment(time: Option<prost_types::Timestamp>) -> SystemTime {
    let time = time.expect("a time");
    SystemTime::try_from(time).expect("a good time")
}

/// The daemon dies as soon as it has said that a task is to stop, and again while that drains: it
/// goes on with the same drain, which takes its time, and no other task is touched.
#[test]
fn a_drain_outlives_its_daemon() {
    const DRAIN: u64 = 6;
    let mut daemon = Daemon::start(NODES);
    let api = Api::of(&daemon);
    api.create(draining(3, DRAIN.cast_signed()));
    let tasks = api.converged("web");
    for address in addresses(&daemon) {
        all_answer(address, &ids(&tasks), |at| ask(at).ok());
    }
    let told = id(&tasks[0]);
    stop(&api, &told);
    daemon.kill();
    daemon.start_again();
    let known = until("the task drains", DEADLINE, || {
        Some(task(&api, &told)).filter(is_draining)
    });
    daemon.kill();
    daemon.start_again();

    let ended = until("the task has stopped", DEADLINE, || {
        let task = task(&api, &told);
        (state(&task) > TaskState::Running).then_some(task)
    });
    assert_eq!(state(&ended), TaskState::Stopped);
    assert_eq!(
        drain(&ended),
        drain(&known),
        "the drain goes on, and does not begin again"
    );
    let status = ended.status.clone().unwrap_or_default();
    assert_eq!(status.exit_code, Some(0), "it ended on its signal");
    let released = moment(drain(&ended).released_time);
    let stopped = moment(status.transition_time);
    let took = stopped.duration_since(released).unwrap_or_default();
    assert!(took >= Duration::from_secs(DRAIN), "it was given {took:?}");
    let mut stay: BTreeSet<String> = ids(&tasks);
    stay.remove(&told);
    let now = ids(&api.converged("web"));
    assert!(now.is_superset(&stay), "the others go on: {now:?}");
}
