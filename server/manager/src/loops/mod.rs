// SPDX-License-Identifier: Apache-2.0
//! The leader's loops: core decides, these propose what it decided.

mod feed;

mod place;
mod reconcile;

use std::sync::Arc;

use skep_core::model::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
use crate::member::Clock;

pub(crate) use feed::Feed;

/// Waits until it is time; for ever if there is none.
pub(crate) async fn until(time: Option<Timestamp>, clock: &dyn Clock) {
    match time {
        Some(time) => tokio::time::sleep(time.since(clock.now())).await,
        None => std::future::pending().await,
    }
}

/// Runs the loops until `stop`.
pub async fn run(cluster: Arc<dyn Cluster>, clock: Arc<dyn Clock>, stop: CancellationToken) {
    let reconcile = reconcile::run(cluster.clone(), clock.clone());
    let place = place::run(cluster, clock);
    tokio::select! {
        () = stop.cancelled() => {}
        () = reconcile => {}
        () = place => {}
    }
}
