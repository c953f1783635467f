// SPDX-License-Identifier: Apache-2.0
//! The calls that answer with a stream, put together.

use async_trait::async_trait;
use skep_manager::error::Failure;
use skep_manager::logs::Logs;
use skep_manager::streams::{Frames, Streams};
use skep_manager::watch::Watches;
use skep_proto::v1;

/// Watches and logs.
pub(super) struct AllStreams {
    pub(super) watches: Watches,
    pub(super) logs: Logs,
}

#[async_trait]
impl Streams for AllStreams {
    async fn watch_tasks(
        &self,
        request: v1::WatchTasksRequest,
    ) -> Result<Frames<v1::EncodedFrame>, Failure> {
        self.watches.tasks(request).await
    }

    async fn watch(&self, request: v1::WatchRequest) -> Result<Frames<v1::EncodedFrame>, Failure> {
        self.watches.all(request).await
    }

    async fn stream_logs(
        &self,
        request: v1::StreamLogsRequest,
    ) -> Result<Frames<v1::StreamLogsResponse>, Failure> {
        self.logs.stream(request).await
    }
}
