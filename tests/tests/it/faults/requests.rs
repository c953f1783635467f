// SPDX-License-Identifier: Apache-2.0
//! Calls that are refused, and why.

use std::time::Duration;

use skep_sdk::v1::{
    CreateServiceRequest, DeleteServiceRequest, ErrorReason, GetSwarmRequest, ServiceFilter,
    SwarmSpec, UpdateServiceRequest, UpdateSwarmRequest, WatchRequest,
};
use skep_sdk::{Code, Error, Status};
use skep_tests::Daemon;
use tokio::time::timeout;

use crate::api::{Api, program};

/// The history of a watch is kept for at least a minute, so this takes that long; and no more
/// than this.
const COMPACTION_TIME_MAX: Duration = Duration::from_secs(150);

/// What whoever watches from such a revision is told to do.
const BEGIN_AGAIN: &str = "begin again: a watch with after_revision 0, a list with its first page";

fn daemon() -> (Daemon, Api) {
    let daemon = Daemon::start_with(&["--dev", "--executor", "simulated"]);
    let api = Api::of(&daemon);
    (daemon, api)
}

#[track_caller]
fn refused(status: Status, code: Code, reason: ErrorReason) -> Error {
    let error = Error::from(status);
    assert!(error.code == code && error.is(reason), "{error:?}");
    error
}

#[test]
fn a_large_message_is_refused() {
    let (_daemon, api) = daemon();
    let mut spec = program("web", 1, &["/bin/true"]);
    spec.labels.insert("large".to_owned(), "x".repeat(5 << 20));
    let request = CreateServiceRequest {
        spec: Some(spec),
        ..Default::default()
    };
    let answer = api.run(api.client.services().create_service(request));
    let status = answer.expect_err("5 MiB are too much");
    let error = refused(status, Code::ResourceExhausted, ErrorReason::LimitExceeded);
    assert!(error.metadata.contains_key("limit"), "{error:?}");
    assert_eq!(
        error.message,
        "a request is at most 4194304 bytes, and this one is longer; keep what is large in a file \
         or an image, and name it in the spec"
    );
    api.create(program("web", 1, &["/bin/true"]));
}

#[test]
fn a_stale_revision_is_refused() {
    let (_daemon, api) = daemon();
    let first = api.create(program("web", 1, &["/bin/true"]));
    let stale = first.meta.unwrap_or_default().spec_revision;
    let update = |replicas| UpdateServiceRequest {
        spec: Some(program("web", replicas, &["/bin/true"])),
        if_spec_revision: stale,
        ..Default::default()
    };
    let answer = api.run(api.client.services().update_service(update(2)));
    let present = answer.expect("it was not stale").into_inner().revision;
    let answer = api.run(api.client.services().update_service(update(3)));
    let status = answer.expect_err("it is stale");
    let error = refused(status, Code::Aborted, ErrorReason::SpecRevisionMismatch);
    assert_eq!(error.metadata["spec_revision"], present.to_string());
    let words = "changed the spec; read it again and repeat the change";
    let words = format!("if_spec_revision: revision {present} {words}");
    assert_eq!(error.message, words);
    let delete = DeleteServiceRequest {
        service: "web".to_owned(),
        if_spec_revision: stale,
        ..Default::default()
    };
    let answer = api.run(api.client.services().delete_service(delete));
    let status = answer.expect_err("it is stale");
    refused(status, Code::Aborted, ErrorReason::SpecRevisionMismatch);
}

#[test]
fn a_request_id_is_for_one_request_also_over_a_restart() {
    let (mut daemon, api) = daemon();
    let request = |name: &str| CreateServiceRequest {
        spec: Some(program(name, 1, &["/bin/true"])),
        request_id: "one".to_owned(),
    };
    let create = |name: &str| api.run(api.client.services().create_service(request(name)));
    let first = create("web").expect("it is good").into_inner();
    daemon.kill();
    daemon.start_again();
    let again = create("web").expect("it is the same").into_inner();
    assert_eq!(again.revision, first.revision, "it had one effect");
    let status = create("other").expect_err("it is another");
    refused(status, Code::Aborted, ErrorReason::RequestIdReused);
}

/// A watch that comes back too late is told to begin anew, and one from nowhere too.
#[test]
fn a_watch_from_a_lost_revision_is_refused() {
    let (_daemon, api) = daemon();
    let history = SwarmSpec {
        watch_history: Some(Duration::from_secs(60).try_into().expect("a minute")),
        ..Default::default()
    };
    let request = UpdateSwarmRequest {
        spec: Some(history),
        ..Default::default()
    };
    let answer = api.run(api.client.swarm().update_swarm(request));
    let old = answer.expect("the shortest history").into_inner().revision;
    let status = api.run(async {
        let lost = async {
            loop {
                let from = watch_after(old);
                let mut frames = match api.client.watches().watch(from).await {
                    Ok(frames) => frames.into_inner(),
                    Err(status) => return status,
                };
                // Each second a frame comes; history goes when something is written.
                for _ in 0..2 {
                    if let Err(status) = frames.message().await {
                        return status;
                    }
                }
                drop(frames);
                note(&api).await;
            }
        };
        timeout(COMPACTION_TIME_MAX, lost).await
    });
    let status = status.expect("history goes after a minute");
    let error = refused(status, Code::OutOfRange, ErrorReason::RevisionCompacted);
    let compacted = error.metadata["compact_revision"].parse::<u64>();
    let compacted = compacted.expect("a revision");
    assert!(compacted >= old, "{error:?}");
    assert_eq!(
        error.message,
        format!("what happened up to revision {compacted} is forgotten; {BEGIN_AGAIN}")
    );

    let swarm = api.run(api.client.swarm().get_swarm(GetSwarmRequest::default()));
    let head = swarm.expect("the swarm").into_inner().revision;
    let unknown = api.run(async {
        let frames = api
            .client
            .watches()
            .watch(watch_after(head + 1_000_000))
            .await;
        match frames {
            Ok(frames) => frames
                .into_inner()
                .message()
                .await
                .expect_err("it is unknown"),
            Err(status) => status,
        }
    });
    let error = refused(unknown, Code::OutOfRange, ErrorReason::RevisionUnknown);
    assert!(error.message.ends_with(BEGIN_AGAIN), "{error:?}");
}

fn watch_after(after_revision: u64) -> WatchRequest {
    WatchRequest {
        services: Some(ServiceFilter::default()),
        after_revision,
        progress_interval: Some(Duration::from_secs(1).try_into().expect("a second")),
        ..Default::default()
    }
}

/// Writes something.
async fn note(api: &Api) {
    let mut spec = program("web", 0, &["/bin/true"]);
    spec.labels
        .insert("note".to_owned(), skep_sdk::new_request_id());
    let request = UpdateServiceRequest {
        spec: Some(spec),
        allow_missing: true,
        ..Default::default()
    };
    let answer = api.client.services().update_service(request).await;
    answer.expect("the service is good");
}
