// SPDX-License-Identifier: Apache-2.0
//! Watching: what one subscriber gets to see, and when.
//!
//! A [`Cursor`] is a place in the shared history, and a filter. It has no queue, so a slow
//! subscriber costs nothing; it is asked for the next frame whenever the subscriber can take
//! one. What it promises is written down, rule by rule, in the tests of this module.

mod cursor;
mod filter;
mod frame;
mod snapshot;
#[cfg(test)]
mod tests;

pub use cursor::{Cursor, Ended, Options, Source};
pub use filter::{Change, Object, WatchEvent, WatchFilter};
pub use frame::{FRAME_BYTES_MAX, Frame};
