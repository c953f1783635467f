// SPDX-License-Identifier: Apache-2.0
//! Everything end to end, with real programs.

mod adopt;
mod api;
mod faults;
mod kill;
mod network;
