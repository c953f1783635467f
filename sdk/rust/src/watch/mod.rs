// SPDX-License-Identifier: Apache-2.0
//! The watch that does not end: the state first, then every change, over broken connections
//! and restarts of the daemon, without a gap and without a duplicate.

mod collect;
mod kinds;
mod view;

use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tokio::time::{Instant, timeout};
use tonic::{Code, Status};

use crate::client::Client;
use crate::error::Error;
use crate::policy::POLICY;

use collect::Collector;
pub use kinds::{Frame, Frames, Object, WatchKind};
pub use view::{Identified, View};

/// How many intervals of silence mean that the other side is gone.
const SILENT_INTERVALS: u32 = 3;

/// What a watch tells of objects `O`.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchEvent<O> {
    /// All there is: replace whatever you held. First of all, and again if the server no longer
    /// has the history that was needed to go on.
    Reset(Vec<O>),
    /// The object was made, or began to match.
    Added(O),
    /// It changed and still matches.
    Changed(O),
    /// It still exists but no longer matches.
    Left(O),
    /// It is gone; this is its last state.
    Deleted(O),
    /// Everything through `revision` has been told. What lies between two of these happened as
    /// one. The number may be kept, and given to a later watch to go on from.
    Progress {
        /// The revision that is complete.
        revision: u64,
        /// The newest one the server has: the difference is the lag.
        head_revision: u64,
    },
}

/// A running watch.
pub struct Watch<K: WatchKind> {
    client: Client,
    request: K,
    frames: Option<Frames<K::Object>>,
    collector: Collector<K::Object>,
    ready: std::vec::IntoIter<WatchEvent<K::Object>>,
    /// The last revision that is complete and has been handed out whole.
    revision: u64,
    failures: u32,
    /// When the present silence began; none: there is a connection.
    lost_since: Option<Instant>,
    patience: Option<Duration>,
}

impl Client {
    /// Watches what a request asks for: a `WatchTasksRequest` for tasks, a `WatchRequest` for
    /// objects of several kinds. Its `after_revision` says where to begin: 0 with the present
    /// state.
    pub fn watch<K: WatchKind>(&self, request: K) -> Watch<K> {
        Watch {
            client: self.clone(),
            collector: Collector::new(request.after()),
            revision: request.after(),
            request,
            frames: None,
            ready: Vec::new().into_iter(),
            failures: 0,
            lost_since: None,
            patience: None,
        }
    }
}

impl<K: WatchKind> Watch<K> {
    /// Gives up after this long without a manager that answers; without it the watch never does.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// The last revision of which everything has been yielded: where a later watch may go on.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The next event. Dropping the future loses nothing.
    ///
    /// # Errors
    /// What repeating cannot cure, such as a filter that is refused; with [`Watch::patience`]
    /// also that no manager answers.
    pub async fn next(&mut self) -> Result<WatchEvent<K::Object>, Error> {
        loop {
            if let Some(event) = self.ready.next() {
                if let WatchEvent::Progress { revision, .. } = event {
                    self.revision = revision;
                }
                return Ok(event);
            }
            match self.advance().await {
                Ok(events) => self.ready = events.into_iter(),
                Err(status) => self.recover(status).await?,
            }
        }
    }

    /// The same watch as a stream. It ends after an error.
    pub fn into_stream(
        self,
    ) -> impl Stream<Item = Result<WatchEvent<K::Object>, Error>> + Send + Unpin + 'static {
        let watch = stream::unfold(Some(self), |watch| async {
            let mut watch = watch?;
            match watch.next().await {
                Ok(event) => Some((Ok(event), Some(watch))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Box::pin(watch)
    }

    /// Reads one frame, on a new connection if there is none.
    async fn advance(&mut self) -> Result<Vec<WatchEvent<K::Object>>, Status> {
        let silence = self.request.interval() * SILENT_INTERVALS;
        if self.frames.is_none() {
            self.request.set_after(self.revision);
            self.collector = Collector::new(self.revision);
            self.frames = Some(self.request.clone().open(self.client.clone()).await?);
        }
        let frames = self.frames.as_mut().expect("it was just set");
        let frame = match timeout(silence, frames.next()).await {
            Ok(Some(frame)) => frame?,
            Ok(None) => return Err(Status::unavailable("the server ended the watch")),
            Err(_) => return Err(Status::unavailable("the server is silent")),
        };
        self.failures = 0;
        self.lost_since = None;
        Ok(self.collector.feed(frame))
    }

    /// After a failure: starts over, waits and goes on, or gives up.
    async fn recover(&mut self, status: Status) -> Result<(), Error> {
        self.frames = None;
        let code = status.code();
        let error = Error::from(status);
        let no_answer = error.call().is_some_and(crate::CallError::is_transport);
        if code == Code::OutOfRange && !no_answer {
            self.revision = 0;
            return Ok(());
        }
        if !no_answer && !POLICY.repeats(code) {
            return Err(error);
        }
        let lost_since = *self.lost_since.get_or_insert_with(Instant::now);
        if self
            .patience
            .is_some_and(|patience| lost_since.elapsed() >= patience)
        {
            return Err(error);
        }
        self.failures = self.failures.saturating_add(1);
        tokio::time::sleep(POLICY.wait(self.failures)).await;
        Ok(())
    }
}

impl<K: WatchKind> std::fmt::Debug for Watch<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}
