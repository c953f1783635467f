// SPDX-License-Identifier: Apache-2.0
//! The replicated state as the store keeps it.

use std::path::PathBuf;

use async_trait::async_trait;
use skep_core::model::Revision;
use skep_core::state::Change;
use skep_core::watch::Source;
use skep_store::{Failure as StoreFailure, ProposeError, Store, Unavailable};
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
        let committed = self
            .store
            .proposer()
            .propose(change)
            .await
            .map_err(not_proposed)?;
        Ok(Proposed {
            revision: committed.revision,
            refusal: committed.outcome.err(),
        })
    }

    async fn read_index(&self) -> Result<Revision, ClusterError> {
        self.store.read_index().await.map_err(unavailable)
    }

    async fn wait_for(&self, revision: Revision) -> Result<(), ClusterError> {
        let reached = self.store.view().at_least(revision).await;
        reached
            .map(drop)
            .ok_or_else(|| ClusterError::NotReady("the manager is stopping".into()))
    }
}

fn not_proposed(error: ProposeError) -> ClusterError {
    match error {
        ProposeError::TooLarge { bytes, .. } => ClusterError::TooLarge {
            bytes: bytes as u64,
            limit: skep_store::ENTRY_BYTES_MAX as u64,
        },
        ProposeError::Unknown => ClusterError::NoQuorum,
        ProposeError::Unavailable(why) => unavailable(why),
    }
}

fn unavailable(error: Unavailable) -> ClusterError {
    match error {
        Unavailable::NotLeader { .. } | Unavailable::NoLeader => ClusterError::NoQuorum,
        Unavailable::Failed(StoreFailure::Storage(poison)) => ClusterError::StorageFailed {
            path: PathBuf::from(&poison.path),
            cause: poison.cause,
        },
        Unavailable::Failed(StoreFailure::Raft(why)) => ClusterError::NotReady(why),
    }
}
