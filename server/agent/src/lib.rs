// SPDX-License-Identifier: Apache-2.0
//! The part of skep that runs on every node: it takes assignments from a manager, runs tasks,
//! and says what became of them.

mod agent;
pub mod cgroup;
mod checks;
mod clock;
pub mod executor;
pub mod logs;
mod node;
mod session;
pub mod shim;
mod worker;

pub use agent::{Agent, AgentHandle, AgentOptions};
pub use node::share_of_machine;
pub use session::{Connection, Connector};
pub use worker::MemoryError;
