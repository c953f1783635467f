// SPDX-License-Identifier: Apache-2.0
//! Deadlines, request ids, retries.

use skep_sdk::v1::{
    CreateServiceRequest, CreateServiceResponse, ErrorReason, InitSwarmRequest, InitSwarmResponse,
};
use skep_sdk::{Code, Error, Status};

use crate::fake::{Fake, refusal};

#[tokio::test(start_paused = true)]
async fn a_change_is_repeated_with_one_request_id() {
    let running = Fake::start().await;
    running.fake.with(|script| {
        script.creates.extend([
            Err(refusal(Code::Unavailable, "NO_QUORUM")),
            Err(refusal(Code::Unavailable, "MANAGER_NOT_READY")),
            Ok(CreateServiceResponse {
                revision: 5,
                ..CreateServiceResponse::default()
            }),
        ]);
    });
    let request = CreateServiceRequest::default();
    let answer = running
        .client
        .services()
        .create_service(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.revision, 5);
    running.fake.with(|script| {
        let ids: Vec<&str> = script
            .asked_creates
            .iter()
            .map(|r| r.request_id.as_str())
            .collect();
        assert_eq!(ids.len(), 3);
        assert_eq!(ids[0].len(), 26);
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert!(
            script.timeouts.iter().all(|timeout| timeout.is_some()),
            "no deadline was sent"
        );
    });
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_after_five_attempts() {
    let running = Fake::start().await;
    let failures = (0..5).map(|_| Err(refusal(Code::Unavailable, "NO_QUORUM")));
    running.fake.with(|script| script.creates.extend(failures));
    let answer = running
        .client
        .services()
        .create_service(CreateServiceRequest::default())
        .await;
    let error = Error::from(answer.unwrap_err());
    assert!(error.is(ErrorReason::NoQuorum), "{error}");
    assert_eq!(running.fake.with(|script| script.asked_creates.len()), 5);
}

#[tokio::test]
async fn other_failures_are_not_repeated() {
    let running = Fake::start().await;
    let refused = Err(refusal(Code::Aborted, "REQUEST_ID_REUSED"));
    running
        .fake
        .with(|script| script.creates.push_back(refused));
    let request = CreateServiceRequest {
        request_id: "mine".into(),
        ..Default::default()
    };
    let answer = running.client.services().create_service(request).await;
    assert!(Error::from(answer.unwrap_err()).is(ErrorReason::RequestIdReused));
    running
        .fake
        .with(|script| assert_eq!(script.asked_creates[0].request_id, "mine"));
}

#[tokio::test]
async fn what_nothing_protects_is_done_once() {
    let running = Fake::start().await;
    running.fake.with(|script| {
        script
            .inits
            .push_back(Err(Status::unavailable("the answer was lost")));
        script.inits.push_back(Ok(InitSwarmResponse::default()));
    });
    let answer = running
        .client
        .daemon()
        .init_swarm(InitSwarmRequest::default())
        .await;
    assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
    assert_eq!(running.fake.with(|script| script.inits.len()), 1);
}
