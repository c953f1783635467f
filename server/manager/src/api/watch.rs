// SPDX-License-Identifier: Apache-2.0
//! `skep.v1.WatchService`

use std::sync::Arc;

use skep_proto::v1;
use skep_proto::v1::watch_service_server::WatchService;
use tonic::{Request, Response, Status};

use crate::member::Membership;
use crate::streams::Frames;

/// Watching: every kind of object in one totally ordered stream.
pub(super) struct WatchApi {
    membership: Arc<Membership>,
}

impl WatchApi {
    pub(super) fn new(membership: Arc<Membership>) -> WatchApi {
        WatchApi { membership }
    }
}

#[tonic::async_trait]
impl WatchService for WatchApi {
    type WatchStream = Frames<v1::EncodedFrame>;

    async fn watch(
        &self,
        request: Request<v1::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let manager = self.membership.manager()?;
        let frames = manager.streams.watch(request.into_inner()).await?;
        Ok(Response::new(frames))
    }
}
