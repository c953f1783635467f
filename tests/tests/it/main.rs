// SPDX-License-Identifier: Apache-2.0
//! Everything end to end: with real programs, and in the simulation.

mod adopt;
mod api;
mod daemon;
mod day;
mod docker;
mod drain;
mod drain_udp;
mod faults;
mod http;
mod journeys;
mod journeys_rollouts;
mod kill;
mod network;
mod reflection;
mod rollout;
mod sim;
mod stored;
mod terminal;
mod traffic;
mod user;
mod without_engine;
