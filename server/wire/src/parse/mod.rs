// SPDX-License-Identifier: Apache-2.0
//! Requests in: parse, do not validate. A message becomes a core type, or the list of all that
//! is wrong with it.
//!
//! The functions here take a message and a [`Fields`] that gathers what breaks a limit. They
//! give back as much as can be represented, so that one pass finds every bad field, and so that
//! what was stored under an older limit can still be read.

mod common;
mod container;
mod fields;
pub mod filter;
mod health;
mod image;
pub mod mask;
mod mount;
mod rollout;
pub mod spec;
mod template;
#[cfg(test)]
mod tests;
pub mod wait;

pub(crate) use common::protocol;
pub use common::{port, resources, span, timestamp};
pub use fields::{Fields, VIOLATIONS_MAX, Violation};
pub use rollout::action as rollout_action;
pub use template::template;

use std::time::Duration;

use prost_types::Duration as DurationMessage;

/// A span of time between two bounds.
pub fn bounded_span(
    fields: &mut Fields,
    name: &str,
    message: Option<DurationMessage>,
    least: Duration,
    most: Duration,
) -> Option<Duration> {
    common::bounded_span(fields, name, message, least, most)
}
