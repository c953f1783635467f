// SPDX-License-Identifier: Apache-2.0
//! The API for programs that do not speak gRPC, on the same addresses: JSON over plain HTTP, and
//! gRPC-Web.
//!
//! A request in JSON becomes the gRPC request that it stands for before anything else looks at
//! it, so the guard, the roles, the limits and the errors are those of gRPC. There is nothing in
//! here for any one method: what the descriptors of the contract know can be called.
//! `docs/http.md` says how it looks from outside.

mod answer;
mod error;
mod frames;
mod kind;
mod methods;
mod request;

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, Either};
use http::{Request, Response};
use tonic::body::Body;
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer, Service};

use kind::Kind;

/// Puts a [`Gateway`] before a service that speaks gRPC.
#[derive(Clone, Copy, Debug, Default)]
pub struct GatewayLayer;

impl<S: Clone> Layer<S> for GatewayLayer {
    type Service = Gateway<S>;

    fn layer(&self, inner: S) -> Gateway<S> {
        let web = GrpcWebLayer::new().layer(inner.clone());
        Gateway { inner, web }
    }
}

/// Turns what is not gRPC into it, and the answer back. gRPC itself passes untouched.
#[derive(Clone, Debug)]
pub struct Gateway<S> {
    inner: S,
    web: GrpcWebService<S>,
}

impl<S> Service<Request<Body>> for Gateway<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match Kind::of(request.method(), request.version(), request.headers()) {
            Kind::Grpc => Either::Left(self.inner.call(request)),
            Kind::GrpcWeb => Either::Right(Box::pin(self.web.call(request))),
            Kind::Json => {
                let inner = self.inner.clone();
                Either::Right(Box::pin(async move { Ok(json(inner, request).await) }))
            }
            Kind::Strange(refusal) => {
                let answer = error::strange(refusal);
                Either::Right(Box::pin(async move { Ok(answer) }))
            }
        }
    }
}

/// Calls a method with a request in JSON.
async fn json<S>(mut inner: S, request: Request<Body>) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let Some(method) = methods::find(request.uri().path()) else {
        return error::unknown_method(request.uri().path());
    };
    let request = match request::translate(request, &method.input()).await {
        Ok(request) => request,
        Err(failure) => return error::response(&failure.into()),
    };
    let Ok(()) = futures::future::poll_fn(|cx| inner.poll_ready(cx)).await;
    let Ok(response) = inner.call(request).await;
    if method.is_server_streaming() {
        answer::streamed(response, method.output())
    } else {
        answer::unary(response, &method.output()).await
    }
}
