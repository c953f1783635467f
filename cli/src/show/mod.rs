// SPDX-License-Identifier: Apache-2.0
//! From objects of the API to text: pure functions of the object and the time.

pub(crate) mod attempts;
mod container_pretty;
pub(crate) mod event;
pub(crate) mod info;
pub(crate) mod log;
pub(crate) mod node;
pub(crate) mod node_pretty;
pub(crate) mod revision;
mod rollout_pretty;
pub(crate) mod runs;
pub(crate) mod service;
pub(crate) mod service_pretty;
pub(crate) mod task;

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;

use crate::parse::duration::format_duration;

/// How long ago something was; nothing if it is to come, as clocks differ.
fn age(time: Option<&Timestamp>, now: SystemTime) -> Duration {
    let then = time
        .copied()
        .and_then(|time| SystemTime::try_from(time).ok());
    then.and_then(|then| now.duration_since(then).ok())
        .unwrap_or_default()
}

/// How long it is until something; nothing if it is past.
fn ahead(time: &Timestamp, now: SystemTime) -> Duration {
    let then = SystemTime::try_from(*time).ok();
    then.and_then(|then| then.duration_since(now).ok())
        .unwrap_or_default()
}

/// A span as Go writes it.
fn span_text(span: prost_types::Duration) -> String {
    Duration::try_from(span).map_or_else(|_| span.to_string(), format_duration)
}
