// SPDX-License-Identifier: Apache-2.0
//! How traffic reaches tasks: published ports, and the ports that tasks answer on.
//!
//! Managers push one table to every node: which ports are published, and which tasks stand
//! behind them ([`skep_core::model::ServiceEndpoints`]). A [`DataPlane`] turns that table into
//! traffic. [`UserspacePlane`] does so with plain sockets and no privileges; it is the one that
//! always works. [`IdlePlane`] carries nothing, for simulated nodes.
//!
//! ```text
//!  agent ── put, remove, commit(revision) ──► DataPlane ── status: revision in effect, problems
//!                                                 │
//!  client ──► node:published port ── balance ──► node:backend port ──► task (on any node)
//! ```
//!
//! What is decided here is decided in plain functions that see no socket and no clock: what to
//! listen on (`plan`), which backend comes next (`balance`), how long to try (`dial`), which
//! UDP client keeps which backend (`sessions`). The rest carries bytes.
//!
//! [`BackendPorts`] hands out the ports that a node's tasks listen on.
//!
//! Depends on `skep-core` alone; the agent depends on it.

mod balance;
mod changes;
mod dial;
mod idle;
mod moment;
mod plan;
mod plane;
mod ports;
mod probe;
mod sessions;
mod userspace;

pub use idle::IdlePlane;
pub use plane::{DataPlane, PlaneStatus, PortCause, PortProblem};
pub use ports::{BACKEND_PORTS, BackendPorts, PortError, Reach};
pub use userspace::{Limits, Options, PlaneStats, UserspacePlane, every_address};
