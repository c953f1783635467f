// SPDX-License-Identifier: Apache-2.0
//! Objects out: core types as messages.

mod container;
mod object;
mod parts;
mod rollout;
mod spec;

pub use object::{node, reference, service, swarm, task};
pub use parts::{
    condition, duration, health, meta, port, ports_in_use, resources, task_state, timestamp,
    unplaced,
};
pub use rollout::{rollout, rollout_state, service_revision};
pub use spec::{node_spec, service_spec, swarm_spec, template};
