// SPDX-License-Identifier: Apache-2.0
//! Finds nodes for the tasks that wait for one.

use std::sync::Arc;

use skep_core::control::Placer;

use crate::cluster::Cluster;
use crate::member::Clock;

use super::RETRY_DELAY;
use super::feed::Feed;

pub(super) async fn run(cluster: Arc<dyn Cluster>, clock: Arc<dyn Clock>) {
    let mut feed = Feed::new(cluster.clone());
    let mut placer = Placer::default();
    loop {
        let news = feed.take();
        match &news.steps {
            Some(steps) => placer.observe(steps),
            None => placer.again(),
        }
        let changes = placer.turn(&news.state, clock.now());
        if changes.is_empty() && !placer.is_due() {
            feed.changed().await;
        }
        for change in changes {
            match cluster.propose(change).await {
                Ok(proposed) if proposed.refusal.is_none() => {}
                Ok(_) => placer.again(),
                Err(error) => {
                    tracing::warn!(%error, "cannot propose where tasks run");
                    placer.again();
                    tokio::time::sleep(RETRY_DELAY).await;
                    break;
                }
            }
        }
    }
}
