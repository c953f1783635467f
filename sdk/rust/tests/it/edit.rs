// SPDX-License-Identifier: Apache-2.0
//! Editing under competition.

use skep_sdk::Code;
use skep_sdk::v1::{
    ErrorReason, GetServiceResponse, Meta, Service, ServiceSpec, UpdateServiceResponse,
};

use crate::fake::{Fake, refusal};

fn read(spec_revision: u64, label: &str) -> GetServiceResponse {
    let meta = Meta {
        id: "svc_1".into(),
        spec_revision,
        ..Meta::default()
    };
    let labels = [("a".to_owned(), label.to_owned())].into();
    let spec = ServiceSpec {
        name: "web".into(),
        labels,
        ..ServiceSpec::default()
    };
    let service = Service {
        meta: Some(meta),
        spec: Some(spec),
        status: None,
    };
    GetServiceResponse {
        service: Some(service),
        revision: spec_revision + 100,
    }
}

#[tokio::test]
async fn an_edit_starts_over_when_another_was_faster() {
    let running = Fake::start().await;
    running.fake.with(|script| {
        script.gets.extend([read(3, "theirs"), read(4, "newer")]);
        script.updates.extend([
            Err(refusal(Code::Aborted, "SPEC_REVISION_MISMATCH")),
            Ok(UpdateServiceResponse {
                revision: 9,
                ..UpdateServiceResponse::default()
            }),
        ]);
    });
    let edited = running.client.edit_service("web", |spec| {
        spec.labels.insert("b".into(), "mine".into());
    });
    let edited = edited.await.unwrap();
    assert!(edited.changed);
    assert_eq!(edited.revision, 9);
    running.fake.with(|script| {
        let [first, second] = script.asked_updates.as_slice() else {
            panic!("two updates")
        };
        assert_eq!((first.if_spec_revision, second.if_spec_revision), (3, 4));
        assert_ne!(first.request_id, second.request_id);
        assert_eq!(second.service, "svc_1");
        assert_eq!(second.update_mask.as_ref().unwrap().paths, ["labels"]);
        let labels = [("a", "newer"), ("b", "mine")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let sent = ServiceSpec {
            labels: labels.into(),
            ..ServiceSpec::default()
        };
        assert_eq!(second.spec.as_ref(), Some(&sent), "and nothing else");
    });
}

#[tokio::test]
async fn an_edit_that_changes_nothing_sends_nothing() {
    let running = Fake::start().await;
    running
        .fake
        .with(|script| script.gets.push_back(read(3, "x")));
    let edited = running
        .client
        .edit_service("web", |spec| spec.name = "web".into())
        .await
        .unwrap();
    assert_eq!((edited.changed, edited.revision), (false, 103));
}

#[tokio::test]
async fn an_edit_that_never_wins_says_so() {
    let running = Fake::start().await;
    running.fake.with(|script| {
        for round in 0..10 {
            script.gets.push_back(read(round, "x"));
            script
                .updates
                .push_back(Err(refusal(Code::Aborted, "SPEC_REVISION_MISMATCH")));
        }
    });
    let edited = running
        .client
        .edit_service("web", |spec| spec.labels.clear())
        .await;
    assert!(edited.unwrap_err().is(ErrorReason::SpecRevisionMismatch));
    assert_eq!(running.fake.with(|script| script.asked_updates.len()), 10);
}
