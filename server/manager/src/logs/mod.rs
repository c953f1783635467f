// SPDX-License-Identifier: Apache-2.0
//! `LogService`: lines from the nodes that have them, for one reader at a time.

mod reader;
mod request;
mod told;

use std::sync::Arc;

use skep_proto::v1;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use crate::catch_up;
use crate::cluster::Cluster;
use crate::dispatch::Dispatch;
use crate::error::Failure;
use crate::streams::Frames;

use reader::Reader;

/// Most readers at a time.
const READERS_MAX: usize = 1_000;
/// Messages that wait for a slow reader; behind them the nodes wait too.
const WAITING_MAX: usize = 4;

/// Serves logs.
#[derive(Clone)]
pub struct Logs {
    cluster: Arc<dyn Cluster>,
    dispatch: Dispatch,
    free: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Logs {
    /// Logs of this cluster, until `stop`.
    #[must_use]
    pub fn new(cluster: Arc<dyn Cluster>, dispatch: Dispatch, stop: CancellationToken) -> Logs {
        Logs {
            cluster,
            dispatch,
            free: Arc::new(Semaphore::new(READERS_MAX)),
            stop,
        }
    }

    /// `LogService.StreamLogs`
    ///
    /// # Errors
    /// If the request is bad, or there are too many readers.
    pub async fn stream(
        &self,
        request: v1::StreamLogsRequest,
    ) -> Result<Frames<v1::StreamLogsResponse>, Failure> {
        let wanted = request::wanted(request)?;
        let permit = self
            .free
            .clone()
            .try_acquire_owned()
            .map_err(|_| Failure::Limit {
                subject: "log_streams",
                limit: READERS_MAX as u64,
                message: format!("this manager serves {READERS_MAX} readers of logs already"),
            })?;
        let newest = catch_up::newest(&*self.cluster).await?;
        catch_up::arrived(&*self.cluster, newest).await?;
        let (sink, frames) = mpsc::channel(WAITING_MAX);
        let reader = Reader::new(
            wanted,
            self.cluster.clone(),
            self.dispatch.clone(),
            sink.clone(),
        );
        let stop = self.stop.clone();
        tokio::spawn(async move {
            let _permit = permit;
            tokio::select! {
                () = reader.run() => {}
                () = sink.closed() => {}
                () = stop.cancelled() => {}
            }
        });
        Ok(Box::pin(ReceiverStream::new(frames)))
    }
}
