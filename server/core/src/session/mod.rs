// SPDX-License-Identifier: Apache-2.0
//! The session between an agent and a manager, both ends of it, without input or output.
//!
//! Each end is a machine: messages and the time go in, messages and what is to be done come
//! out, and `wake_at` says when time alone makes a difference. The daemon drives them from
//! connections, the simulation from a list of messages on their way.
//!
//! The agent says Hello, the manager answers Welcome; then reports go up and assignments come
//! down, each acknowledged. Anything sent is a sign of life. After three silent heartbeats
//! either end gives up; the agent then connects again, to any manager.

mod agent;
mod backoff;
mod manager;
mod message;
#[cfg(test)]
mod tests;

pub use agent::{AgentOutput, AgentSession, CONNECT_TIMEOUT};
pub use backoff::{BACKOFF_FIRST, BACKOFF_MAX, backoff};
pub use manager::{ManagerOutput, ManagerSession};
pub use message::{
    AgentMessage, AssignmentsAck, Hello, LogRequest, LogSubscription, ManagerMessage, SessionEnd,
    Welcome,
};
