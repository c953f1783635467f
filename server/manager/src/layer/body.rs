// SPDX-License-Identifier: Apache-2.0
//! The rest of an answer: its errors are mended, its panics caught, and its time is kept.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;
use tonic::body::Body;

use crate::error::Failure;

use super::mend::{self, At};
use super::panicked;

type Frame = http_body::Frame<Bytes>;

/// A body that ends with a whole status.
pub(super) struct Guarded {
    /// Nothing: it has ended.
    inner: Option<Body>,
    path: String,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Guarded {
    /// `inner` is cut off with DEADLINE_EXCEEDED at `deadline`.
    pub(super) fn new(inner: Body, path: String, deadline: Option<Instant>) -> Guarded {
        Guarded {
            inner: Some(inner),
            path,
            deadline: deadline.map(|deadline| Box::pin(sleep_until(deadline))),
        }
    }

    fn end(&mut self, failure: Failure) -> Poll<Option<Result<Frame, Status>>> {
        self.inner = None;
        let mut trailers = HeaderMap::new();
        mend::write(&Status::from(failure), &mut trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

impl http_body::Body for Guarded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, Status>>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else {
            return Poll::Ready(None);
        };
        let over = match &mut this.deadline {
            Some(deadline) => deadline.as_mut().poll(cx).is_ready(),
            None => false,
        };
        if over {
            return this.end(Failure::DeadlineExceeded);
        }
        let mut next = inner.frame();
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut next).poll(cx)));
        let frame = match polled {
            Ok(polled) => ready!(polled),
            Err(panic) => return this.end(panicked(panic.as_ref())),
        };
        Poll::Ready(frame.map(|frame| {
            frame.map(|frame| match frame.into_trailers() {
                Ok(mut trailers) => {
                    mend::headers(&mut trailers, &this.path, At::End);
                    Frame::trailers(trailers)
                }
                Err(data) => data,
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner
            .as_ref()
            .is_none_or(http_body::Body::is_end_stream)
    }
}
