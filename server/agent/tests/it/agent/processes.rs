// SPDX-License-Identifier: Apache-2.0
//! An agent with real processes, and what happens to them while it is dead.

use skep_core::model::{Process, TaskState, TaskTemplate, Workload};

use super::manager::Manager;
use super::{Agent, AgentOptions, Arc, HERE};
use crate::support::{Node, processes_of, until};

fn script(text: &str) -> TaskTemplate {
    TaskTemplate {
        workload: Workload::Process(Process {
            command: ["/bin/sh", "-c", text].map(str::to_owned).into(),
            ..Process::default()
        }),
        ..skep_core::testing::template()
    }
}

/// An agent of a node whose earlier life, if any, has ended.
async fn agent(node: &Node, manager: &Manager) -> skep_agent::AgentHandle {
    Agent::start(AgentOptions {
        address: HERE,
        dir: Some(node.shared("agent")),
        capacity: None,
        executor: Arc::new(node.executor().await),
        plane: Arc::new(skep_network::IdlePlane::new()),
        connector: Arc::new(manager.clone()),
    })
    .expect("an agent")
}

#[tokio::test]
async fn an_end_that_nobody_saw_is_told_with_the_last_words() {
    let (node, manager) = (Node::new(), Manager::new());
    let first = agent(&node, &manager).await;
    let (go, count) = (node.shared("go"), node.shared("count"));
    let text = format!(
        "echo begun >> {count}; while [ ! -e {go} ]; do sleep 0.02; done; echo good bye; exit 3",
        count = count.display(),
        go = go.display()
    );
    let task = manager.run(script(&text), vec![]);
    manager.reaches(task, TaskState::Running).await;
    drop(first);

    std::fs::write(&go, b"").expect("written");
    until("it has ended", || processes_of(task).is_empty()).await;
    let second = agent(&node, &manager).await;
    let status = manager.reaches(task, TaskState::Failed).await;
    assert_eq!(status.exit_code, Some(3));
    assert!(status.message.contains("good bye"), "{}", status.message);
    let begun = std::fs::read_to_string(&count).expect("it began");
    assert_eq!(begun, "begun\n", "it was started once");

    manager.ask_for_logs(task, false);
    let ended = |manager: &Manager| manager.logs().1.then(|| manager.logs().0);
    assert_eq!(manager.until("the lines", ended).await, ["good bye"]);
    second.shutdown(true).await;
    assert!(!node.task_dir(task).exists(), "nothing is left of it");
}
