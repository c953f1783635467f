// SPDX-License-Identifier: Apache-2.0
//! Watches as streams: a cursor of core for each, driven by what the store publishes.

mod rendered;
mod request;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use skep_core::model::Revision;
use skep_core::watch::{Cursor, Ended, Options};
use skep_proto::v1;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::catch_up;
use crate::cluster::Cluster;
use crate::error::Failure;
use crate::member::Clock;
use crate::streams::Frames;

use rendered::Renderer;
use stream::Watch;

/// Serves watches, up to a limit.
#[derive(Clone)]
pub struct Watches {
    cluster: Arc<dyn Cluster>,
    clock: Arc<dyn Clock>,
    free: Arc<Semaphore>,
    limit: usize,
    stop: CancellationToken,
    renderer: Arc<Renderer>,
}

impl Watches {
    /// Watches of this cluster, at most `limit` at a time, until `stop`.
    #[must_use]
    pub fn new(
        cluster: Arc<dyn Cluster>,
        clock: Arc<dyn Clock>,
        limit: usize,
        stop: CancellationToken,
    ) -> Watches {
        Watches {
            cluster,
            clock,
            free: Arc::new(Semaphore::new(limit)),
            limit,
            stop,
            renderer: Arc::default(),
        }
    }

    /// How many watches there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.limit - self.free.available_permits()
    }

    /// `TaskService.WatchTasks`
    ///
    /// # Errors
    /// If the request is bad, the revision cannot be had, or there are too many watches.
    pub async fn tasks(
        &self,
        request: v1::WatchTasksRequest,
    ) -> Result<Frames<v1::EncodedFrame>, Failure> {
        self.open(request::of_tasks(request)?).await
    }

    /// `WatchService.Watch`
    ///
    /// # Errors
    /// If the request is bad, the revision cannot be had, or there are too many watches.
    pub async fn all(
        &self,
        request: v1::WatchRequest,
    ) -> Result<Frames<v1::EncodedFrame>, Failure> {
        self.open(request::of_all(request)?).await
    }

    async fn open(&self, options: Options) -> Result<Frames<v1::EncodedFrame>, Failure> {
        let permit = self
            .free
            .clone()
            .try_acquire_owned()
            .map_err(|_| Failure::Limit {
                subject: "watches",
                limit: self.limit as u64,
                message: format!(
                    "this manager serves {} watches already; end some, or raise --watches-max",
                    self.limit
                ),
            })?;
        self.catch_up(options.after).await?;
        let now = self.clock.now();
        let progress_interval = options.progress_interval;
        let mut cursor = None;
        self.cluster.consult(&mut |source| {
            cursor = Some(Cursor::start(options.clone(), source, now));
        });
        let cursor = cursor.ok_or_else(|| Failure::internal("the store was not consulted"))?;
        let cursor = cursor.map_err(ended)?;
        let watch = Watch {
            cursor,
            renderer: self.renderer.clone(),
            heads: self.cluster.heads(),
            cluster: self.cluster.clone(),
            clock: self.clock.clone(),
            alarm: Box::pin(tokio::time::sleep(progress_interval)),
            stop: Box::pin(self.stop.clone().cancelled_owned()),
            over: false,
            _permit: permit,
        };
        Ok(Box::pin(watch.into_stream()))
    }

    /// Waits until this manager has what the watch begins with: of a new one the newest state
    /// there is, of a resumed one the revision it comes from.
    async fn catch_up(&self, after: Revision) -> Result<(), Failure> {
        let mut head = Revision(0);
        self.cluster
            .consult(&mut |source| head = source.history.head());
        if after != Revision(0) && after <= head {
            return Ok(());
        }
        let newest = catch_up::newest(&*self.cluster).await?;
        if after > newest {
            return Err(Failure::UnknownRevision(newest));
        }
        catch_up::arrived(&*self.cluster, newest.max(after)).await
    }
}

/// Why a watch ended, as an error.
fn ended(ended: Ended) -> Failure {
    match ended {
        Ended::Compacted(revision) => Failure::Compacted(revision),
        Ended::Unknown(head) => Failure::UnknownRevision(head),
        Ended::NotFresh => Failure::NoQuorum,
    }
}
