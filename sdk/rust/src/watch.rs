// SPDX-License-Identifier: Apache-2.0
//! The watch that does not end: the state first, then every change, over broken connections
//! and restarts of the daemon, without a gap and without a duplicate.

use std::marker::PhantomData;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio::time::{sleep, timeout};
use tonic::{Code, Status, Streaming};

use crate::client::Client;
use crate::error::Error;
use crate::policy::POLICY;
use crate::v1::watch_response::Event;
use crate::v1::{EventType, WatchRequest, WatchResponse};
use crate::view::Identified;

/// The longest silence between two frames if the request sets none.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

/// How many intervals of silence mean that the other side is gone.
const SILENT_INTERVALS: u32 = 3;

/// The least silence that means so: a server has to have the time to refuse an interval.
const SILENCE_MIN: Duration = Duration::from_secs(1);

/// A running watch. It ends only with an error that repeating cannot cure, such as a filter
/// that is refused. Dropping the future of its next event loses nothing.
pub type Watch<O> = BoxStream<'static, Result<WatchEvent<O>, Error>>;

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

impl<O> WatchEvent<O> {
    /// One change. A type of a later release says at least that the object is there and is new.
    fn new((kind, object): (EventType, O)) -> Self {
        match kind {
            EventType::Added => Self::Added(object),
            EventType::Left => Self::Left(object),
            EventType::Deleted => Self::Deleted(object),
            EventType::Changed | EventType::Unspecified => Self::Changed(object),
        }
    }
}

impl Client {
    /// Watches what a request asks for. Its `after_revision` says where to begin: 0 with the
    /// present state. `O` is one kind, such as [`crate::v1::Task`], or [`crate::Object`] for
    /// all that the request asks for.
    #[must_use]
    pub fn watch<O: Identified>(&self, request: WatchRequest) -> Watch<O> {
        let follower = Follower::<O> {
            client: self.clone(),
            request,
            frames: None,
            failures: 0,
            kind: PhantomData,
        };
        let steps = stream::try_unfold(follower, |mut follower| async move {
            let step = follower.next_step().await;
            step.map(|events| Some((stream::iter(events).map(Ok), follower)))
        });
        steps.try_flatten().boxed()
    }
}

/// A watch between two steps.
struct Follower<O> {
    client: Client,
    /// Asks for what comes after the last whole step.
    request: WatchRequest,
    /// None: there is no connection.
    frames: Option<Streaming<WatchResponse>>,
    failures: u32,
    kind: PhantomData<fn() -> O>,
}

impl<O: Identified> Follower<O> {
    async fn next_step(&mut self) -> Result<Vec<WatchEvent<O>>, Error> {
        loop {
            match self.read_step().await {
                Ok(events) => return Ok(events),
                Err(status) => self.recover(status.into()).await?,
            }
        }
    }

    /// Collects frames, on a new connection if there is none, until one closes its step.
    async fn read_step(&mut self) -> Result<Vec<WatchEvent<O>>, Status> {
        let interval = self.request.progress_interval.map(Duration::try_from);
        let interval = interval.and_then(Result::ok).unwrap_or(DEFAULT_INTERVAL);
        let frames = match &mut self.frames {
            Some(frames) => frames,
            none => {
                let answer = self.client.watches().watch(self.request.clone()).await?;
                none.insert(answer.into_inner())
            }
        };
        let silence = interval.saturating_mul(SILENT_INTERVALS).max(SILENCE_MIN);
        let mut step = Vec::new();
        loop {
            let frame = timeout(silence, frames.message()).await;
            let frame = frame.map_err(|_| Status::unavailable("the server is silent"))??;
            let frame = frame.ok_or_else(|| Status::unavailable("the server ended the watch"))?;
            self.failures = 0;
            // An object of a kind that this client does not know is left out.
            let object = |event: Event| Some((event.r#type(), O::pick(event.object?)?));
            step.extend(frame.events.into_iter().filter_map(object));
            if frame.revision != 0 {
                return Ok(self.close(step, frame.revision, frame.head_revision));
            }
        }
    }

    fn close(
        &mut self,
        step: Vec<(EventType, O)>,
        revision: u64,
        head_revision: u64,
    ) -> Vec<WatchEvent<O>> {
        let is_snapshot = self.request.after_revision == 0;
        self.request.after_revision = revision;
        let mut events: Vec<_> = if is_snapshot {
            let objects = step.into_iter().map(|(_, object)| object);
            vec![WatchEvent::Reset(objects.collect())]
        } else {
            step.into_iter().map(WatchEvent::new).collect()
        };
        events.push(WatchEvent::Progress {
            revision,
            head_revision,
        });
        events
    }

    /// After a failure: waits, to go on or to start over; or gives up.
    async fn recover(&mut self, error: Error) -> Result<(), Error> {
        self.frames = None;
        if error.is_local() {
            // What the caller got wrong stays wrong; connections come back.
            if matches!(error.code, Code::InvalidArgument | Code::Unimplemented) {
                return Err(error);
            }
        } else {
            match error.code {
                Code::OutOfRange => self.request.after_revision = 0,
                code if POLICY.repeats(code) => {}
                _ => return Err(error),
            }
        }
        self.failures = self.failures.saturating_add(1);
        sleep(POLICY.wait(self.failures)).await;
        Ok(())
    }
}
