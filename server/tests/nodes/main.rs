// SPDX-License-Identifier: Apache-2.0
//! A manager and its nodes in one process: the real sessions over connections that can be cut,
//! simulated tasks, and a state in memory that can refuse to be written.

mod drain;
mod logs;
mod nodes;
mod plane;
mod swarm;
mod tasks;
mod wire;
