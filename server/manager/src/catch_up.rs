// SPDX-License-Identifier: Apache-2.0
//! Streams have no deadline of their caller's, so what they wait for before they begin has one
//! here.

use std::time::Duration;

use skep_core::model::Revision;
use tokio::time::timeout;

use crate::cluster::Cluster;
use crate::error::Failure;

/// How long a stream that begins waits for the leader, and for what this manager lacks.
pub(crate) const CATCH_UP_TIME_MAX: Duration = Duration::from_secs(10);

/// A revision that every change acknowledged so far has, or a later one.
pub(crate) async fn newest(cluster: &dyn Cluster) -> Result<Revision, Failure> {
    match timeout(CATCH_UP_TIME_MAX, cluster.read_index()).await {
        Ok(index) => Ok(index?),
        Err(_) => Err(Failure::NoQuorum),
    }
}

/// Waits until a revision is applied here.
pub(crate) async fn arrived(cluster: &dyn Cluster, revision: Revision) -> Result<(), Failure> {
    match timeout(CATCH_UP_TIME_MAX, cluster.wait_for(revision)).await {
        Ok(arrived) => Ok(arrived?),
        Err(_) => {
            let here = cluster.view().revision();
            Err(Failure::NotReady(format!(
                "revision {revision} has not arrived here; this manager has {here}"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use skep_core::testing::World;

    use super::*;
    use crate::testing::MemoryCluster;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_come_is_not_waited_for_without_end() {
        let cluster = MemoryCluster::new(World::with_nodes(1));
        cluster.lag(5);
        let cluster: &dyn Cluster = &cluster;
        let wanted = newest(cluster).await.expect("there is a leader");
        let far_more = CATCH_UP_TIME_MAX * 10;
        let answer = tokio::time::timeout(far_more, arrived(cluster, wanted)).await;
        let failure = answer.expect("it is given up").expect_err("it never came");
        assert!(matches!(failure, Failure::NotReady(_)), "{failure:?}");
    }
}
