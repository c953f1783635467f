// SPDX-License-Identifier: Apache-2.0
//! The store from outside: crashes, damage, full disks, and what must be left.

mod damage;
mod log_model;
mod recovery;
mod snapshots;
mod store;
mod swarm;
