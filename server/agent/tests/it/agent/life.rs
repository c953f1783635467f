// SPDX-License-Identifier: Apache-2.0
//! The life of a task on its node, from assignment to removal.

use std::sync::Arc;

use skep_agent::executor::simulated::SimulatedExecutor;
use skep_core::model::{DesiredState, Port, PortMode, Protocol, Revision, TaskState};
use skep_core::state::Write;

use super::{Counting, Node, behaving};

fn port(target: u16, mode: PortMode) -> Port {
    Port {
        target,
        published: 0,
        protocol: Protocol::Tcp,
        mode,
        name: "".into(),
    }
}

#[tokio::test]
async fn a_task_runs_with_its_ports_and_is_told_of_its_place() {
    let works = Arc::default();
    let node = Node::new(Counting {
        inner: SimulatedExecutor::new(),
        starts: Arc::default(),
        works: Arc::clone(&works),
    });
    let _agent = node.agent();
    let place = "{{.Service.Name}}/{{.Node.Name}}/{{.Task.Slot}}";
    let ports = vec![port(80, PortMode::Ingress), port(90, PortMode::Host)];
    let task = node.manager.run(behaving(&[("PLACE", place)]), ports);

    let status = node.manager.reaches(task, TaskState::Running).await;
    let numbers: Vec<_> = status
        .ports
        .iter()
        .map(|p| (p.target, p.published))
        .collect();
    let (first, second) = (numbers[0].1, numbers[1].1);
    assert_eq!(numbers, [(80, first), (90, second)]);
    assert!(
        first >= 20_000 && second >= 20_000 && first != second,
        "{numbers:?}"
    );
    let states: Vec<_> = status.history.iter().map(|step| step.state).collect();
    assert!(states.is_sorted(), "{states:?}");

    let works = works.lock().expect("no test panicked");
    let work = works.first().expect("it was prepared").clone();
    let name = node
        .manager
        .state()
        .task(task)
        .expect("it is there")
        .name
        .to_string();
    for (key, value) in [
        ("PORT", first.to_string()),
        ("SKEP_PORT_80", first.to_string()),
        ("SKEP_PORT_90", second.to_string()),
        ("SKEP_ADDR", "127.0.0.1".to_owned()),
        ("SKEP_TASK_ID", task.to_string()),
        ("SKEP_TASK_NAME", name),
        ("SKEP_NODE_NAME", "node-1".to_owned()),
        ("SKEP_SLOT", "1".to_owned()),
        ("PLACE", format!("{}/node-1/1", work.service)),
    ] {
        assert_eq!(work.env.get(key), Some(&value), "{key}");
    }
}

#[tokio::test]
async fn what_was_taken_over_is_confirmed() {
    let node = Node::simulated();
    let _agent = node.agent();
    let task = node.manager.run(behaving(&[]), vec![]);
    node.manager.reaches(task, TaskState::Running).await;
    let head = node.manager.state().revision();
    let confirmed = |revision: Revision| revision >= head;
    node.manager
        .until("all is confirmed", |manager| {
            let ack = manager.ack();
            (confirmed(ack.tasks) && confirmed(ack.endpoints)).then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_task_is_stopped_and_then_forgotten() {
    let node = Node::simulated();
    let _agent = node.agent();
    let task = node.manager.run(behaving(&[]), vec![]);
    node.manager.reaches(task, TaskState::Running).await;
    node.manager.want(task, DesiredState::Stopped);
    let status = node.manager.reaches(task, TaskState::Stopped).await;
    assert_eq!(status.exit_code, Some(143));
    assert!(node.executor.get(task).is_some(), "its logs can be read");

    node.manager.apply(Write::DeleteTask { task });
    let executor = node.executor.clone();
    crate::support::until("it is removed", || executor.get(task).is_none()).await;
}

#[tokio::test]
async fn a_task_that_fails_says_how() {
    let node = Node::simulated();
    let _agent = node.agent();
    let failing = node.manager.run(behaving(&[("SIM_EXIT", "3")]), vec![]);
    let refused = behaving(&[("SIM_REFUSE", "no such program")]);
    let refused = node.manager.run(refused, vec![]);
    let status = node.manager.reaches(failing, TaskState::Failed).await;
    assert_eq!((status.exit_code, &*status.reason), (Some(3), "EXITED"));
    let status = node.manager.reaches(refused, TaskState::Rejected).await;
    assert!(status.message.contains("no such program"), "{status:?}");
}

#[tokio::test]
async fn a_host_port_that_is_held_is_refused_with_its_holder() {
    let held = std::net::TcpListener::bind((super::HERE, 0)).expect("a port");
    let number = held.local_addr().expect("an address").port();
    let node = Node::simulated();
    let _agent = node.agent();
    let fixed = Port {
        published: number,
        ..port(80, PortMode::Host)
    };
    let task = node.manager.run(behaving(&[]), vec![fixed]);
    let status = node.manager.reaches(task, TaskState::Rejected).await;
    assert_eq!(status.reason, "PREPARE_FAILED");
    assert!(
        status.message.contains(&number.to_string()),
        "{}",
        status.message
    );
}

#[tokio::test]
async fn lost_reports_are_sent_again() {
    let node = Node::simulated();
    let _agent = node.agent();
    node.manager
        .until("a session", |m| (m.sessions() > 0).then_some(()))
        .await;
    node.manager.lose_next_report();
    let task = node.manager.run(behaving(&[("SIM_EXIT", "3")]), vec![]);
    let status = node.manager.reaches(task, TaskState::Failed).await;
    assert_eq!(status.exit_code, Some(3));
    assert!(node.manager.sessions() >= 2, "the first was broken off");
}

#[tokio::test]
async fn an_agent_that_is_cut_off_goes_on_and_catches_up() {
    let node = Node::simulated();
    let _agent = node.agent();
    let kept = node.manager.run(behaving(&[]), vec![]);
    let ending = node.manager.run(behaving(&[]), vec![]);
    node.manager.reaches(kept, TaskState::Running).await;
    node.manager.reaches(ending, TaskState::Running).await;

    node.manager.set_reachable(false);
    node.executor
        .stop(ending, 9, std::time::Duration::ZERO)
        .await
        .expect("somebody kills it");
    let late = node.manager.run(behaving(&[]), vec![]);
    node.manager.set_reachable(true);
    node.manager.reaches(late, TaskState::Running).await;
    node.manager.reaches(ending, TaskState::Stopped).await;
    node.manager.reaches(kept, TaskState::Running).await;
}
