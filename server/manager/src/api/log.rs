// SPDX-License-Identifier: Apache-2.0
//! `skep.v1.LogService`

use std::sync::Arc;

use skep_proto::v1;
use skep_proto::v1::log_service_server::LogService;
use tonic::{Request, Response, Status};

use crate::member::Membership;
use crate::streams::Frames;

/// Logs: what tasks print.
pub(super) struct LogApi {
    membership: Arc<Membership>,
}

impl LogApi {
    pub(super) fn new(membership: Arc<Membership>) -> LogApi {
        LogApi { membership }
    }
}

#[tonic::async_trait]
impl LogService for LogApi {
    type StreamLogsStream = Frames<v1::StreamLogsResponse>;

    async fn stream_logs(
        &self,
        request: Request<v1::StreamLogsRequest>,
    ) -> Result<Response<Self::StreamLogsStream>, Status> {
        let manager = self.membership.manager()?;
        let frames = manager.streams.stream_logs(request.into_inner()).await?;
        Ok(Response::new(frames))
    }
}
