// SPDX-License-Identifier: Apache-2.0
//! Watches as streams: when they wake, what ends them, and how many there may be.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use prost::Message;
use skep_core::model::{NodeId, NodeState};
use skep_core::state::Write;
use skep_core::testing::World;
use skep_proto::v1;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::error::Failure;
use crate::member::SystemClock;
use crate::testing::MemoryCluster;

use super::Watches;

struct Fixture {
    cluster: Arc<MemoryCluster>,
    watches: Watches,
    stop: CancellationToken,
}

fn fixture(limit: usize) -> Fixture {
    let cluster = Arc::new(MemoryCluster::new(World::with_nodes(2)));
    let stop = CancellationToken::new();
    let watches = Watches::new(cluster.clone(), Arc::new(SystemClock), limit, stop.clone());
    Fixture {
        cluster,
        watches,
        stop,
    }
}

fn nodes(after_revision: u64) -> v1::WatchRequest {
    v1::WatchRequest {
        nodes: Some(v1::NodeFilter::default()),
        after_revision,
        progress_interval: Some(prost_types::Duration {
            seconds: 1,
            nanos: 0,
        }),
        ..v1::WatchRequest::default()
    }
}

fn down(node: u128) -> Write {
    Write::SetNodeState {
        node: NodeId(node),
        state: NodeState::Down,
        message: "".into(),
    }
}

/// A frame as clients read it.
fn read(frame: &v1::EncodedFrame) -> v1::WatchResponse {
    v1::WatchResponse::decode(frame.encode_to_vec().as_slice()).expect("it is whole")
}

#[tokio::test]
async fn a_change_wakes_a_watch() {
    let fixture = fixture(10);
    let mut watch = fixture.watches.all(nodes(0)).await.expect("it opens");
    let first = watch.next().await.expect("a frame").expect("no error");
    assert_eq!(first.events.len(), 2);
    assert!(first.revision > 0);
    assert!(watch.next().now_or_never().is_none());
    let revision = fixture.cluster.write([down(1)]);
    let second = watch.next().await.expect("a frame").expect("no error");
    assert_eq!((second.revision, second.events.len()), (revision.0, 1));
    assert_eq!(read(&second).events[0].r#type(), v1::EventType::Changed);
}

#[tokio::test]
async fn a_quiet_watch_gets_frames_in_time() {
    let fixture = fixture(10);
    let mut watch = fixture.watches.all(nodes(0)).await.expect("it opens");
    watch.next().await.expect("a frame").expect("no error");
    let frame = tokio::time::timeout(Duration::from_secs(20), watch.next()).await;
    let frame = frame.expect("in time").expect("a frame").expect("no error");
    assert!(frame.events.is_empty());
    assert_eq!(frame.revision, frame.head_revision);
}

#[tokio::test]
async fn a_forgotten_history_ends_a_watch() {
    let fixture = fixture(10);
    let mut watch = fixture.watches.all(nodes(0)).await.expect("it opens");
    watch.next().await.expect("a frame").expect("no error");
    fixture.cluster.write([down(1)]);
    fixture.cluster.compact();
    let error = watch.next().await.expect("an error").expect_err("an error");
    assert_eq!(error.code(), Code::OutOfRange);
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn too_many_watches_are_refused_until_one_ends() {
    let fixture = fixture(1);
    let watch = fixture.watches.all(nodes(0)).await.expect("it opens");
    assert_eq!(fixture.watches.count(), 1);
    let refused = fixture.watches.all(nodes(0)).await.err().expect("too many");
    assert!(matches!(
        refused,
        Failure::Limit {
            subject: "watches",
            limit: 1,
            ..
        }
    ));
    drop(watch);
    assert!(fixture.watches.all(nodes(0)).await.is_ok());
}

#[tokio::test]
async fn a_stop_ends_watches_between_steps() {
    let fixture = fixture(10);
    let mut watch = fixture.watches.all(nodes(0)).await.expect("it opens");
    fixture.stop.cancel();
    let frame = watch
        .next()
        .await
        .expect("the step is ended first")
        .expect("no error");
    assert!(frame.revision > 0);
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let fixture = fixture(10);
    let nothing = fixture
        .watches
        .all(v1::WatchRequest::default())
        .await
        .err()
        .expect("nothing");
    assert!(matches!(nothing, Failure::Invalid(_)));
    let unknown = fixture
        .watches
        .all(nodes(1 << 40))
        .await
        .err()
        .expect("from the future");
    assert!(matches!(unknown, Failure::UnknownRevision(_)));
}
