// SPDX-License-Identifier: Apache-2.0
//! The store as the rooms of the manager see it.

use async_trait::async_trait;
use skep_core::model::Revision;
use skep_core::state::{CHANGE_WRITES_MAX, Change};
use skep_core::watch::Source;
use skep_store::{ENTRY_BYTES_MAX, Failure, ProposeError, Store, Unavailable};
use tokio::sync::watch;

use crate::cluster::{Cluster, ClusterError, Proposed};

/// A store, as the rooms of the manager see it.
#[derive(Clone, Debug)]
pub struct StoredCluster {
    store: Store,
}

impl StoredCluster {
    /// Of this store.
    #[must_use]
    pub fn new(store: Store) -> StoredCluster {
        StoredCluster { store }
    }

    /// Whether a leader was heard of late: what is published here is not stale without end.
    fn is_fresh(&self) -> bool {
        self.store.failures().borrow().is_none()
            && self.store.leadership().borrow().leader.is_some()
    }
}

#[async_trait]
impl Cluster for StoredCluster {
    fn consult(&self, read: &mut dyn FnMut(Source<'_>)) {
        let moment = self.store.view().now();
        read(Source {
            state: &moment.state,
            history: &moment.history,
            fresh: self.is_fresh(),
        });
    }

    fn heads(&self) -> watch::Receiver<Revision> {
        self.store.view().subscribe()
    }

    async fn propose(&self, change: Change) -> Result<Proposed, ClusterError> {
        let committed = self.store.proposer().propose(change).await?;
        Ok(Proposed {
            revision: committed.revision,
            refusal: committed.outcome.err(),
        })
    }

    async fn read_index(&self) -> Result<Revision, ClusterError> {
        Ok(self.store.read_index().await?)
    }

    async fn wait_for(&self, revision: Revision) -> Result<(), ClusterError> {
        let arrived = self.store.view().at_least(revision).await;
        let stopped = || ClusterError::NotReady("the manager is stopping".to_owned());
        arrived.map(drop).ok_or_else(stopped)
    }
}

impl From<ProposeError> for ClusterError {
    fn from(error: ProposeError) -> ClusterError {
        match error {
            ProposeError::TooLarge { writes, .. } if writes > CHANGE_WRITES_MAX => {
                ClusterError::TooLarge {
                    size: writes,
                    limit: CHANGE_WRITES_MAX,
                }
            }
            ProposeError::TooLarge { bytes, .. } => ClusterError::TooLarge {
                size: bytes,
                limit: ENTRY_BYTES_MAX,
            },
            ProposeError::Unknown => ClusterError::NotReady(error.to_string()),
            ProposeError::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

impl From<Unavailable> for ClusterError {
    fn from(unavailable: Unavailable) -> ClusterError {
        match unavailable {
            Unavailable::NotLeader { .. } | Unavailable::NoLeader => ClusterError::NoQuorum,
            Unavailable::Failed(Failure::Storage(poison)) => ClusterError::StorageFailed {
                path: poison.path,
                cause: poison.cause,
            },
            Unavailable::Failed(failure) => ClusterError::NotReady(failure.to_string()),
        }
    }
}
