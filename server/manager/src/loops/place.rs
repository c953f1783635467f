// SPDX-License-Identifier: Apache-2.0
//! Finds nodes for the tasks that wait for one.

use std::sync::Arc;

use skep_core::control::Placer;

use crate::cluster::Cluster;
use crate::member::Clock;
use crate::trouble::Trouble;

use super::feed::Feed;

pub(super) async fn run(cluster: Arc<dyn Cluster>, clock: Arc<dyn Clock>) {
    let mut feed = Feed::new(cluster.clone());
    let mut placer = Placer::default();
    let mut trouble = Trouble::new("propose where tasks run");
    loop {
        let news = feed.take();
        match &news.steps {
            Some(steps) => placer.observe(steps),
            None => placer.again(),
        }
        let changes = placer.turn(&news.state, clock.now());
        if changes.is_empty() {
            tokio::select! {
                () = feed.changed() => {}
                () = super::until(placer.wake_at(), &*clock) => {}
            }
        }
        for change in changes {
            match cluster.propose(change).await {
                Ok(proposed) => {
                    trouble.over();
                    match proposed.refusal {
                        None => placer.accepted(),
                        Some(_) => placer.refused(clock.now(), rand::random()),
                    }
                }
                Err(error) => {
                    placer.again();
                    tokio::time::sleep(trouble.failed(&error)).await;
                    break;
                }
            }
        }
    }
}
