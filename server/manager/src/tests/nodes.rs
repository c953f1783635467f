// SPDX-License-Identifier: Apache-2.0
//! `NodeService` and the calls of `TaskService` that answer with one message.

use skep_core::model::{NodeId, NodeState};
use skep_core::state::Write;
use skep_proto::v1;
use skep_proto::v1::ErrorReason;

use super::desk::{Desk, failed, refused, spec};
use super::samples::{full_node, mask};

fn down(desk: &Desk, node: u128) {
    desk.cluster.write([Write::SetNodeState {
        node: NodeId(node),
        state: NodeState::Down,
        message: "silent".into(),
    }]);
}

async fn get(desk: &Desk, node: &str) -> v1::Node {
    let request = v1::GetNodeRequest {
        node: node.to_owned(),
        consistency: None,
    };
    let response = desk.nodes().get_node(request).await.expect("it is there");
    response.into_inner().node.expect("the answer shows it")
}

fn delete(node: &str) -> v1::DeleteNodeRequest {
    v1::DeleteNodeRequest {
        node: node.to_owned(),
        ..v1::DeleteNodeRequest::default()
    }
}

fn update(node: &str, spec: v1::NodeSpec) -> v1::UpdateNodeRequest {
    v1::UpdateNodeRequest {
        node: node.to_owned(),
        spec: Some(spec),
        ..v1::UpdateNodeRequest::default()
    }
}

#[tokio::test]
pub(super) async fn a_node_is_shown_with_what_its_session_knows() {
    let desk = Desk::new().await;
    let id = NodeId(1).to_string();
    for reference in ["node-1", "NODE-1", &id] {
        let status = get(&desk, reference).await.status.expect("it has one");
        assert_eq!((status.assigned_revision, status.endpoint_revision), (1, 2));
        assert_eq!(status.manager.expect("it is one").raft_id, 1);
        assert_eq!(status.capabilities, ["workload.process"]);
        assert_eq!(status.state(), v1::node_status::State::Ready);
    }
    let worker = get(&desk, "node-2").await.status.expect("it has one");
    assert_eq!((worker.manager, worker.assigned_revision), (None, 2));
    let none = desk.nodes().get_node(v1::GetNodeRequest::default()).await;
    refused(none, &["node"]);
}

#[tokio::test]
pub(super) async fn the_spec_of_a_node_is_kept_as_it_was_written() {
    let desk = Desk::new().await;
    let full = full_node("renamed");
    let updated = desk
        .nodes()
        .update_node(update("node-2", full.clone()))
        .await;
    let updated = updated.expect("nothing is wrong").into_inner();
    assert_eq!(updated.node.and_then(|node| node.spec), Some(full.clone()));
    assert_eq!(get(&desk, "renamed").await.spec, Some(full.clone()));
    let nameless = v1::NodeSpec {
        name: String::new(),
        ..full.clone()
    };
    let again = desk.nodes().update_node(update("renamed", nameless)).await;
    let again = again.expect("the name stays").into_inner();
    assert_eq!(
        (again.revision, again.node.and_then(|n| n.spec)),
        (desk.head().0, Some(full))
    );
    refused(
        desk.nodes()
            .update_node(v1::UpdateNodeRequest::default())
            .await,
        &["node", "spec"],
    );
}

#[tokio::test]
pub(super) async fn a_mask_changes_one_thing_of_a_node() {
    let desk = Desk::new().await;
    let request = v1::UpdateNodeRequest {
        update_mask: Some(mask(&["availability"])),
        ..update(
            "node-2",
            v1::NodeSpec {
                name: "not looked at".to_owned(),
                availability: v1::node_spec::Availability::Drain.into(),
                ..v1::NodeSpec::default()
            },
        )
    };
    desk.nodes()
        .update_node(request)
        .await
        .expect("nothing is wrong");
    let spec = get(&desk, "node-2").await.spec.expect("it has one");
    assert_eq!(spec.availability(), v1::node_spec::Availability::Drain);
    assert_eq!(spec.name, "node-2");
    let request = v1::UpdateNodeRequest {
        update_mask: Some(mask(&["role"])),
        ..update("node-2", v1::NodeSpec::default())
    };
    refused(
        desk.nodes().update_node(request).await,
        &["update_mask.paths[0]"],
    );
}

#[tokio::test]
pub(super) async fn the_revision_of_the_spec_is_compared() {
    let desk = Desk::new().await;
    down(&desk, 2);
    let present = get(&desk, "node-2")
        .await
        .meta
        .expect("it has one")
        .spec_revision;
    let told = [("spec_revision", &*present.to_string())];
    let request = |seen| v1::UpdateNodeRequest {
        if_spec_revision: seen,
        ..update("node-2", full_node("node-2"))
    };
    let stale = desk.nodes().update_node(request(present + 1)).await;
    failed(stale, ErrorReason::SpecRevisionMismatch, &told);
    let forget = |seen| v1::DeleteNodeRequest {
        if_spec_revision: seen,
        ..delete("node-2")
    };
    let stale = desk.nodes().delete_node(forget(present + 1)).await;
    failed(stale, ErrorReason::SpecRevisionMismatch, &told);
    desk.nodes()
        .delete_node(forget(present))
        .await
        .expect("it is the present one");
}

#[tokio::test]
pub(super) async fn a_node_that_is_there_is_only_forgotten_by_force() {
    let desk = Desk::new().await;
    let service = desk.create(spec("web")).await;
    let task = desk.task(&service, 1, NodeId(2));
    let ready = desk.nodes().delete_node(delete("node-2")).await;
    failed(ready, ErrorReason::NodeNotDown, &[]);
    let force = v1::DeleteNodeRequest {
        force: true,
        ..delete("node-2")
    };
    let gone = desk
        .nodes()
        .delete_node(force.clone())
        .await
        .expect("it is forced")
        .into_inner();
    assert_eq!(gone.revision, desk.head().0);
    assert!(desk.view().node(NodeId(2)).is_none());
    assert!(
        desk.view()
            .task(task)
            .is_some_and(|task| task.is_terminal())
    );
    let manager = v1::DeleteNodeRequest {
        node: "node-1".to_owned(),
        ..force
    };
    failed(
        desk.nodes().delete_node(manager).await,
        ErrorReason::NodeIsManager,
        &[],
    );
    down(&desk, 3);
    desk.nodes()
        .delete_node(delete("node-3"))
        .await
        .expect("it is down");
}

#[tokio::test]
pub(super) async fn what_is_missing_is_deleted_if_allowed() {
    let desk = Desk::new().await;
    let missing = desk.nodes().delete_node(delete("none")).await;
    failed(
        missing,
        ErrorReason::ObjectNotFound,
        &[("kind", "node"), ("name", "none")],
    );
    let allowed = v1::DeleteNodeRequest {
        allow_missing: true,
        ..delete("none")
    };
    let granted = desk
        .nodes()
        .delete_node(allowed)
        .await
        .expect("allowed")
        .into_inner();
    assert_eq!(granted.revision, desk.head().0);
    refused(
        desk.nodes()
            .delete_node(v1::DeleteNodeRequest::default())
            .await,
        &["node"],
    );
}

#[tokio::test]
pub(super) async fn a_task_is_shown_with_its_template_and_stopped() {
    let desk = Desk::new().await;
    let service = desk.create(spec("web")).await;
    let id = desk.task(&service, 1, NodeId(2)).to_string();
    for reference in [id.clone(), id[..29].to_owned()] {
        let request = v1::GetTaskRequest {
            task: reference,
            consistency: None,
        };
        let got = desk
            .tasks()
            .get_task(request)
            .await
            .expect("it is there")
            .into_inner();
        assert_eq!(
            got.template,
            service.spec.clone().and_then(|spec| spec.template)
        );
        let task = got.task.expect("the answer shows it");
        assert_eq!((task.name.as_str(), task.slot), ("web.1", 1));
    }
    let request = v1::StopTaskRequest {
        task: id,
        request_id: String::new(),
    };
    let stopped = desk
        .tasks()
        .stop_task(request.clone())
        .await
        .expect("it runs")
        .into_inner();
    let task = stopped.task.expect("the answer shows it");
    assert_eq!(task.desired_state(), v1::TaskState::Stopped);
    assert_eq!(stopped.revision, desk.head().0);
    let again = desk
        .tasks()
        .stop_task(request)
        .await
        .expect("it is stopping")
        .into_inner();
    assert_eq!((again.task, again.revision), (Some(task), desk.head().0));
    refused(
        desk.tasks().stop_task(v1::StopTaskRequest::default()).await,
        &["task"],
    );
    refused(
        desk.tasks().get_task(v1::GetTaskRequest::default()).await,
        &["task"],
    );
}
