// SPDX-License-Identifier: Apache-2.0
//! Serving metrics over HTTP, for Prometheus.

use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What Prometheus' text format is called.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Gives the metrics as a text; nothing while there are none.
pub(crate) type Source = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// Serves `/metrics` until `stop`.
///
/// # Errors
/// If serving fails.
pub(crate) async fn serve(
    listener: TcpListener,
    source: Source,
    stop: CancellationToken,
) -> Result<()> {
    let answer = move || {
        let text = source();
        async move { response(text) }
    };
    let router = Router::new().route("/metrics", get(answer));
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
        .context("cannot serve metrics")
}

fn response(text: Option<String>) -> Response {
    match text {
        Some(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        None => (
            StatusCode::SERVICE_UNAVAILABLE,
            "this daemon is in no swarm\n",
        )
            .into_response(),
    }
}
