// SPDX-License-Identifier: Apache-2.0
//! One watch: frames for as long as the subscriber takes them.

use std::sync::Arc;

use futures::Stream;
use skep_core::model::Revision;
use skep_core::watch::{Cursor, Ended, Frame};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::cluster::Cluster;
use crate::member::Clock;

use super::ended;
use super::frame::FrameMessage;

/// A watch that is being served. Nothing is made before the subscriber can take it, so one that
/// does not read costs a cursor and what the connection buffers.
pub(super) struct Watch<M: FrameMessage> {
    pub(super) cursor: Cursor<M::Event>,
    pub(super) cluster: Arc<dyn Cluster>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) heads: watch::Receiver<Revision>,
    pub(super) stop: CancellationToken,
    /// The last frame, or the error, was given out.
    pub(super) over: bool,
    pub(super) _permit: OwnedSemaphorePermit,
}

/// A frame if there is one, and whether there is more to look at right away.
type Polled<M> = (Option<Frame<<M as FrameMessage>::Event>>, bool);

impl<M: FrameMessage> Watch<M> {
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<M, Status>> + Send {
        futures::stream::unfold(self, |mut watch| async move {
            let next = watch.next().await?;
            Some((next, watch))
        })
    }

    async fn next(&mut self) -> Option<Result<M, Status>> {
        while !self.over {
            // Whatever is published from here on wakes the wait below.
            self.heads.borrow_and_update();
            match self.poll() {
                Err(why) => {
                    self.over = true;
                    return Some(Err(ended(why).into()));
                }
                Ok((Some(frame), _)) => return Some(Ok(M::of(frame))),
                Ok((None, true)) => tokio::task::yield_now().await,
                Ok((None, false)) if self.stop.is_cancelled() => self.over = true,
                Ok((None, false)) => self.wait().await,
            }
        }
        None
    }

    /// Asks the cursor for the next frame.
    fn poll(&mut self) -> Result<Polled<M>, Ended> {
        let now = self.clock.now();
        let cursor = &mut self.cursor;
        let mut polled = Ok((None, false));
        self.cluster.consult(&mut |source| {
            polled = cursor
                .next(source, now, M::weighed)
                .map(|frame| (frame, cursor.is_behind(source)));
        });
        polled
    }

    /// Waits until there may be something to tell, a frame is owed, or the manager stops.
    async fn wait(&mut self) {
        let owed = self.cursor.wake_at().since(self.clock.now());
        tokio::select! {
            changed = self.heads.changed() => self.over |= changed.is_err(),
            () = tokio::time::sleep(owed) => {}
            () = self.stop.cancelled() => {}
        }
    }
}
