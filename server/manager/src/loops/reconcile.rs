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
            for (service, fate) in propose(&*cluster, wanted, &mut trouble).await {
                match fate {
                    Fate::Written => reconciler.accepted(service),
                    Fate::Refused => reconciler.refused(service, clock.now(), rand::random()),
                    Fate::Unknown => reconciler.again(service),
                }
            }
        } else if !reconciler.is_due(now) {
            tokio::select! {
                () = feed.changed() => {}
                () = super::until(reconciler.wake_at(), &*clock) => {}
            }
        }
    }
}

/// What became of a change.
enum Fate {
    Written,
    Refused,
    /// The store failed: it may have been written or not.
    Unknown,
}

/// Proposes the changes all at once, so that they share a write to the disk; gives back what
/// became of each.
async fn propose(
    cluster: &dyn Cluster,
    wanted: Vec<Wanted>,
    trouble: &mut Trouble,
) -> Vec<(ServiceId, Fate)> {
    let proposals = wanted
        .into_iter()
        .map(|wanted| async move { (wanted.service, cluster.propose(wanted.change).await) });
    let mut fates = Vec::new();
    let mut failed = None;
    for (service, proposed) in join_all(proposals).await {
        let fate = match proposed {
            Ok(proposed) if proposed.refusal.is_none() => Fate::Written,
            Ok(_) => Fate::Refused,
            Err(error) => {
                failed = Some(error);
                Fate::Unknown
            }
        };
        fates.push((service, fate));
    }
    match failed {
        Some(error) => tokio::time::sleep(trouble.failed(&error)).await,
        None => trouble.over(),
    }
    fates
}
