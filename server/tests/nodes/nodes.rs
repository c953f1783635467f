// SPDX-License-Identifier: Apache-2.0
//! Nodes that fall silent, come back, or are not known.

use futures::StreamExt;
use skep_agent::executor::Executor;
use skep_agent::logs::{LogItem, LogQuery};
use skep_core::model::*;
use skep_core::state::Write;
use skep_manager::cluster::ClusterError;

use crate::swarm::{Swarm, ingress, until};

#[tokio::test]
async fn a_silent_node_is_avoided_then_down_then_back() {
    let swarm = Swarm::new(2).await;
    let service = swarm.service("web", 2, &[], vec![ingress()]);
    let tasks = swarm.running(service, 2).await;
    let on = |node: &NodeId| tasks.iter().find(|task| task.occupies() == Some(*node));
    let (kept, lost) = (&swarm.nodes[0], &swarm.nodes[1]);
    let silent = on(&lost.id).expect("one on each").meta.id;

    lost.wire.set_silent(true);
    until("the other node avoids it", || {
        let known = kept.plane.backends(service).get(&silent).copied();
        (known == Some(BackendState::Suspect)).then_some(())
    })
    .await;
    swarm.node_is(lost.id, NodeState::Down).await;
    let here = |swarm: &Swarm| {
        let running = swarm.in_state(service, TaskState::Running);
        let here = running
            .iter()
            .filter(|task| task.occupies() == Some(kept.id));
        (here.count() == 2).then_some(())
    };
    swarm.until("its task is replaced", here).await;
    assert!(lost.tasks().contains(&silent), "it knows nothing of that");

    lost.wire.set_silent(false);
    swarm.node_is(lost.id, NodeState::Ready).await;
    let state = |swarm: &Swarm| Some(swarm.state().task(silent)?.status.state);
    let stopped = |swarm: &Swarm| (state(swarm) == Some(TaskState::Stopped)).then_some(());
    swarm.until("what was replaced has stopped", stopped).await;
}

#[tokio::test]
async fn that_a_node_is_down_is_written_once_it_can_be() {
    let swarm = Swarm::new(1).await;
    swarm.node_is(swarm.nodes[0].id, NodeState::Ready).await;
    swarm.nodes[0].wire.set_silent(true);
    for _ in 0..3 {
        swarm.cluster.fail_next(ClusterError::NoQuorum);
    }
    swarm.node_is(swarm.nodes[0].id, NodeState::Down).await;
}

#[tokio::test]
async fn a_node_that_is_forgotten_stops_its_tasks_no_more() {
    let swarm = Swarm::new(2).await;
    let service = swarm.service("web", 2, &[], vec![]);
    swarm.running(service, 2).await;
    let gone = &swarm.nodes[1];
    let connections = gone.wire.connections();
    swarm.cluster.write([Write::DeleteNode { node: gone.id }]);
    until("its sessions are refused again and again", || {
        (gone.wire.connections() >= connections + 3).then_some(())
    })
    .await;
    assert_eq!(swarm.dispatch.facts(gone.id).assigned_revision, Revision(0));
    swarm.node_is(swarm.nodes[0].id, NodeState::Ready).await;
}

#[tokio::test]
async fn what_a_node_is_called_reaches_its_tasks() {
    let swarm = Swarm::new(1).await;
    let node = swarm.nodes[0].id;
    let known = swarm.state().node(node).expect("it is there").clone();
    let mut spec = NodeSpec::clone(&known.spec);
    spec.name = Name::parse("renamed").expect("a name");
    swarm.cluster.write([Write::PutNodeSpec {
        node,
        spec: std::sync::Arc::new(spec),
    }]);
    let mut replicas = 0;
    let env = [("SIM_LOG", "{{.Node.Name}}")];
    let service = swarm.service("web", 0, &env, vec![]);
    // The new name is on its way beside the tasks: some later one has it.
    loop {
        replicas += 1;
        swarm.scale(service, replicas);
        let tasks = swarm.running(service, replicas as usize).await;
        for task in tasks {
            if printed(&swarm, task.meta.id).await.as_deref() == Some("renamed") {
                return;
            }
        }
        assert!(replicas < 1_000, "the name never arrives");
    }
}

/// The first line that a task has printed.
async fn printed(swarm: &Swarm, task: TaskId) -> Option<String> {
    let query = LogQuery::default();
    let mut items = swarm.nodes[0].executor.logs(task, query).ok()?;
    match items.next().await?.ok()? {
        LogItem::Line(line) => String::from_utf8(line.data).ok(),
        LogItem::Gap { .. } => None,
    }
}
