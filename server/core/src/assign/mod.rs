// SPDX-License-Identifier: Apache-2.0
//! What each node should have: its tasks, what they are made from, and where services answer.
//!
//! [`for_node`] and [`endpoints()`] say it whole, from the state alone. What is sent is the
//! difference to what was sent before: a [`Tracker`] for each node remembers that, [`touched()`]
//! says after each change which nodes are concerned at all, and an [`EndpointTable`] keeps the
//! part that is the same for every node. On the other side, [`Held`] is what a node was given.

mod endpoints;
mod held;
mod item;
mod node;
mod table;
#[cfg(test)]
mod tests;
mod touched;
mod tracker;

pub use endpoints::{endpoints, service_endpoints};
pub use held::{GoesBack, Held, HeldChange, Inbox};
pub use item::{
    AssignedTask, AssignedTemplate, Assignment, Assignments, FRAME_BYTES_MAX, Unassignment,
};
pub use node::{NodeAssignments, for_node};
pub use table::{EndpointTable, TOMBSTONES_MAX};
pub use touched::{Touched, services_on, touched};
pub use tracker::Tracker;
