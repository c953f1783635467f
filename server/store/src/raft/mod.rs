// SPDX-License-Identifier: Apache-2.0
//! The Raft library behind its traits: no other room knows that there is one.
//!
//! - `types.rs`: what the library is instantiated with;
//! - `convert.rs`: between its types and those of the log;
//! - `log_store.rs`: the log as it wants it;
//! - `machine.rs`: the state it applies entries to;
//! - `network.rs`: the way to other managers, of which there is none yet.

pub(crate) mod convert;
pub(crate) mod log_store;
pub(crate) mod machine;
pub(crate) mod network;
#[cfg(test)]
mod suite;
pub(crate) mod types;
