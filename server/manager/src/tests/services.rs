// SPDX-License-Identifier: Apache-2.0
//! `ServiceService`: what is written is read back, changed and deleted.

use skep_core::model::{NodeId, ServiceId, TaskState};
use skep_core::state::{Change, Observation, Write};
use skep_proto::v1;
use skep_proto::v1::ErrorReason;

use super::desk::{Desk, failed, id_of, refused, spec, with_port};
use super::samples::{full_service, mask, spots};

fn update(service: &str, spec: v1::ServiceSpec) -> v1::UpdateServiceRequest {
    v1::UpdateServiceRequest {
        service: service.to_owned(),
        spec: Some(spec),
        ..v1::UpdateServiceRequest::default()
    }
}

fn replicas(count: u32) -> Option<v1::service_spec::Mode> {
    Some(v1::service_spec::Mode::Replicated(v1::Replicated {
        replicas: Some(count),
    }))
}

fn spec_revision(service: &v1::Service) -> u64 {
    service.meta.as_ref().map_or(0, |meta| meta.spec_revision)
}

#[tokio::test]
pub(super) async fn a_spec_is_kept_as_it_was_written() {
    let desk = Desk::new().await;
    let full = full_service("full");
    let created = desk.create(full.clone()).await;
    assert_eq!(created.spec.as_ref(), Some(&full));
    let read = desk.get("full").await;
    assert_eq!(read.spec, Some(full));
    assert_eq!(read.meta, created.meta);
    let every = v1::ServiceSpec {
        mode: Some(v1::service_spec::Mode::EveryNode(v1::EveryNode {})),
        ..spec("every")
    };
    let created = desk.create(every.clone()).await;
    assert_eq!(created.spec, Some(every));
    assert_eq!(created.status.map(|status| status.desired_tasks), Some(3));
}

/// The rule on defaults in `service.proto`: kinds read back as what they mean, all else that is
/// unset stays unset, and neither way of writing a spec differs from the other.
#[tokio::test]
pub(super) async fn what_names_a_kind_reads_back_as_what_it_means() {
    let desk = Desk::new().await;
    let port = |protocol: v1::port::Protocol, mode: v1::port::Mode| v1::EndpointSpec {
        ports: vec![v1::Port {
            target: 80,
            protocol: protocol.into(),
            mode: mode.into(),
            ..v1::Port::default()
        }],
    };
    let unset = v1::ServiceSpec {
        mode: None,
        endpoint: Some(port(Default::default(), Default::default())),
        ..spec("web")
    };
    let meant = v1::ServiceSpec {
        mode: Some(v1::service_spec::Mode::Replicated(v1::Replicated {
            replicas: None,
        })),
        endpoint: Some(port(v1::port::Protocol::Tcp, v1::port::Mode::Ingress)),
        ..spec("web")
    };
    let created = desk.create(unset.clone()).await;
    assert_eq!(created.spec, Some(meant.clone()));
    let before = spec_revision(&created);
    for again in [unset, meant] {
        for update_mask in [None, mask(&["endpoint", "replicated"]).into()] {
            let request = v1::UpdateServiceRequest {
                update_mask,
                ..update("web", again.clone())
            };
            let answer = desk.services().update_service(request).await;
            let answer = answer.expect("it changes nothing").into_inner();
            let service = answer.service.unwrap_or_default();
            assert_eq!(spec_revision(&service), before, "a spec was written");
            assert_eq!(service.spec, created.spec);
        }
    }
}

/// The sample is only worth something if nothing was forgotten in it.
#[test]
fn the_full_spec_is_full() {
    let set: Vec<_> = super::samples::all()
        .iter()
        .flat_map(|sample| spots(&sample.request))
        .map(|spot| spot.field.full_name().to_owned())
        .collect();
    for name in super::fields::request_fields() {
        let elsewhere = ["every_node", "at_least"]
            .iter()
            .any(|part| name.ends_with(part));
        let masks = name.ends_with("Request.update_mask");
        let zero = name.ends_with("if_spec_revision");
        let stream = ["WatchTasks", "Watch", "StreamLogs"]
            .iter()
            .any(|method| name.starts_with(&format!("skep.v1.{method}Request.")));
        assert!(
            elsewhere || masks || zero || stream || set.contains(&name),
            "{name} is in no sample"
        );
    }
}

#[tokio::test]
pub(super) async fn an_object_answers_to_its_id_its_name_and_the_beginning_of_its_id() {
    let desk = Desk::new().await;
    let web = desk.create(spec("web")).await;
    let id = id_of(&web).to_owned();
    for reference in ["web", "WEB", &id, &id[..12]] {
        assert_eq!(id_of(&desk.get(reference).await), id, "{reference}");
        let more = update(
            reference,
            v1::ServiceSpec {
                mode: replicas(u32::try_from(reference.len()).unwrap()),
                ..spec("web")
            },
        );
        desk.services().update_service(more).await.expect(reference);
    }
    let delete = v1::DeleteServiceRequest {
        service: id[..12].to_owned(),
        ..v1::DeleteServiceRequest::default()
    };
    let deleted = desk
        .services()
        .delete_service(delete)
        .await
        .expect("it is there");
    let deleted = deleted.into_inner().service.expect("the answer shows it");
    assert!(deleted.meta.is_some_and(|meta| meta.delete_time.is_some()));
}

#[tokio::test]
pub(super) async fn a_reference_is_required() {
    let desk = Desk::new().await;
    let get = desk
        .services()
        .get_service(v1::GetServiceRequest::default())
        .await;
    refused(get, &["service"]);
    let delete = desk
        .services()
        .delete_service(v1::DeleteServiceRequest::default())
        .await;
    refused(delete, &["service"]);
    let nameless = v1::UpdateServiceRequest {
        spec: Some(v1::ServiceSpec::default()),
        update_mask: Some(mask(&["labels"])),
        ..v1::UpdateServiceRequest::default()
    };
    refused(desk.services().update_service(nameless).await, &["service"]);
    let specless = v1::UpdateServiceRequest::default();
    refused(desk.services().update_service(specless).await, &["spec"]);
}

#[tokio::test]
pub(super) async fn without_a_mask_the_whole_spec_is_replaced() {
    let desk = Desk::new().await;
    let before = desk.create(full_service("web")).await;
    let plain = v1::ServiceSpec {
        mode: replicas(1),
        ..spec("web")
    };
    let updated = desk
        .services()
        .update_service(update("", plain.clone()))
        .await;
    let updated = updated.expect("nothing is wrong").into_inner();
    let service = updated.service.expect("the answer shows it");
    assert_eq!(service.spec, Some(plain.clone()));
    assert_eq!(spec_revision(&service), updated.revision);
    assert!(spec_revision(&service) > spec_revision(&before));
    let again = desk.services().update_service(update("web", plain)).await;
    let again = again.expect("nothing is wrong").into_inner();
    assert_eq!(again.service, Some(service));
    assert_eq!(again.revision, desk.head().0);
}

#[tokio::test]
pub(super) async fn a_mask_takes_over_what_it_names() {
    let desk = Desk::new().await;
    let full = full_service("web");
    desk.create(full.clone()).await;
    let request = v1::UpdateServiceRequest {
        update_mask: Some(mask(&["replicated.replicas", "template.process.env"])),
        ..update(
            "web",
            v1::ServiceSpec {
                mode: replicas(9),
                labels: [("not".to_owned(), "looked at".to_owned())].into(),
                name: "-bad-".to_owned(),
                ..v1::ServiceSpec::default()
            },
        )
    };
    let updated = desk
        .services()
        .update_service(request)
        .await
        .expect("nothing is wrong");
    let got = updated
        .into_inner()
        .service
        .and_then(|service| service.spec)
        .expect("shown");
    let mut wanted = v1::ServiceSpec {
        mode: replicas(9),
        ..full
    };
    if let Some(v1::task_template::Workload::Process(process)) = wanted
        .template
        .as_mut()
        .and_then(|template| template.workload.as_mut())
    {
        process.env.clear();
    }
    assert_eq!(got, wanted);
}

#[tokio::test]
pub(super) async fn a_bad_mask_or_a_bad_result_is_refused() {
    let desk = Desk::new().await;
    desk.create(spec("web")).await;
    let masked = |paths: &[&str]| v1::UpdateServiceRequest {
        update_mask: Some(mask(paths)),
        ..update(
            "web",
            v1::ServiceSpec {
                mode: replicas(100_001),
                ..spec("web")
            },
        )
    };
    let call = async |request| desk.services().update_service(request).await;
    let paths = ["labels", "nonsense", "labels.team"];
    let wrong = ["update_mask.paths[1]", "update_mask.paths[2]"];
    refused(call(masked(&paths)).await, &wrong);
    refused(call(masked(&["labels"; 65])).await, &["update_mask.paths"]);
    let replicas = ["spec.replicated.replicas"];
    refused(call(masked(&["replicated"])).await, &replicas);
    call(masked(&[])).await.expect("nothing is taken over");
}

#[tokio::test]
pub(super) async fn the_revision_of_the_spec_is_compared() {
    let desk = Desk::new().await;
    let web = desk.create(spec("web")).await;
    let present = spec_revision(&web);
    desk.task(&web, 1, NodeId(2));
    let request = |seen| v1::UpdateServiceRequest {
        if_spec_revision: seen,
        ..update(
            "web",
            v1::ServiceSpec {
                mode: replicas(3),
                ..spec("web")
            },
        )
    };
    let told = [("spec_revision", &*present.to_string())];
    let stale = desk.services().update_service(request(present + 1)).await;
    failed(stale, ErrorReason::SpecRevisionMismatch, &told);
    let delete = v1::DeleteServiceRequest {
        service: "web".to_owned(),
        if_spec_revision: present + 1,
        ..v1::DeleteServiceRequest::default()
    };
    let stale = desk.services().delete_service(delete).await;
    failed(stale, ErrorReason::SpecRevisionMismatch, &told);
    desk.services()
        .update_service(request(present))
        .await
        .expect("it is the present one");
}

#[tokio::test]
pub(super) async fn what_is_missing_is_created_if_allowed() {
    let desk = Desk::new().await;
    let apply = v1::UpdateServiceRequest {
        allow_missing: true,
        ..update("", spec("web"))
    };
    let created = desk.services().update_service(apply.clone()).await;
    let created = created.expect("it is created").into_inner();
    assert_eq!(
        desk.services()
            .update_service(apply.clone())
            .await
            .unwrap()
            .into_inner(),
        created
    );
    let both = v1::UpdateServiceRequest {
        update_mask: Some(mask(&["labels"])),
        if_spec_revision: 5,
        ..apply
    };
    let both = desk.services().update_service(both).await;
    refused(both, &["allow_missing", "allow_missing"]);
    let none = desk
        .services()
        .update_service(update("none", spec("none")))
        .await;
    failed(
        none,
        ErrorReason::ObjectNotFound,
        &[("kind", "service"), ("name", "none")],
    );
}

#[tokio::test]
pub(super) async fn what_is_missing_is_deleted_if_allowed() {
    let desk = Desk::new().await;
    let request = |allow_missing| v1::DeleteServiceRequest {
        service: "none".to_owned(),
        allow_missing,
        ..v1::DeleteServiceRequest::default()
    };
    let missing = desk.services().delete_service(request(false)).await;
    failed(
        missing,
        ErrorReason::ObjectNotFound,
        &[("kind", "service"), ("name", "none")],
    );
    let granted = desk
        .services()
        .delete_service(request(true))
        .await
        .expect("allowed");
    let granted = granted.into_inner();
    assert_eq!((granted.service, granted.revision), (None, desk.head().0));
}

#[tokio::test]
pub(super) async fn the_answer_shows_the_object_as_the_change_left_it() {
    let desk = Desk::new().await;
    let before = desk.create(spec("web")).await;
    let id: ServiceId = id_of(&before).parse().unwrap();
    let task = desk.task(&before, 1, NodeId(2));
    let request = v1::UpdateServiceRequest {
        request_id: "r1".to_owned(),
        ..update(
            "web",
            v1::ServiceSpec {
                mode: replicas(2),
                ..spec("web")
            },
        )
    };
    let first = desk
        .services()
        .update_service(request.clone())
        .await
        .unwrap()
        .into_inner();
    let ended = Observation::of(TaskState::Stopped, desk.view().time());
    desk.cluster.write([Write::ObserveTask {
        task,
        observation: ended,
    }]);
    desk.cluster.write([Write::DeleteTask { task }]);
    desk.cluster.write([Write::DeleteService { service: id }]);
    let again = desk
        .services()
        .update_service(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again, first);
    assert_eq!(first.service.unwrap().status.unwrap().running_tasks, 1);
    desk.cluster.compact();
    let late = desk.services().update_service(request).await;
    failed(
        late,
        ErrorReason::ObjectNotFound,
        &[("kind", "service"), ("name", id_of(&before))],
    );
}

#[tokio::test]
pub(super) async fn a_change_that_is_overtaken_is_decided_again() {
    let desk = Desk::new().await;
    let web = desk.create(with_port("web", 0)).await;
    let id: ServiceId = id_of(&web).parse().unwrap();
    let state = desk.view();
    let known = state.service(id).unwrap();
    let mut other = known.spec.as_ref().clone();
    other.labels = std::sync::Arc::new([("by".to_owned(), "another".to_owned())].into());
    desk.cluster.overtake(Change {
        writes: vec![Write::PutServiceSpec {
            service: id,
            spec: other.into(),
            ports: known.ports.clone(),
            new_template: false,
        }],
        time: state.time(),
        ..Change::default()
    });
    let request = v1::UpdateServiceRequest {
        update_mask: Some(mask(&["replicated.replicas"])),
        ..update(
            "web",
            v1::ServiceSpec {
                mode: replicas(5),
                ..v1::ServiceSpec::default()
            },
        )
    };
    desk.services()
        .update_service(request)
        .await
        .expect("it is made all the same");
    let spec = desk.get("web").await.spec.unwrap();
    assert_eq!(
        (spec.mode, spec.labels["by"].as_str()),
        (replicas(5), "another")
    );
}

#[tokio::test]
pub(super) async fn the_caller_is_on_record() {
    let desk = Desk::new().await;
    desk.create(spec("web")).await;
    let change = desk.cluster.last_change().expect("there was one");
    assert_eq!(&*change.caller, "dev");
}
