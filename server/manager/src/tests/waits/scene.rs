// SPDX-License-Identifier: Apache-2.0
//! A service that somebody waits for, and what happens to it meanwhile.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use prost_types::Duration as Span;
use skep_core::model::{NodeId, ServiceId, Task, TaskState};
use skep_core::orchestrate::{Moment, reconcile_service};
use skep_core::state::{Change, Observation, Write};
use skep_proto::v1;
use skep_proto::v1::wait_service_request::Goal;
use tokio::task::JoinHandle;
use tonic::Status;

use crate::cluster::Cluster;
use crate::tests::desk::{Desk, id_of, spec};

pub(super) type Waited = Result<v1::WaitServiceResponse, Status>;

/// One task of "web" wanted, of which there is none yet.
pub(super) async fn world() -> (Desk, v1::Service) {
    let desk = Desk::new().await;
    let service = desk.create(spec("web")).await;
    (desk, service)
}

pub(super) fn request(timeout: i64, stable_for: i64) -> v1::WaitServiceRequest {
    let span = |seconds| Some(Span { seconds, nanos: 0 });
    v1::WaitServiceRequest {
        service: "web".to_owned(),
        timeout: span(timeout),
        stable_for: span(stable_for),
        ..v1::WaitServiceRequest::default()
    }
}

pub(super) fn deletion(timeout: i64) -> v1::WaitServiceRequest {
    v1::WaitServiceRequest {
        goal: Goal::Deleted.into(),
        ..request(timeout, 5)
    }
}

pub(super) fn wait(
    desk: &Desk,
    request: v1::WaitServiceRequest,
) -> impl Future<Output = Waited> + 'static {
    let mut client = desk.services();
    async move { Ok(client.wait_service(request).await?.into_inner()) }
}

/// Begins to wait, and lets that come as far as it gets.
pub(super) async fn begin(desk: &Desk, request: v1::WaitServiceRequest) -> JoinHandle<Waited> {
    let before = desk.waits.count();
    let waiting = tokio::spawn(wait(desk, request));
    while desk.waits.count() == before {
        tokio::task::yield_now().await;
    }
    // The clock jumps only when all that can be done is done, so here it has looked.
    tokio::time::advance(Duration::ZERO).await;
    waiting
}

pub(super) async fn change(desk: &Desk, writes: Vec<Write>) {
    let time = desk.view().time().after(Duration::from_secs(3));
    let change = Change {
        writes,
        time,
        ..Change::default()
    };
    let proposed = desk.cluster.propose(change).await;
    assert_eq!(proposed.expect("it is written").refusal, None);
}

pub(super) fn service_id(service: &v1::Service) -> ServiceId {
    id_of(service).parse().expect("an id")
}

pub(super) fn tasks(desk: &Desk, service: &v1::Service) -> Vec<Arc<Task>> {
    let state = desk.view();
    let tasks = state.service_tasks(service_id(service));
    tasks.filter(|task| !task.is_terminal()).cloned().collect()
}

/// What the loop of the leader does about a service.
pub(super) async fn reconcile(desk: &Desk, service: &v1::Service) {
    let state = desk.view();
    let ids = &mut rand::random::<u128>;
    let now = state.time().after(Duration::from_secs(120));
    let moment = Moment {
        now,
        led_since: state.time(),
    };
    let plan = reconcile_service(&state, service_id(service), moment, ids);
    if !plan.is_empty() {
        let proposed = desk.cluster.propose(plan.into_change(now)).await;
        assert_eq!(proposed.expect("it is written").refusal, None);
    }
}

pub(super) async fn observe(desk: &Desk, service: &v1::Service, state: TaskState) {
    for task in tasks(desk, service) {
        let observation = Observation::of(state, desk.view().time());
        let task = task.meta.id;
        change(desk, vec![Write::ObserveTask { task, observation }]).await;
    }
}

/// Makes the tasks that are wanted, and lets them run.
pub(super) async fn run(desk: &Desk, service: &v1::Service) {
    for _ in 0..3 {
        reconcile(desk, service).await;
    }
    let node = NodeId(2);
    for task in tasks(desk, service) {
        let task = task.meta.id;
        change(desk, vec![Write::AssignTask { task, node }]).await;
    }
    observe(desk, service, TaskState::Running).await;
}

pub(super) async fn delete(desk: &Desk) {
    let request = v1::DeleteServiceRequest {
        service: "web".to_owned(),
        ..v1::DeleteServiceRequest::default()
    };
    let deleted = desk.services().delete_service(request).await;
    deleted.expect("it may be");
}

pub(super) async fn stop_tasks(desk: &Desk, service: &v1::Service) {
    observe(desk, service, TaskState::Stopped).await;
    for _ in 0..3 {
        reconcile(desk, service).await;
    }
}

pub(super) async fn joined(waiting: JoinHandle<Waited>) -> Waited {
    waiting.await.expect("it does not panic")
}
