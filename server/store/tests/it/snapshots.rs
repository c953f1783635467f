// SPDX-License-Identifier: Apache-2.0
//! Snapshots: they shorten the log, they are whole or refused, and failing ones do no harm.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use skep_core::model::{SwarmId, SwarmSpec, Timestamp};
use skep_core::state::{Change, Write};
use skep_store::fs::{Fs, Loss, SimFs};
use skep_store::{OpenError, Store};

use crate::swarm::{DIR, change, create_service, files, open, open_with_swarm, options, services};

/// Waits until something holds that another thread brings about.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = std::time::Duration::from_secs(60);
    let mut looks = tokio::time::interval(std::time::Duration::from_millis(2));
    let waiting = async {
        while !holds() {
            looks.tick().await;
        }
    };
    let waited = tokio::time::timeout(patience, waiting).await;
    assert!(waited.is_ok(), "{what} did not come about");
}

async fn create(store: &Store, numbers: std::ops::RangeInclusive<u128>) {
    for number in numbers {
        let created = store.proposer().propose(create_service(number)).await;
        assert_eq!(created.expect("an answer").outcome, Ok(()));
    }
}

/// A store that has a snapshot and a few entries after it, closed.
async fn with_snapshot() -> SimFs {
    let fs = SimFs::new(1);
    let store = open_with_swarm(&fs, 30).await;
    create(&store, 1..=60).await;
    until("a snapshot", || store.health().snapshot.is_some()).await;
    create(&store, 61..=65).await;
    store.shutdown().await;
    fs
}

#[tokio::test]
async fn old_segments_and_snapshots_go() {
    let fs = SimFs::new(1);
    let store = open_with_swarm(&fs, 50).await;
    create(&store, 1..=600).await;
    let old = |name: &str| files(&fs, "log").iter().any(|path| path.ends_with(name));
    until("the end of the first segment", || {
        !old("log-00000000000000000001.wal")
    })
    .await;
    until("one snapshot", || {
        files(&fs, "snapshots")
            .iter()
            .filter(|path| path.extension().is_some_and(|e| e == "snap"))
            .count()
            == 1
    })
    .await;
    store.shutdown().await;
    drop(store);
    fs.crash(Loss::Everything);
    let store = open(&fs).await.expect("it opens");
    assert_eq!(services(&store.view().state()).len(), 600);
    store.shutdown().await;
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_written_does_no_harm() {
    let fs = SimFs::new(1);
    let store = open_with_swarm(&fs, 5).await;
    create(&store, 101..=110).await;
    until("a snapshot", || store.health().snapshot.is_some()).await;
    // The log has its blocks already; a snapshot finds no room for more.
    let used: usize = files(&fs, "log")
        .iter()
        .chain(&files(&fs, "snapshots"))
        .map(|path| fs.content(path).map_or(0, |content| content.len()))
        .sum();
    fs.set_capacity(used as u64);
    let snapshot = store.health().snapshot;
    create(&store, 1..=12).await;
    assert!(store.health().failure.is_none());
    fs.set_capacity(u64::MAX);
    create(&store, 13..=24).await;
    until("a later snapshot", || store.health().snapshot > snapshot).await;
    store.shutdown().await;
}

#[tokio::test]
async fn a_damaged_snapshot_is_refused_wherever_it_is_damaged() {
    let fs = with_snapshot().await;
    let path = files(&fs, "snapshots").pop().expect("a snapshot");
    let content = fs.content(&path).expect("content");
    let step = content.len() / 60;
    for at in (0..content.len()).step_by(step).chain([content.len() - 1]) {
        let mut damaged = content.clone();
        damaged[at] ^= 1 << (at % 8);
        fs.set_content(&path, damaged).expect("damaged");
        let error = Store::open(options(&fs)).await.expect_err("damaged");
        assert!(
            matches!(&error, OpenError::Damaged { file, .. } if *file == path),
            "{error}"
        );
    }
    for length in [0, 5, content.len() / 2, content.len() - 1] {
        fs.set_content(&path, content[..length].to_vec())
            .expect("cut");
        let error = Store::open(options(&fs)).await.expect_err("cut");
        assert!(error.to_string().contains("backup"), "{error}");
    }
    let longer = [&content[..], b"x"].concat();
    fs.set_content(&path, longer).expect("longer");
    Store::open(options(&fs))
        .await
        .expect_err("something behind its end");
    fs.set_content(&path, content).expect("healed");
    let store = open(&fs).await.expect("it opens");
    assert_eq!(services(&store.view().state()).len(), 65);
    store.shutdown().await;
}

#[tokio::test]
async fn neither_is_missed_silently() {
    let fs = with_snapshot().await;
    for path in files(&fs, "snapshots") {
        fs.remove(&path).expect("removed");
    }
    let error = Store::open(options(&fs)).await.expect_err("no snapshot");
    let dir = Path::new(DIR).join("snapshots");
    assert!(
        matches!(&error, OpenError::Missing { file, .. } if *file == dir),
        "{error}"
    );

    let fs = with_snapshot().await;
    for path in files(&fs, "log") {
        fs.remove(&path).expect("removed");
    }
    let error = Store::open(options(&fs)).await.expect_err("no log");
    let dir = Path::new(DIR).join("log");
    assert!(
        matches!(&error, OpenError::Missing { file, .. } if *file == dir),
        "{error}"
    );
}

#[tokio::test]
async fn a_crash_while_one_is_written_leaves_the_one_before() {
    let fs = with_snapshot().await;
    let path = Path::new(DIR).join("snapshots/snap-00000000000000099999.tmp");
    let file = fs
        .open(&path, skep_store::fs::OpenMode::CreateNew)
        .expect("a beginning");
    file.write_at(0, b"skepsnp1 and no more").expect("written");
    let store = open(&fs).await.expect("it opens");
    assert_eq!(services(&store.view().state()).len(), 65);
    assert!(!files(&fs, "snapshots").contains(&path));
    store.shutdown().await;
}

#[tokio::test]
async fn a_long_history_outlives_a_restart() {
    let fs = SimFs::new(1);
    let store = open(&fs).await.expect("it opens");
    let spec = SwarmSpec {
        watch_history: Some(Duration::from_secs(3_600)),
        snapshot_interval: Some(20),
        ..SwarmSpec::default()
    };
    let id = SwarmId(1);
    let put = change([Write::PutSwarm {
        id,
        spec: Arc::new(spec),
    }]);
    let first = store.proposer().propose(put).await.expect("an answer");
    for minute in 1..=30 {
        let later = Change {
            time: Timestamp::from_millis(1_000_000 + 60_000 * minute),
            ..create_service(minute as u128)
        };
        let created = store.proposer().propose(later).await.expect("an answer");
        assert_eq!(created.outcome, Ok(()));
    }
    until("a snapshot", || store.health().snapshot.is_some()).await;
    store.shutdown().await;
    let store = open(&fs).await.expect("it opens");
    let steps = store.view().steps_after(first.revision, usize::MAX);
    assert_eq!(steps.map(|steps| steps.len()), Ok(30));
    store.shutdown().await;
}
