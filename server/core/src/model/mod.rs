// SPDX-License-Identifier: Apache-2.0
//! What a swarm is made of: the objects, their parts, and the numbers that order them.

mod endpoint;
mod id;
mod time;

pub use endpoint::{Backend, BackendState, Port, PortMode, Protocol, ServiceEndpoints};
pub use id::{BadId, IdSource, NodeId, ServiceId, SwarmId, TaskId};
pub use time::{Revision, Timestamp};
