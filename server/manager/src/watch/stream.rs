// SPDX-License-Identifier: Apache-2.0
//! One watch: frames for as long as the subscriber takes them.

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use prost::bytes::Bytes;
use skep_core::model::Revision;
use skep_core::watch::{Cursor, Ended, Frame};
use skep_proto::v1::EncodedFrame;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::Status;

use crate::cluster::Cluster;
use crate::member::Clock;

use super::ended;
use super::rendered::Renderer;

/// A watch that is being served. Nothing is made before the subscriber can take it, so one that
/// does not read costs a cursor and what the connection buffers.
pub(super) struct Watch {
    pub(super) cursor: Cursor<Bytes>,
    pub(super) renderer: Arc<Renderer>,
    pub(super) cluster: Arc<dyn Cluster>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) heads: watch::Receiver<Revision>,
    /// Rings when a frame may be owed.
    pub(super) alarm: Pin<Box<Sleep>>,
    pub(super) stop: Pin<Box<WaitForCancellationFutureOwned>>,
    /// The last frame, or the error, was given out.
    pub(super) over: bool,
    pub(super) _permit: OwnedSemaphorePermit,
}

/// A frame if there is one, and whether there is more to look at right away.
type Polled = (Option<Frame<Bytes>>, bool);

impl Watch {
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<EncodedFrame, Status>> + Send {
        // In a box, because it is moved with every frame.
        futures::stream::unfold(Box::new(self), |mut watch| async move {
            let next = watch.next().await?;
            Some((next, watch))
        })
    }

    async fn next(&mut self) -> Option<Result<EncodedFrame, Status>> {
        while !self.over {
            // Whatever is published from here on wakes the wait below.
            self.heads.borrow_and_update();
            match self.poll() {
                Err(why) => {
                    self.over = true;
                    return Some(Err(ended(why).into()));
                }
                Ok((Some(frame), _)) => return Some(Ok(encoded(frame))),
                Ok((None, true)) => tokio::task::yield_now().await,
                Ok((None, false)) => self.wait().await,
            }
        }
        None
    }

    /// Asks the cursor for the next frame.
    fn poll(&mut self) -> Result<Polled, Ended> {
        let now = self.clock.now();
        let (cursor, renderer) = (&mut self.cursor, &self.renderer);
        let mut polled = Ok((None, false));
        self.cluster.consult(&mut |source| {
            polled = cursor
                .next(source, now, |event| renderer.weighed(event))
                .map(|frame| (frame, cursor.is_behind(source)));
        });
        polled
    }

    /// Waits until there may be something to tell, a frame is owed, or the manager stops.
    async fn wait(&mut self) {
        // Setting an alarm takes a lock that all share. So it is set again when it has rung, not
        // with every frame; it rings too early then, never too late.
        if self.alarm.is_elapsed() {
            let owed = self.cursor.wake_at().since(self.clock.now());
            self.alarm.as_mut().reset(Instant::now() + owed);
        }
        tokio::select! {
            changed = self.heads.changed() => self.over |= changed.is_err(),
            () = self.alarm.as_mut() => {}
            () = self.stop.as_mut() => self.over = true,
        }
    }
}

fn encoded(frame: Frame<Bytes>) -> EncodedFrame {
    EncodedFrame {
        revision: frame.revision.0,
        events: frame.events,
        head_revision: frame.head.0,
    }
}
