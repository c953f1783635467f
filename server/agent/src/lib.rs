// SPDX-License-Identifier: Apache-2.0
//! The part of skep that runs on every node: it takes assignments from a manager, runs tasks,
//! and says what became of them.

pub mod cgroup;
mod clock;
pub mod executor;
pub mod logs;
pub mod shim;
