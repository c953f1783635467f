// SPDX-License-Identifier: Apache-2.0
//! The services behind their guard, called by real clients over connections in memory.

mod containers;
mod desk;
mod effects;
mod fields;
mod limits;
mod listing;
mod nodes;
mod raw;
mod reading;
mod reasons;
mod repeats;
mod rollouts;
mod samples;
mod services;
mod stand_ins;
mod stored;
mod streams;
mod swarm;
mod transport;
mod waits;
