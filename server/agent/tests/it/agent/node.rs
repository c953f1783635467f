// SPDX-License-Identifier: Apache-2.0
//! The node as a whole: what it says of itself, its traffic, its end.

use std::sync::Arc;
use std::time::Duration;

use skep_agent::executor::Phase;
use skep_agent::{Agent, AgentOptions};
use skep_core::model::{Port, PortMode, Protocol, Resources, TaskState};
use skep_network::{IdlePlane, Options, UserspacePlane};

use super::manager::{Manager, NODE};
use super::{HERE, Node, behaving};
use crate::support::DEADLINE;

fn ingress(published: u16) -> Port {
    Port {
        target: 80,
        published,
        protocol: Protocol::Tcp,
        mode: PortMode::Ingress,
        name: "".into(),
    }
}

#[tokio::test]
async fn a_node_says_what_it_is() {
    let node = Node::simulated();
    let options = AgentOptions {
        address: HERE,
        dir: None,
        capacity: Some(Resources {
            cpu_millis: 1_500,
            memory_bytes: 1 << 30,
        }),
        executor: node.executor.clone(),
        plane: node.plane.clone(),
        connector: Arc::new(node.manager.clone()),
    };
    let described = options.description();
    let can = &described.capabilities;
    assert!(
        can.is_sorted() && described.can("workload.process"),
        "{can:?}"
    );
    let _agent = Agent::start(options).expect("an agent");
    let heard = node
        .manager
        .until("it is described", |manager| {
            let known = manager.state().node(NODE)?.status.description.clone();
            (known.capacity.cpu_millis == 1_500).then_some(known)
        })
        .await;
    assert_eq!(*heard, described);
}

#[tokio::test]
async fn a_published_port_of_another_program_is_a_condition() {
    let other = std::net::TcpListener::bind((HERE, 0)).expect("a port");
    let number = other.local_addr().expect("an address").port();
    let mut node = Node::simulated();
    node.plane = Arc::new(UserspacePlane::start(Options {
        bind_retry: Duration::from_millis(20),
        ..Options::new(HERE)
    }));
    let _agent = node.agent();
    let task = node.manager.run(behaving(&[]), vec![ingress(number)]);
    let in_use = |manager: &Manager| {
        let state = manager.state();
        let known = &state.node(NODE)?.status.description;
        let found = known.conditions.iter().find(|c| c.kind == "PORT_IN_USE");
        Some(found.map(|found| found.message.to_string()))
    };
    let message = node
        .manager
        .until("the port is in use", |m| in_use(m)?)
        .await;
    assert!(
        message.contains(&format!("127.0.0.1:{number}/tcp")),
        "{message}"
    );
    node.manager.reaches(task, TaskState::Running).await;

    drop(other);
    let free = |manager: &Manager| in_use(manager)?.is_none().then_some(());
    node.manager.until("the port is opened", free).await;
    let dialled = tokio::net::TcpStream::connect((HERE, number)).await;
    assert!(dialled.is_ok(), "{dialled:?}");
}

#[tokio::test]
async fn an_agent_that_takes_its_tasks_along_leaves_nothing() {
    let node = Node::simulated();
    let agent = node.agent();
    let quick = node.manager.run(behaving(&[]), vec![]);
    let slow = node.manager.run(behaving(&[("SIM_STOP", "300ms")]), vec![]);
    node.manager.reaches(quick, TaskState::Running).await;
    node.manager.reaches(slow, TaskState::Running).await;
    tokio::time::timeout(DEADLINE, agent.shutdown(true))
        .await
        .expect("it ends");
    assert_eq!(node.executor.list(), []);
}

#[tokio::test]
async fn an_agent_that_goes_leaves_its_tasks_running() {
    let node = Node::simulated();
    let agent = node.agent();
    let task = node.manager.run(behaving(&[]), vec![]);
    node.manager.reaches(task, TaskState::Running).await;
    agent.shutdown(false).await;
    let known = node.executor.get(task).expect("it is there");
    assert!(matches!(known.phase, Phase::Running { .. }));
}

#[tokio::test]
async fn logs_are_sent_while_somebody_wants_them() {
    let node = Node::simulated();
    let _agent = node.agent();
    let template = behaving(&[("SIM_LOG", "hello"), ("SIM_EXIT", "0")]);
    let task = node.manager.run(template, vec![]);
    node.manager.reaches(task, TaskState::Completed).await;
    node.manager.ask_for_logs(task, true);
    let ended = |manager: &Manager| manager.logs().1.then(|| manager.logs().0);
    assert_eq!(node.manager.until("the lines", ended).await, ["hello"]);
}

#[tokio::test]
async fn many_agents_are_one_process() {
    const AGENTS: usize = 200;
    let manager = Manager::new();
    let node = Node::simulated();
    let agents: Vec<_> = (0..AGENTS)
        .map(|_| {
            let options = AgentOptions {
                address: HERE,
                dir: None,
                capacity: None,
                executor: node.executor.clone(),
                plane: Arc::new(IdlePlane::new()),
                connector: Arc::new(manager.clone()),
            };
            Agent::start(options).expect("an agent")
        })
        .collect();
    let all = AGENTS as u64;
    let came = |manager: &Manager| (manager.sessions() >= all).then_some(());
    manager.until("all are in session", came).await;
    drop(agents);
}
