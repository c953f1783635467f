// SPDX-License-Identifier: Apache-2.0
//! What the API needs of the store: reading a state, and proposing changes to it.

use std::path::PathBuf;

use async_trait::async_trait;
use skep_core::model::Revision;
use skep_core::state::{Change, Refusal, State};
use skep_core::watch::Source;
use tokio::sync::watch;

/// What became of a proposed change: it has a place in the log, whether it was written or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proposed {
    /// The revision of its log entry.
    pub revision: Revision,
    /// Why nothing was written; nothing: all was.
    pub refusal: Option<Refusal>,
}

/// Why the store did not do what it was asked for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no leader, or it cannot be reached.
    #[error("there is no leader just now")]
    NoQuorum,
    /// The store is starting or stopping.
    #[error("{0}")]
    NotReady(String),
    /// The log cannot be written.
    #[error("cannot write {}: {cause}", path.display())]
    StorageFailed {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: String,
    },
    /// The change is too large for one log entry.
    #[error("a change of size {size} is over the limit of {limit}")]
    TooLarge {
        /// Its size, in bytes or writes.
        size: usize,
        /// The limit that it is over.
        limit: usize,
    },
}

/// The replicated state as seen from this manager.
#[async_trait]
pub trait Cluster: Send + Sync + 'static {
    /// Calls `read` once with the newest state applied here and the history that led to it.
    fn consult(&self, read: &mut dyn FnMut(Source<'_>));

    /// Tells of newer states: the revision of the newest one applied here.
    fn heads(&self) -> watch::Receiver<Revision>;

    /// Proposes a change and waits until it is durable and applied here.
    ///
    /// # Errors
    /// Unless the error is [`ClusterError::TooLarge`], the change may have been made or not.
    async fn propose(&self, change: Change) -> Result<Proposed, ClusterError>;

    /// A revision that is at least that of every change acknowledged before the call, by any
    /// manager. It may not be applied here yet.
    ///
    /// # Errors
    /// If there is no leader to ask.
    async fn read_index(&self) -> Result<Revision, ClusterError>;

    /// Waits until this revision is applied here.
    ///
    /// # Errors
    /// If the store stops meanwhile.
    async fn wait_for(&self, revision: Revision) -> Result<(), ClusterError>;
}

impl dyn Cluster {
    /// What `read` makes of the newest state applied here and its history.
    pub fn look<T>(&self, read: impl FnOnce(Source<'_>) -> T) -> T {
        let mut read = Some(read);
        let mut seen = None;
        self.consult(&mut |source| seen = read.take().map(|read| read(source)));
        seen.expect("consulting calls its argument once")
    }

    /// The newest state applied here.
    #[must_use]
    pub fn view(&self) -> State {
        self.look(|source| source.state.clone())
    }
}
