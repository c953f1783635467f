// SPDX-License-Identifier: Apache-2.0
//! Everything end to end: with real programs, and in the simulation.

mod adopt;
mod api;
mod docker;
mod drain;
mod faults;
mod grpcurl;
mod journeys;
mod kill;
mod network;
mod sim;
mod traffic;
mod user;
