// SPDX-License-Identifier: Apache-2.0
//! Steering rollouts, and reading the revisions of a service.

use skep_core::model::{NodeId, TaskState};
use skep_core::state::{Observation, Write};
use skep_proto::v1;
use skep_proto::v1::ErrorReason;
use skep_proto::v1::control_rollout_request::Action;
use skep_proto::v1::rollout::State;

use super::desk::{Desk, failed, id_of, refused, spec};

fn steer(service: &str, action: Action) -> v1::ControlRolloutRequest {
    v1::ControlRolloutRequest {
        service: service.to_owned(),
        action: action.into(),
        ..v1::ControlRolloutRequest::default()
    }
}

async fn update(desk: &Desk, spec: v1::ServiceSpec) -> v1::Service {
    let request = v1::UpdateServiceRequest {
        spec: Some(spec),
        ..v1::UpdateServiceRequest::default()
    };
    let updated = desk.services().update_service(request).await;
    let updated = updated.expect("nothing is wrong with it").into_inner();
    updated.service.expect("the answer shows it")
}

async fn controlled(desk: &Desk, request: v1::ControlRolloutRequest) -> v1::Service {
    let told = desk.services().control_rollout(request).await;
    let told = told.expect("it may be").into_inner();
    told.service.expect("the answer shows it")
}

fn token(text: &str) -> v1::ServiceSpec {
    let mut spec = spec("web");
    if let Some(template) = &mut spec.template {
        template.restart_token = text.to_owned();
    }
    spec
}

fn rollout(service: &v1::Service) -> v1::Rollout {
    let status = service.status.clone().expect("it has one");
    status.rollout.expect("it was updated")
}

fn template_revision(service: &v1::Service) -> u64 {
    let status = service.status.as_ref();
    status.map_or(0, |status| status.template_revision)
}

#[tokio::test]
pub(super) async fn a_rollout_is_steered() {
    let desk = Desk::new().await;
    let first = desk.create(token("")).await;
    desk.task(&first, 1, NodeId(1));
    assert!(first.status.as_ref().is_some_and(|it| it.rollout.is_none()));
    let none = [("state", "NONE")];
    let paused = steer("web", Action::Pause);
    let told = desk.services().control_rollout(paused).await;
    failed(told, ErrorReason::RolloutState, &none);
    let second = update(&desk, token("two")).await;
    let begun = rollout(&second);
    assert_eq!(begun.state(), State::Updating);
    assert_eq!(begun.template_revision, template_revision(&second));
    assert_eq!(begun.from_template_revision, template_revision(&first));
    assert!(begun.start_time.is_some() && begun.end_time.is_none());

    let paused = controlled(&desk, steer(id_of(&first), Action::Pause)).await;
    let stalled = paused
        .status
        .as_ref()
        .map(|status| status.conditions[1].clone());
    let stalled = stalled.expect("it is said");
    assert_eq!(
        (&*stalled.r#type, &*stalled.reason),
        ("STALLED", "ROLLOUT_PAUSED")
    );
    assert_eq!(rollout(&paused).state(), State::Paused);
    assert_eq!(rollout(&paused).reason, "REQUESTED");
    let head = desk.head();
    controlled(&desk, steer("web", Action::Pause)).await;
    assert_eq!(desk.head(), head, "it was so already");
    let resumed = controlled(&desk, steer("web", Action::Resume)).await;
    assert_eq!(rollout(&resumed).state(), State::Updating);
    controlled(&desk, steer("web", Action::Pause)).await;
    let same = update(&desk, token("two")).await;
    assert_eq!(
        rollout(&same).state(),
        State::Updating,
        "an equal spec resumes it"
    );

    let back = controlled(&desk, steer("web", Action::Rollback)).await;
    assert_eq!(rollout(&back).state(), State::RollingBack);
    assert_eq!(template_revision(&back), template_revision(&first));
    assert_eq!(back.spec, first.spec);
    let forward = v1::ControlRolloutRequest {
        to_template_revision: template_revision(&second),
        ..steer("web", Action::Rollback)
    };
    let forward = controlled(&desk, forward).await;
    assert_eq!(forward.spec, second.spec);
}

#[tokio::test]
pub(super) async fn there_must_be_a_revision_to_go_back_to() {
    let desk = Desk::new().await;
    let first = desk.create(token("")).await;
    let back = steer("web", Action::Rollback);
    let told = desk.services().control_rollout(back).await;
    failed(told, ErrorReason::NoEarlierRevision, &[("revisions", "")]);
    desk.task(&first, 1, NodeId(1));
    update(&desk, token("two")).await;
    let unknown = v1::ControlRolloutRequest {
        to_template_revision: 1,
        ..steer("web", Action::Rollback)
    };
    let known = template_revision(&first).to_string();
    let told = desk.services().control_rollout(unknown).await;
    failed(
        told,
        ErrorReason::NoEarlierRevision,
        &[("revisions", &known)],
    );
}

#[tokio::test]
pub(super) async fn the_revision_of_the_spec_is_compared() {
    let desk = Desk::new().await;
    let web = desk.create(token("")).await;
    let known = web.meta.map_or(0, |meta| meta.spec_revision);
    let request = v1::ControlRolloutRequest {
        if_spec_revision: known + 1,
        ..steer("web", Action::Rollback)
    };
    let told = desk.services().control_rollout(request).await;
    let present = [("spec_revision", &*known.to_string())];
    failed(told, ErrorReason::SpecRevisionMismatch, &present);
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let desk = Desk::new().await;
    desk.create(token("")).await;
    let nothing = v1::ControlRolloutRequest::default();
    let told = desk.services().control_rollout(nothing).await;
    refused(told, &["service", "action"]);
    let mixed = v1::ControlRolloutRequest {
        to_template_revision: 1,
        ..steer("web", Action::Pause)
    };
    let told = desk.services().control_rollout(mixed).await;
    refused(told, &["to_template_revision"]);
    let policy = v1::UpdatePolicy {
        on_failure: v1::update_policy::OnFailure::Rollback.into(),
        ..v1::UpdatePolicy::default()
    };
    let order = v1::UpdatePolicy {
        order: v1::update_policy::Order::StartFirst.into(),
        ..v1::UpdatePolicy::default()
    };
    let on_host = v1::Port {
        target: 80,
        published: 80,
        mode: v1::port::Mode::Host.into(),
        ..v1::Port::default()
    };
    let bad = v1::ServiceSpec {
        mode: Some(v1::service_spec::Mode::EveryNode(v1::EveryNode {})),
        update: Some(order),
        rollback: Some(policy),
        endpoint: Some(v1::EndpointSpec {
            ports: vec![on_host],
        }),
        ..spec("other")
    };
    let request = v1::CreateServiceRequest {
        spec: Some(bad),
        request_id: String::new(),
    };
    let told = desk.services().create_service(request).await;
    refused(told, &["spec.rollback.on_failure", "spec.update.order"]);
}

fn list(page_size: u32, page_token: &str) -> v1::ListServiceRevisionsRequest {
    v1::ListServiceRevisionsRequest {
        service: "web".to_owned(),
        page_size,
        page_token: page_token.to_owned(),
        consistency: None,
    }
}

#[tokio::test]
pub(super) async fn revisions_are_listed_newest_first() {
    let desk = Desk::new().await;
    let first = desk.create(token("")).await;
    let task = desk.task(&first, 1, NodeId(1));
    desk.cluster.write([Write::ObserveTask {
        task,
        observation: Observation::of(TaskState::Running, desk.view().time()),
    }]);
    let mut all = vec![first];
    for text in ["two", "three"] {
        all.push(update(&desk, token(text)).await);
    }
    // Scaling makes no revision.
    let mut scaled = token("three");
    let replicas = Some(3);
    scaled.mode = Some(v1::service_spec::Mode::Replicated(v1::Replicated {
        replicas,
    }));
    update(&desk, scaled).await;

    let page = desk.services().list_service_revisions(list(2, "")).await;
    let page = page.expect("nothing is wrong").into_inner();
    let next = list(2, &page.next_page_token);
    let last = desk.services().list_service_revisions(next).await;
    let last = last.expect("nothing is wrong").into_inner();
    assert_eq!(last.next_page_token, "");
    assert_eq!((page.revisions.len(), last.revisions.len()), (2, 1));
    let rows: Vec<_> = page.revisions.into_iter().chain(last.revisions).collect();
    for (row, service) in rows.iter().rev().zip(&all) {
        let spec = service.spec.as_ref().expect("it has one");
        assert_eq!(row.template_revision, template_revision(service));
        assert_eq!(row.template, spec.template);
        assert!(row.create_time.is_some() && !row.good);
        assert_eq!(row.caller, "dev");
    }
    assert_eq!(rows[0].changed_paths, ["template.restart_token"]);
    assert_eq!(rows[2].changed_paths, [""; 0]);
    assert_eq!(
        [0, 1, 2].map(|place: usize| rows[place].running_tasks),
        [0, 0, 1]
    );
}
