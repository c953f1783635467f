// SPDX-License-Identifier: Apache-2.0
//! A watch over broken streams, lost history and silence.

use std::time::Duration;

use skep_sdk::v1::{
    ErrorReason, EventType, Meta, Service, Task, WatchRequest, WatchResponse, watch_response,
};
use skep_sdk::{Code, Identified, Object, Status, StreamExt, WatchEvent};

use crate::fake::{Fake, refusal};

fn task(id: &str) -> Task {
    Task {
        meta: Some(Meta {
            id: id.into(),
            ..Meta::default()
        }),
        ..Task::default()
    }
}

fn frame(revision: u64, events: &[(EventType, &str)]) -> Result<WatchResponse, Status> {
    let event = |(kind, id): &(EventType, &str)| watch_response::Event {
        r#type: (*kind).into(),
        object: Some(Object::Task(task(id))),
    };
    let events = events.iter().map(event).collect();
    Ok(WatchResponse {
        revision,
        events,
        head_revision: revision,
    })
}

/// Events in short: `reset a b`, `added c`, `at 7`.
fn words(event: WatchEvent<Task>) -> String {
    match event {
        WatchEvent::Reset(all) => {
            let ids: Vec<&str> = all.iter().map(Identified::id).collect();
            format!("reset {}", ids.join(" "))
        }
        WatchEvent::Added(task) => format!("added {}", task.id()),
        WatchEvent::Changed(task) => format!("changed {}", task.id()),
        WatchEvent::Left(task) => format!("left {}", task.id()),
        WatchEvent::Deleted(task) => format!("deleted {}", task.id()),
        WatchEvent::Progress { revision, .. } => format!("at {revision}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_after_the_last_whole_step() {
    let running = Fake::start().await;
    running.fake.with(|script| {
        script.watches.extend([
            vec![
                frame(3, &[(EventType::Added, "a")]),
                // Half a step, then the stream ends: it must come again, whole.
                frame(0, &[(EventType::Changed, "a")]),
            ],
            vec![Err(Status::unknown("error reading a body from connection"))],
            vec![frame(
                4,
                &[(EventType::Changed, "a"), (EventType::Added, "b")],
            )],
            vec![Err(refusal(Code::OutOfRange, "REVISION_COMPACTED"))],
            vec![
                frame(9, &[(EventType::Added, "c")]),
                frame(10, &[(EventType::Deleted, "c")]),
            ],
        ]);
    });
    let mut watch = running.client.watch::<Task>(WatchRequest::default());
    let mut seen = Vec::new();
    while seen.len() < 9 {
        seen.push(words(watch.next().await.unwrap().unwrap()));
    }
    let expected = [
        "reset a",
        "at 3",
        "changed a",
        "added b",
        "at 4",
        "reset c",
        "at 9",
        "deleted c",
        "at 10",
    ];
    assert_eq!(seen, expected);
    running.fake.with(|script| {
        let after: Vec<u64> = script
            .asked_watches
            .iter()
            .map(|r| r.after_revision)
            .collect();
        assert_eq!(after, [0, 3, 3, 4, 0]);
        assert!(
            script.timeouts.iter().all(Option::is_none),
            "a watch has no deadline"
        );
    });
}

#[tokio::test]
async fn a_refused_filter_ends_the_watch() {
    let running = Fake::start().await;
    let refused = vec![Err(refusal(Code::InvalidArgument, "INVALID_FIELD"))];
    running
        .fake
        .with(|script| script.watches.push_back(refused));
    let mut watch = running.client.watch::<Task>(WatchRequest::default());
    let error = watch.next().await.unwrap().unwrap_err();
    assert!(error.is(ErrorReason::InvalidField), "{error}");
    assert!(watch.next().await.is_none(), "it ends after an error");
}

#[tokio::test(start_paused = true)]
async fn the_first_state_comes_whole_and_an_empty_one_is_a_reset_too() {
    let running = Fake::start().await;
    running.fake.with(|script| {
        script.watches.push_back(vec![
            frame(0, &[(EventType::Added, "a")]),
            frame(5, &[(EventType::Added, "b")]),
            frame(6, &[(EventType::Left, "a"), (EventType::Unspecified, "b")]),
            frame(7, &[]),
        ]);
        script
            .watches
            .push_back(vec![Err(refusal(Code::OutOfRange, "REVISION_UNKNOWN"))]);
        script.watches.push_back(vec![frame(1, &[])]);
    });
    let watch = running.client.watch::<Task>(WatchRequest::default());
    let seen: Vec<String> = watch
        .take(8)
        .map(|event| words(event.unwrap()))
        .collect()
        .await;
    let expected = [
        "reset a b",
        "at 5",
        "left a",
        "changed b",
        "at 6",
        "at 7",
        "reset ",
        "at 1",
    ];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_not_wanted_is_left_out() {
    let running = Fake::start().await;
    running.fake.with(|script| {
        script.watches.push_back(vec![
            step(0, EventType::Added, Object::Service(Service::default())),
            frame(5, &[(EventType::Added, "a")]),
        ]);
    });
    let mut watch = running.client.watch::<Task>(WatchRequest::default());
    assert_eq!(words(watch.next().await.unwrap().unwrap()), "reset a");
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_broken_connection() {
    let running = Fake::start().await;
    let request = WatchRequest {
        after_revision: 5,
        progress_interval: Some(Duration::from_secs(2).try_into().unwrap()),
        ..WatchRequest::default()
    };
    let mut watch = running.client.watch::<Task>(request);
    let waited = tokio::time::timeout(Duration::from_secs(60), watch.next()).await;
    assert!(waited.is_err(), "{waited:?}");
    let asked = running.fake.with(|script| script.asked_watches.len());
    // Six seconds of silence each, and at most two between.
    assert!((7..=10).contains(&asked), "{asked}");
}

pub(crate) fn step(
    revision: u64,
    kind: EventType,
    object: Object,
) -> Result<WatchResponse, Status> {
    let event = watch_response::Event {
        r#type: kind.into(),
        object: Some(object),
    };
    Ok(WatchResponse {
        revision,
        events: vec![event],
        head_revision: revision,
    })
}
