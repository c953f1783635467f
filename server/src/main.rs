// SPDX-License-Identifier: Apache-2.0
//! `skepd`: the daemon on every node.

mod config;
mod logging;
mod paths;
mod ready;

fn main() {}
