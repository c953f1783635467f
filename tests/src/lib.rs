// SPDX-License-Identifier: Apache-2.0
//! What the tests with real binaries share.

pub mod daemon;
mod skip;
pub mod transcript;
pub mod wait;

pub use daemon::Daemon;
pub use skip::skip;
pub use transcript::Transcript;
pub use wait::{DEADLINE, until};
