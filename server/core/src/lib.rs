// SPDX-License-Identifier: Apache-2.0
//! Every decision skep takes, and nothing else.
//!
//! This crate is pure: no clock, no randomness, no input or output. Time, ids and the
//! present state are arguments, changes are results, so each rule can be tested by calling a
//! function. See `ARCHITECTURE.md` for how the rooms fit together.

pub mod admit;
pub mod assign;
pub mod check;
pub mod clock;
pub mod control;
pub mod filter;
pub mod liveness;
pub mod logs;
pub mod model;
pub mod node_agent;
pub mod orchestrate;
pub mod rollout;
pub mod schedule;
pub mod session;
pub mod state;
pub mod wait;
pub mod watch;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
