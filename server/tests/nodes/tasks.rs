// SPDX-License-Identifier: Apache-2.0
//! Tasks on their way through manager and nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use skep_core::model::*;
use skep_manager::cluster::ClusterError;

use crate::swarm::{Swarm, ingress, until};

#[tokio::test]
async fn a_service_comes_up_on_all_nodes() {
    let swarm = Swarm::new(3).await;
    let service = swarm.service("web", 6, &[], vec![]);
    let tasks = swarm.running(service, 6).await;
    let nodes: BTreeSet<_> = tasks.iter().filter_map(|task| task.occupies()).collect();
    assert_eq!(nodes.len(), 3, "spread over all");
    for node in &swarm.nodes {
        assert_eq!(node.tasks().len(), 2, "each has its own and no others");
    }
}

#[tokio::test]
async fn tasks_that_are_not_wanted_any_more_leave_their_nodes() {
    let swarm = Swarm::new(2).await;
    let service = swarm.service("web", 4, &[], vec![]);
    swarm.running(service, 4).await;
    swarm.scale(service, 1);
    swarm.running(service, 1).await;
    let stopped = swarm.in_state(service, TaskState::Stopped).len();
    assert!(stopped <= 3, "{stopped}");
}

#[tokio::test]
async fn a_task_that_fails_is_made_anew() {
    let swarm = Swarm::new(1).await;
    let service = swarm.service("web", 1, &[("SIM_EXIT", "3")], vec![]);
    let failed = swarm
        .until("two attempts have failed", |swarm| {
            let failed = swarm.in_state(service, TaskState::Failed);
            (failed.len() >= 2).then_some(failed)
        })
        .await;
    assert!(failed.iter().all(|task| task.status.exit_code == Some(3)));
}

#[tokio::test]
async fn an_agent_that_starts_anew_adopts_what_runs() {
    let mut swarm = Swarm::new(1).await;
    let service = swarm.service("web", 3, &[], vec![]);
    let before = swarm.running(service, 3).await;
    swarm.nodes[0].kill();
    swarm.nodes[0].start();
    swarm.scale(service, 4);
    let after = swarm.running(service, 4).await;
    for task in &before {
        let same = after.iter().find(|known| known.meta.id == task.meta.id);
        assert_eq!(same.map(|same| &same.status), Some(&task.status));
    }
}

#[tokio::test]
async fn a_report_that_cannot_be_written_is_sent_again() {
    let swarm = Swarm::new(1).await;
    let service = swarm.service("web", 1, &[("SIM_AFTER", "300ms")], vec![]);
    swarm.running(service, 1).await;
    let connections = swarm.nodes[0].wire.connections();
    // The next to be written is that the task has ended.
    swarm.cluster.fail_next(ClusterError::NoQuorum);
    swarm
        .until("its end is known", |swarm| {
            let done = swarm.in_state(service, TaskState::Completed);
            (!done.is_empty()).then_some(())
        })
        .await;
    assert!(
        swarm.nodes[0].wire.connections() > connections,
        "the session was broken off"
    );
}

#[tokio::test]
async fn every_node_knows_where_services_answer() {
    let swarm = Swarm::new(3).await;
    let service = swarm.service("web", 2, &[], vec![ingress()]);
    let tasks = swarm.running(service, 2).await;
    let serving = |task: &Arc<Task>| (task.meta.id, BackendState::Serving);
    let wanted: BTreeMap<_, _> = tasks.iter().map(serving).collect();
    let head = swarm.state().revision();
    for node in &swarm.nodes {
        until("the node balances over both", || {
            (node.plane.backends(service) == wanted).then_some(())
        })
        .await;
        until("and the manager knows", || {
            let facts = swarm.dispatch.facts(node.id);
            let both = facts.assigned_revision.min(facts.endpoint_revision);
            (both >= head).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn what_a_node_confirms_is_in_effect_there() {
    let swarm = Swarm::new(2).await;
    let service = swarm.service("web", 0, &[], vec![ingress()]);
    for replicas in 1..=20 {
        swarm.scale(service, replicas);
        let tasks = swarm.running(service, replicas as usize).await;
        let head = swarm.state().revision();
        for node in &swarm.nodes {
            until("it is confirmed", || {
                let confirmed = swarm.dispatch.facts(node.id).endpoint_revision;
                (confirmed >= head).then_some(())
            })
            .await;
            let known = node.plane.backends(service);
            let missing = tasks.iter().find(|task| !known.contains_key(&task.meta.id));
            assert!(missing.is_none(), "{missing:?}");
        }
    }
}

#[tokio::test]
async fn a_thousand_tasks_come_up_on_a_hundred_nodes() {
    let patient = SwarmSpec {
        down_after: Some(std::time::Duration::from_secs(60)),
        ..SwarmSpec::default()
    };
    let swarm = Swarm::with(100, patient).await;
    let service = swarm.service("web", 1_000, &[], vec![]);
    let tasks = swarm.running(service, 1_000).await;
    let nodes: BTreeSet<_> = tasks.iter().filter_map(|task| task.occupies()).collect();
    assert_eq!(nodes.len(), 100);
}
