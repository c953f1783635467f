// SPDX-License-Identifier: Apache-2.0
//! Which node a task runs on, and the reasons against the others.
//!
//! One call of [`place`] looks at every task that waits. Tasks of one service and template are
//! alike, so what they ask of a node is asked once for all of them; services that ask for the
//! same share the answers. Nodes that fit wait in heaps, so one decision costs the logarithm of
//! the number of nodes and not the number itself.

mod books;
mod demand;
mod explain;
pub mod filter;
mod group;
mod pass;
mod room;
mod spread;
#[cfg(test)]
mod tests;

pub use explain::REFRESHED_MAX;
pub use pass::{FAILURE_WINDOW, FAILURES_MAX, place};
pub use room::would_fit;
