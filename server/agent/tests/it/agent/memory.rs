// SPDX-License-Identifier: Apache-2.0
//! What a new agent knows of the one before.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use skep_agent::executor::Phase;
use skep_agent::executor::simulated::SimulatedExecutor;
use skep_core::model::{DesiredState, TaskState};
use skep_network::{Options, UserspacePlane};
use tokio::net::{TcpListener, TcpStream};

use super::{Counting, Node, behaving};
use crate::support::until;

fn counting() -> (Node, Arc<AtomicUsize>) {
    let starts = Arc::new(AtomicUsize::new(0));
    let executor = Counting {
        inner: SimulatedExecutor::new(),
        starts: starts.clone(),
        works: Arc::default(),
    };
    (Node::new(executor), starts)
}

#[tokio::test]
async fn a_new_agent_adopts_what_runs() {
    let (node, starts) = counting();
    let agent = node.agent();
    let task = node.manager.run(behaving(&[]), vec![]);
    let before = node.manager.reaches(task, TaskState::Running).await;
    drop(agent);

    let sessions = node.manager.sessions();
    let _agent = node.agent();
    let again = |manager: &super::Manager| (manager.sessions() > sessions).then_some(());
    node.manager.until("another session", again).await;
    let other = node.manager.run(behaving(&[]), vec![]);
    node.manager.reaches(other, TaskState::Running).await;
    assert_eq!(node.manager.reaches(task, TaskState::Running).await, before);
    assert_eq!(starts.load(Ordering::SeqCst), 2, "each was started once");
}

#[tokio::test]
async fn a_new_agent_needs_no_manager_to_go_on() {
    let (node, starts) = counting();
    let agent = node.agent();
    let kept = node.manager.run(behaving(&[]), vec![]);
    let stopped = node.manager.run(behaving(&[("SIM_STOP", "1m")]), vec![]);
    node.manager.reaches(kept, TaskState::Running).await;
    node.manager.reaches(stopped, TaskState::Running).await;
    node.manager.want(stopped, DesiredState::Stopped);
    let stopping = |manager: &super::Manager| {
        let state = manager.state();
        (state.task(stopped)?.status.reason == "STOPPING").then_some(())
    };
    node.manager.until("it is being stopped", stopping).await;
    node.manager.set_reachable(false);
    drop(agent);
    node.executor
        .stop(stopped, 9, std::time::Duration::ZERO)
        .await
        .expect("somebody kills it");

    let _agent = node.agent();
    let runs = |task| {
        let known = node.executor.get(task).map(|known| known.phase);
        matches!(known, Some(Phase::Running { .. }))
    };
    until("it is stopped", || !runs(stopped)).await;
    assert!(runs(kept));
    node.manager.set_reachable(true);
    node.manager.reaches(stopped, TaskState::Stopped).await;
    node.manager.reaches(kept, TaskState::Running).await;
    assert_eq!(starts.load(Ordering::SeqCst), 2, "each was started once");
}

#[tokio::test]
async fn what_was_started_and_is_gone_is_not_started_again() {
    let (node, starts) = counting();
    let agent = node.agent();
    let task = node.manager.run(behaving(&[]), vec![]);
    node.manager.reaches(task, TaskState::Running).await;
    drop(agent);
    node.executor.remove(task).await.expect("it is lost");

    let _agent = node.agent();
    let status = node.manager.reaches(task, TaskState::Failed).await;
    assert_eq!(status.reason, "LOST");
    assert_eq!(starts.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_agent_without_memory_touches_nothing_before_it_is_told() {
    let (node, starts) = counting();
    let agent = node.agent();
    let task = node.manager.run(behaving(&[]), vec![]);
    node.manager.reaches(task, TaskState::Running).await;
    drop(agent);
    std::fs::remove_dir_all(node.dir()).expect("it forgets");

    let _agent = node.agent();
    let other = node.manager.run(behaving(&[]), vec![]);
    node.manager.reaches(other, TaskState::Running).await;
    node.manager.reaches(task, TaskState::Running).await;
    assert_eq!(starts.load(Ordering::SeqCst), 2, "each was started once");
}

#[tokio::test]
async fn nothing_begins_that_cannot_be_remembered() {
    let (node, starts) = counting();
    let _agent = node.agent();
    let first = node.manager.run(behaving(&[]), vec![]);
    node.manager.reaches(first, TaskState::Running).await;
    std::fs::remove_dir_all(node.dir()).expect("the disk is gone");
    std::fs::write(node.dir(), b"").expect("something else is there");

    let second = node.manager.run(behaving(&[]), vec![]);
    let message = node
        .manager
        .until("the node says so", |manager| {
            let state = manager.state();
            let known = &state.node(super::manager::NODE)?.status.description;
            let failed = known.conditions.iter().find(|c| c.kind == "STORAGE_FAILED");
            failed.map(|failed| failed.message.to_string())
        })
        .await;
    assert!(message.contains("agent/memory"), "{message}");
    assert_eq!(starts.load(Ordering::SeqCst), 1, "the second waits");

    std::fs::remove_file(node.dir()).expect("the disk is back");
    std::fs::create_dir(node.dir()).expect("a directory");
    node.manager.reaches(second, TaskState::Running).await;
    node.manager
        .until("all is well", |manager| {
            let state = manager.state();
            let known = &state.node(super::manager::NODE)?.status.description;
            known.conditions.is_empty().then_some(())
        })
        .await;
}

#[tokio::test]
async fn endpoints_alone_need_no_disk() {
    let node = Node::simulated();
    let _agent = node.agent();
    let task = node.manager.run(behaving(&[]), vec![]);
    node.manager.reaches(task, TaskState::Running).await;
    confirmed(&node).await;
    std::fs::remove_dir_all(node.dir()).expect("the disk is gone");
    node.manager
        .elsewhere(30_080, ([127, 0, 0, 2], 20_000).into());
    confirmed(&node).await;
    assert!(!node.dir().exists(), "nothing was written");
}

/// Waits until the node has confirmed everything.
async fn confirmed(node: &Node) {
    let all = |manager: &super::Manager| {
        let (ack, head) = (manager.ack(), manager.state().revision());
        (ack.tasks >= head && ack.endpoints >= head).then_some(())
    };
    node.manager.until("all is confirmed", all).await;
}

#[tokio::test]
async fn traffic_goes_on_without_a_manager() {
    let backend = TcpListener::bind((super::HERE, 0)).await.expect("a port");
    let front = IpAddr::from([127, 77, rand::random(), rand::random::<u8>().clamp(1, 254)]);
    let free = TcpListener::bind((front, 0)).await.expect("a port");
    let published = free.local_addr().expect("an address").port();
    drop(free);
    let plane = || Arc::new(UserspacePlane::start(Options::new(front)));

    let mut node = Node::simulated();
    node.plane = plane();
    let agent = node.agent();
    node.manager
        .elsewhere(published, backend.local_addr().expect("an address"));
    let task = node.manager.run(behaving(&[]), vec![]);
    node.manager.reaches(task, TaskState::Running).await;
    confirmed(&node).await;
    node.manager.set_reachable(false);
    drop(agent);
    node.plane = plane();

    let _agent = node.agent();
    let reached = async {
        loop {
            // The port opens in a moment, and is refused until then.
            if let Ok(client) = TcpStream::connect((front, published)).await {
                let (taken, _) = backend.accept().await.expect("a connection");
                return (client, taken);
            }
            tokio::task::yield_now().await;
        }
    };
    let reached = tokio::time::timeout(crate::support::DEADLINE, reached).await;
    assert!(reached.is_ok(), "the published port leads to the task");
}
