// SPDX-License-Identifier: Apache-2.0
//! What the leader's loops keep between two decisions: whom to look at, and when.
//!
//! All of it is a hint. Lost hints only delay: a new leader begins with everything due.

mod drainer;
mod placer;
mod reconciler;
#[cfg(test)]
mod tests;

pub use drainer::{CONFIRM_TIME_MAX, Drainer};
pub use placer::Placer;
pub use reconciler::{Reconciler, Wanted};
