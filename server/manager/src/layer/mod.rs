// SPDX-License-Identifier: Apache-2.0
//! The guard that stands before every call, at every door.
//!
//! It asks who is calling and whether they may, keeps the time, catches panics, and sees to it
//! that every error that leaves has an ErrorInfo, those that the gRPC library makes included.

mod body;
mod door;
mod mend;
mod time;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::call::Call;
use crate::error::Failure;
use crate::roles::Methods;

pub use door::Door;
pub use mend::REQUEST_BYTES_MAX;

/// The longest that a call may take which answers with one message, unless it is one that waits.
pub const UNARY_TIME_MAX: Duration = Duration::from_secs(60);
/// The longest that a call may wait; how long it does, its request says.
const WAIT_TIME_MAX: Duration = Duration::from_secs(2 * 86_400);

/// Puts a [`Guard`] before a service.
#[derive(Clone, Copy, Debug)]
pub struct GuardLayer {
    door: Door,
}

impl GuardLayer {
    /// For the calls that come in by this door.
    #[must_use]
    pub fn new(door: Door) -> GuardLayer {
        GuardLayer { door }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        let door = self.door;
        Guard { door, inner }
    }
}

/// Stands before every call.
#[derive(Clone, Debug)]
pub struct Guard<S> {
    door: Door,
    inner: S,
}

impl<S> Service<Request<Body>> for Guard<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let spare = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, spare);
        let path = request.uri().path().to_owned();
        let admitted = admit(self.door, request);
        Box::pin(async move {
            let (response, until) = match admitted {
                Ok(Admitted { request, until }) => (answer(inner, request, until).await, until),
                Err(failure) => (refuse(failure), Until::Unary(Instant::now())),
            };
            Ok(mend::response(response, &path, until))
        })
    }
}

/// When a call must be over.
#[derive(Clone, Copy, Debug)]
enum Until {
    /// A whole answer by then.
    Unary(Instant),
    /// A whole answer when something has come to pass; the caller wants it by then, if at all.
    Wait(Option<Instant>),
    /// A stream, which the caller wants to end by then, if at all.
    Stream(Option<Instant>),
}

struct Admitted {
    request: Request<Body>,
    until: Until,
}

/// Lets a request in, with who makes it noted in it.
fn admit(door: Door, mut request: Request<Body>) -> Result<Admitted, Failure> {
    let caller = door.caller(&request)?;
    let path = request.uri().path();
    let method = Methods::served().admit(path, caller.role)?;
    let now = Instant::now();
    let wanted = time::timeout(request.headers()).map(|timeout| now + timeout);
    let limit = now + UNARY_TIME_MAX;
    let until = if method.streams {
        Until::Stream(wanted)
    } else if method.waits {
        Until::Wait(wanted)
    } else {
        Until::Unary(wanted.map_or(limit, |wanted| wanted.min(limit)))
    };
    let call = Call {
        caller: caller.name,
        role: caller.role,
        deadline: match until {
            Until::Unary(deadline) => deadline,
            Until::Stream(deadline) => deadline.unwrap_or(limit),
            Until::Wait(deadline) => deadline.unwrap_or(now + WAIT_TIME_MAX),
        },
        method: path.into(),
    };
    request.extensions_mut().insert(call);
    Ok(Admitted { request, until })
}

async fn answer<S>(mut inner: S, request: Request<Body>, until: Until) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let begun = std::panic::catch_unwind(AssertUnwindSafe(|| inner.call(request)));
    let answer = async {
        match begun {
            Ok(future) => AssertUnwindSafe(future).catch_unwind().await,
            Err(panic) => Err(panic),
        }
    };
    let answer = match until {
        Until::Unary(deadline) | Until::Wait(Some(deadline)) | Until::Stream(Some(deadline)) => {
            tokio::time::timeout_at(deadline, answer).await
        }
        Until::Wait(None) | Until::Stream(None) => Ok(answer.await),
    };
    match answer {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(never))) => match never {},
        Ok(Err(panic)) => refuse(panicked(panic.as_ref())),
        Err(_) => refuse(Failure::DeadlineExceeded),
    }
}

fn refuse(failure: Failure) -> Response<Body> {
    Status::from(failure).into_http()
}

/// What a panic is to the caller: a fault of the server.
fn panicked(panic: &(dyn std::any::Any + Send)) -> Failure {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Failure::internal(&format!("panic: {}", text.unwrap_or("without words")))
}
