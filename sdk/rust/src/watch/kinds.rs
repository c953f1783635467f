// SPDX-License-Identifier: Apache-2.0
//! The two watches of the API behind one trait: tasks alone, and every kind in one order.

use std::future::Future;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use tonic::Status;

use crate::client::Client;
use crate::v1::watch_response::event;
use crate::v1::{
    EventType, Task, WatchRequest, WatchResponse, WatchTasksRequest, WatchTasksResponse,
};

/// An object of any kind, as a `WatchRequest` yields them.
pub type Object = event::Object;

/// The longest silence between two frames if the request sets none.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

/// A frame without the wire's wrapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame<O> {
    pub(crate) revision: u64,
    pub(crate) head_revision: u64,
    pub(crate) events: Vec<(EventType, O)>,
}

/// The frames of one connection.
pub type Frames<O> = BoxStream<'static, Result<Frame<O>, Status>>;

/// A request that opens a watch: `WatchTasksRequest` or `WatchRequest`.
pub trait WatchKind: Clone + Send + Sync + 'static {
    /// What it yields.
    type Object: Send + 'static;

    /// The revision it begins after.
    fn after(&self) -> u64;

    /// Makes it begin after a revision.
    fn set_after(&mut self, revision: u64);

    /// The longest silence it allows.
    fn interval(&self) -> Duration;

    /// Opens it.
    fn open(
        self,
        client: Client,
    ) -> impl Future<Output = Result<Frames<Self::Object>, Status>> + Send;
}

fn interval_of(interval: Option<prost_types::Duration>) -> Duration {
    interval
        .and_then(|span| span.try_into().ok())
        .unwrap_or(DEFAULT_INTERVAL)
}

impl WatchKind for WatchTasksRequest {
    type Object = Task;

    fn after(&self) -> u64 {
        self.after_revision
    }

    fn set_after(&mut self, revision: u64) {
        self.after_revision = revision;
    }

    fn interval(&self) -> Duration {
        interval_of(self.progress_interval)
    }

    async fn open(self, client: Client) -> Result<Frames<Task>, Status> {
        let frames = client.tasks().watch_tasks(self).await?.into_inner();
        Ok(frames.map(|frame| frame.map(Frame::from)).boxed())
    }
}

impl WatchKind for WatchRequest {
    type Object = Object;

    fn after(&self) -> u64 {
        self.after_revision
    }

    fn set_after(&mut self, revision: u64) {
        self.after_revision = revision;
    }

    fn interval(&self) -> Duration {
        interval_of(self.progress_interval)
    }

    async fn open(self, client: Client) -> Result<Frames<Object>, Status> {
        let frames = client.watches().watch(self).await?.into_inner();
        Ok(frames.map(|frame| frame.map(Frame::from)).boxed())
    }
}

impl From<WatchTasksResponse> for Frame<Task> {
    fn from(frame: WatchTasksResponse) -> Self {
        let events = frame.events.into_iter();
        let events = events
            .filter_map(|event| Some((event.r#type(), event.task?)))
            .collect();
        Self {
            revision: frame.revision,
            head_revision: frame.head_revision,
            events,
        }
    }
}

impl From<WatchResponse> for Frame<Object> {
    /// Objects of kinds that this client does not know are left out.
    fn from(frame: WatchResponse) -> Self {
        let events = frame.events.into_iter();
        let events = events
            .filter_map(|event| Some((event.r#type(), event.object?)))
            .collect();
        Self {
            revision: frame.revision,
            head_revision: frame.head_revision,
            events,
        }
    }
}
