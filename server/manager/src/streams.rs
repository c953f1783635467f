// SPDX-License-Identifier: Apache-2.0
//! The calls that answer with a stream, as the other calls see them.

use std::pin::Pin;

use async_trait::async_trait;
use futures::Stream;
use skep_proto::v1;
use tonic::Status;

use crate::error::Failure;

/// The messages of a stream, until it ends or fails.
pub type Frames<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The calls that answer with a stream.
#[async_trait]
pub trait Streams: Send + Sync + 'static {
    /// `TaskService.WatchTasks`
    ///
    /// # Errors
    /// If the request is bad, or there are too many watches.
    async fn watch_tasks(
        &self,
        request: v1::WatchTasksRequest,
    ) -> Result<Frames<v1::EncodedFrame>, Failure>;

    /// `WatchService.Watch`
    ///
    /// # Errors
    /// If the request is bad, or there are too many watches.
    async fn watch(&self, request: v1::WatchRequest) -> Result<Frames<v1::EncodedFrame>, Failure>;

    /// `LogService.StreamLogs`
    ///
    /// # Errors
    /// If the request is bad, or there are too many streams.
    async fn stream_logs(
        &self,
        request: v1::StreamLogsRequest,
    ) -> Result<Frames<v1::StreamLogsResponse>, Failure>;
}
