// SPDX-License-Identifier: Apache-2.0
//! What the tests share that run whole swarms: real daemons, and simulated ones.

pub mod daemon;
pub mod engine;
pub mod events;
pub mod page;
pub mod registry;
pub mod sim;
mod skip;
pub mod story;
pub mod transcript;
pub mod wait;

pub use daemon::Daemon;
pub use engine::Engine;
pub use registry::Registry;
pub use skip::skip;
pub use transcript::{Transcript, golden, normal};
pub use wait::{DEADLINE, until};
