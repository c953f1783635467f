// SPDX-License-Identifier: Apache-2.0
//! Sees to it that services have the tasks they should have.

use std::sync::Arc;

use futures::future::join_all;
use skep_core::control::{Reconciler, Wanted};
use skep_core::model::ServiceId;

use crate::cluster::Cluster;
use crate::member::Clock;
use crate::trouble::Trouble;

use super::feed::Feed;

pub(super) async fn run(cluster: Arc<dyn Cluster>, clock: Arc<dyn Clock>) {
    let mut feed = Feed::new(cluster.clone());
    let mut reconciler = Reconciler::new();
    let mut trouble = Trouble::new("propose what services need");
    loop {
        let news = feed.take();
        match &news.steps {
            Some(steps) => reconciler.observe(&news.state, steps),
            None => reconciler.missed(),
        }
        let now = clock.now();
        let wanted = reconciler.turn(&news.state, now, &mut rand::random::<u128>);
        if !wanted.is_empty() {
            let missed = propose(&*cluster, wanted, &mut trouble).await;
            missed
                .into_iter()
                .for_each(|service| reconciler.again(service));
        } else if !reconciler.is_due(now) {
            let wake = async {
                match reconciler.wake_at() {
                    Some(time) => tokio::time::sleep(time.since(clock.now())).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = feed.changed() => {}
                () = wake => {}
            }
        }
    }
}

/// Proposes the changes all at once, so that they share a write to the disk; gives back the
/// services to look at again.
async fn propose(
    cluster: &dyn Cluster,
    wanted: Vec<Wanted>,
    trouble: &mut Trouble,
) -> Vec<ServiceId> {
    let proposals = wanted
        .into_iter()
        .map(|wanted| async move { (wanted.service, cluster.propose(wanted.change).await) });
    let mut again = Vec::new();
    let mut failed = None;
    for (service, proposed) in join_all(proposals).await {
        match proposed {
            Ok(proposed) if proposed.refusal.is_none() => {}
            Ok(_) => again.push(service),
            Err(error) => {
                again.push(service);
                failed = Some(error);
            }
        }
    }
    match failed {
        Some(error) => tokio::time::sleep(trouble.failed(&error)).await,
        None => trouble.over(),
    }
    again
}
