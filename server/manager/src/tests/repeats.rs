// SPDX-License-Identifier: Apache-2.0
//! A request that is repeated with its request_id has one effect and its first answer.

use std::fmt::Debug;

use skep_core::model::{NodeId, NodeState};
use skep_core::state::Write;
use skep_proto::v1;
use skep_proto::v1::ErrorReason;
use skep_proto::v1::control_rollout_request::Action;
use tonic::{Response, Status};

use super::desk::{Desk, failed, spec};
use super::samples::{full_node, full_swarm};

type Answer<T> = Result<Response<T>, Status>;

/// Calls twice with one request, then with another under the same request_id.
async fn repeat<R: Clone, T: Debug + PartialEq>(
    desk: &Desk,
    request: R,
    other: R,
    call: impl AsyncFn(R) -> Answer<T>,
) {
    let first = call(request.clone())
        .await
        .expect("nothing is wrong")
        .into_inner();
    let head = desk.cluster.write([]);
    let again = call(request).await.expect("it is the same").into_inner();
    assert_eq!(again, first);
    assert_eq!(desk.head(), head, "nothing more was written");
    failed(call(other).await, ErrorReason::RequestIdReused, &[]);
}

const ID: &str = "one";

#[tokio::test]
pub(super) async fn services() {
    let desk = Desk::new().await;
    let create = |name| v1::CreateServiceRequest {
        spec: Some(spec(name)),
        request_id: "create".to_owned(),
    };
    let call = async |request| desk.services().create_service(request).await;
    repeat(&desk, create("web"), create("api"), call).await;
    let update = |token: &str| {
        let mut spec = spec("web");
        spec.labels = [("token".to_owned(), token.to_owned())].into();
        v1::UpdateServiceRequest {
            spec: Some(spec),
            request_id: "update".to_owned(),
            ..v1::UpdateServiceRequest::default()
        }
    };
    let call = async |request| desk.services().update_service(request).await;
    repeat(&desk, update("a"), update("b"), call).await;
    let mut again = spec("web");
    again.template.get_or_insert_default().restart_token = "again".to_owned();
    let again = v1::UpdateServiceRequest {
        spec: Some(again),
        ..v1::UpdateServiceRequest::default()
    };
    let updated = desk.services().update_service(again).await;
    updated.expect("its rollout begins");
    let steer = |action: Action| v1::ControlRolloutRequest {
        service: "web".to_owned(),
        action: action.into(),
        request_id: "steer".to_owned(),
        ..v1::ControlRolloutRequest::default()
    };
    let call = async |request| desk.services().control_rollout(request).await;
    repeat(&desk, steer(Action::Pause), steer(Action::Resume), call).await;
    let delete = |allow_missing| v1::DeleteServiceRequest {
        service: "web".to_owned(),
        allow_missing,
        request_id: ID.to_owned(),
        ..v1::DeleteServiceRequest::default()
    };
    let call = async |request| desk.services().delete_service(request).await;
    repeat(&desk, delete(false), delete(true), call).await;
}

#[tokio::test]
pub(super) async fn nodes() {
    let desk = Desk::new().await;
    let update = |name| v1::UpdateNodeRequest {
        node: "node-2".to_owned(),
        spec: Some(full_node(name)),
        request_id: "update".to_owned(),
        ..v1::UpdateNodeRequest::default()
    };
    let call = async |request| desk.nodes().update_node(request).await;
    repeat(&desk, update("node-2"), update("other"), call).await;
    desk.cluster.write([Write::SetNodeState {
        node: NodeId(2),
        state: NodeState::Down,
        message: "silent".into(),
    }]);
    let delete = |force| v1::DeleteNodeRequest {
        node: "node-2".to_owned(),
        force,
        request_id: ID.to_owned(),
        ..v1::DeleteNodeRequest::default()
    };
    let call = async |request| desk.nodes().delete_node(request).await;
    repeat(&desk, delete(false), delete(true), call).await;
}

#[tokio::test]
pub(super) async fn tasks() {
    let desk = Desk::new().await;
    let web = desk.create(spec("web")).await;
    let stop = |slot| v1::StopTaskRequest {
        task: desk.task(&web, slot, NodeId(2)).to_string(),
        request_id: ID.to_owned(),
    };
    let call = async |request| desk.tasks().stop_task(request).await;
    repeat(&desk, stop(1), stop(2), call).await;
}

#[tokio::test]
pub(super) async fn the_swarm() {
    let desk = Desk::new().await;
    let update = |history| v1::UpdateSwarmRequest {
        spec: Some(v1::SwarmSpec {
            task_history: Some(history),
            ..full_swarm()
        }),
        request_id: ID.to_owned(),
        ..v1::UpdateSwarmRequest::default()
    };
    let call = async |request| desk.swarm().update_swarm(request).await;
    repeat(&desk, update(1), update(2), call).await;
}

#[tokio::test]
pub(super) async fn another_method_is_another_request() {
    let desk = Desk::new().await;
    let create = v1::CreateServiceRequest {
        spec: Some(spec("web")),
        request_id: ID.to_owned(),
    };
    desk.services()
        .create_service(create)
        .await
        .expect("nothing is wrong");
    let delete = v1::DeleteServiceRequest {
        service: "web".to_owned(),
        request_id: ID.to_owned(),
        ..v1::DeleteServiceRequest::default()
    };
    failed(
        desk.services().delete_service(delete).await,
        ErrorReason::RequestIdReused,
        &[],
    );
}
