// SPDX-License-Identifier: Apache-2.0
//! Gathering what tasks print: which node is asked for which lines, and what is said to be
//! missing.
//!
//! A [`Gather`] serves one reader. It never holds a line; it says whom to ask, which of the
//! lines that arrive are new, and when there is nothing more to come.

mod gather;
mod place;
#[cfg(test)]
mod tests;

pub use gather::{Ask, AskId, Gap, GapReason, Gather, Order, SESSION_GRACE, Wanted};
