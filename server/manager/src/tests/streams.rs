// SPDX-License-Identifier: Apache-2.0
//! The calls that answer with a stream: what each field of their requests does.

use std::sync::Arc;

use async_trait::async_trait;
use prost_types::{Duration, Timestamp};
use skep_core::model::{NodeId, NodeState};
use skep_core::state::Write;
use skep_core::testing::World;
use skep_proto::v1;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status, Streaming};

use super::desk::{Desk, refused, spec};
use super::stand_ins::StandClock;
use crate::dispatch::Dispatch;
use crate::error::Failure;
use crate::logs::Logs;
use crate::member::SystemClock;
use crate::streams::{Frames, Streams};
use crate::watch::Watches;

/// The real streams.
struct Real {
    watches: Watches,
    logs: Logs,
    stop: CancellationToken,
}

impl Drop for Real {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[async_trait]
impl Streams for Real {
    async fn watch_tasks(
        &self,
        request: v1::WatchTasksRequest,
    ) -> Result<Frames<v1::EncodedFrame>, Failure> {
        self.watches.tasks(request).await
    }

    async fn watch(&self, request: v1::WatchRequest) -> Result<Frames<v1::EncodedFrame>, Failure> {
        self.watches.all(request).await
    }

    async fn stream_logs(
        &self,
        request: v1::StreamLogsRequest,
    ) -> Result<Frames<v1::StreamLogsResponse>, Failure> {
        self.logs.stream(request).await
    }
}

/// Two services with a task each, of which that of "api" is on a node that is down.
async fn world() -> Desk {
    let desk = Desk::with_streams(World::with_nodes(3), |cluster| {
        let stop = CancellationToken::new();
        let dispatch = Dispatch::start(cluster.clone(), Arc::new(StandClock), &[], stop.clone());
        Arc::new(Real {
            watches: Watches::new(cluster.clone(), Arc::new(SystemClock), 10, stop.clone()),
            logs: Logs::new(cluster, dispatch, stop.clone()),
            stop,
        })
    });
    let desk = desk.await;
    for (slot, name, node) in [(1, "web", NodeId(2)), (2, "api", NodeId(3))] {
        let service = desk.create(spec(name)).await;
        desk.task(&service, slot, node);
    }
    desk.cluster.write([Write::SetNodeState {
        node: NodeId(3),
        state: NodeState::Down,
        message: "silent".into(),
    }]);
    desk
}

fn of_service(name: &str) -> Option<v1::TaskFilter> {
    Some(v1::TaskFilter {
        services: vec![name.to_owned()],
        ..v1::TaskFilter::default()
    })
}

fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

async fn next<T>(stream: &mut Streaming<T>) -> T {
    stream
        .message()
        .await
        .expect("it goes on")
        .expect("there is one")
}

async fn watch_tasks(
    desk: &Desk,
    request: v1::WatchTasksRequest,
) -> Result<Streaming<v1::WatchTasksResponse>, Status> {
    Ok(desk.tasks().watch_tasks(request).await?.into_inner())
}

async fn watch(
    desk: &Desk,
    request: v1::WatchRequest,
) -> Result<Streaming<v1::WatchResponse>, Status> {
    let mut client = v1::watch_service_client::WatchServiceClient::new(desk.channel.clone());
    Ok(client.watch(request).await?.into_inner())
}

#[tokio::test]
pub(super) async fn a_task_watch_shows_what_its_filter_lets_through() {
    let desk = world().await;
    let request = v1::WatchTasksRequest {
        filter: of_service("api"),
        ..v1::WatchTasksRequest::default()
    };
    let mut frames = watch_tasks(&desk, request).await.expect("it begins");
    let frame = next(&mut frames).await;
    let names: Vec<_> = frame
        .events
        .iter()
        .filter_map(|event| event.task.clone())
        .collect();
    assert_eq!((names.len(), names[0].name.as_str()), (1, "api.2"));
    assert_eq!(frame.revision, desk.head().0);
}

#[tokio::test]
pub(super) async fn a_task_watch_resumes_and_keeps_in_touch() {
    let desk = world().await;
    let request = v1::WatchTasksRequest {
        filter: None,
        after_revision: desk.head().0,
        progress_interval: seconds(1),
    };
    let mut frames = watch_tasks(&desk, request.clone())
        .await
        .expect("it begins");
    let begun = tokio::time::Instant::now();
    let quiet = next(&mut frames).await;
    assert_eq!((quiet.events.len(), quiet.revision), (0, desk.head().0));
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(4),
        "sooner than by default"
    );
    let bad = v1::WatchTasksRequest {
        filter: Some(v1::TaskFilter {
            tasks: vec!["web".to_owned()],
            ..v1::TaskFilter::default()
        }),
        after_revision: 1 << 60,
        progress_interval: seconds(61),
    };
    let fields = ["filter.tasks[0]", "after_revision", "progress_interval"];
    refused(watch_tasks(&desk, bad).await, &fields);
}

#[tokio::test]
pub(super) async fn a_watch_shows_the_kinds_it_was_asked_for() {
    let desk = world().await;
    let all = v1::WatchRequest {
        tasks: Some(v1::TaskFilter::default()),
        services: Some(v1::ServiceFilter::default()),
        nodes: Some(v1::NodeFilter::default()),
        swarm: true,
        ..v1::WatchRequest::default()
    };
    let none = v1::WatchRequest::default;
    for (request, count) in [
        (
            v1::WatchRequest {
                tasks: all.tasks.clone(),
                ..none()
            },
            2,
        ),
        (
            v1::WatchRequest {
                services: all.services.clone(),
                ..none()
            },
            2,
        ),
        (
            v1::WatchRequest {
                nodes: all.nodes.clone(),
                ..none()
            },
            3,
        ),
        (
            v1::WatchRequest {
                swarm: true,
                ..none()
            },
            1,
        ),
        (all, 8),
    ] {
        let what = format!("{request:?}");
        let mut frames = watch(&desk, request).await.expect("it begins");
        assert_eq!(next(&mut frames).await.events.len(), count, "{what}");
    }
    refused(watch(&desk, none()).await, &["tasks"]);
}

#[tokio::test]
pub(super) async fn a_watch_resumes_and_keeps_in_touch() {
    let desk = world().await;
    let after_revision = desk.head().0;
    let created = desk.create(spec("new")).await;
    let request = v1::WatchRequest {
        services: Some(v1::ServiceFilter::default()),
        after_revision,
        progress_interval: seconds(1),
        ..v1::WatchRequest::default()
    };
    let mut frames = watch(&desk, request.clone()).await.expect("it begins");
    let frame = next(&mut frames).await;
    let revision = created.meta.map_or(0, |meta| meta.revision);
    assert_eq!((frame.events.len(), frame.revision), (1, revision));
    let begun = tokio::time::Instant::now();
    assert_eq!(next(&mut frames).await.events.len(), 0);
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(4),
        "sooner than by default"
    );
    let bad = v1::WatchRequest {
        after_revision: 1 << 60,
        progress_interval: seconds(0),
        ..request
    };
    refused(
        watch(&desk, bad).await,
        &["after_revision", "progress_interval"],
    );
}

async fn logs(
    desk: &Desk,
    request: v1::StreamLogsRequest,
) -> Result<Streaming<v1::StreamLogsResponse>, Status> {
    let mut client = v1::log_service_client::LogServiceClient::new(desk.channel.clone());
    Ok(client
        .stream_logs(Request::new(request))
        .await?
        .into_inner())
}

#[tokio::test]
pub(super) async fn logs_are_those_of_the_tasks_asked_for() {
    let desk = world().await;
    for (name, follow) in [("api", false), ("none", false), ("api", true)] {
        let request = v1::StreamLogsRequest {
            filter: of_service(name),
            follow,
            tail: Some(5),
            since_time: Some(Timestamp {
                seconds: 1,
                nanos: 0,
            }),
        };
        let mut stream = logs(&desk, request).await.expect("it begins");
        if name == "api" {
            let gaps = next(&mut stream).await.gaps;
            assert_eq!((gaps.len(), gaps[0].reason.as_str()), (1, "NODE_DOWN"));
        }
        if !follow {
            let end = stream.message().await.expect("nothing went wrong");
            assert_eq!(end, None, "there is nothing more of {name}");
        }
    }
}

#[tokio::test]
pub(super) async fn bad_requests_for_logs_are_refused() {
    let desk = world().await;
    let bad = v1::StreamLogsRequest {
        filter: Some(v1::TaskFilter {
            states: vec![99],
            ..v1::TaskFilter::default()
        }),
        follow: true,
        tail: Some(1_000_001),
        since_time: Some(Timestamp {
            seconds: i64::MAX,
            nanos: 0,
        }),
    };
    refused(
        logs(&desk, bad).await,
        &["filter.states[0]", "tail", "since_time"],
    );
}
