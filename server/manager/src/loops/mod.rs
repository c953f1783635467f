// SPDX-License-Identifier: Apache-2.0
//! The leader's loops: core decides, these propose what it decided.

mod feed;

mod place;
mod reconcile;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
use crate::member::Clock;

pub(crate) use feed::Feed;

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
