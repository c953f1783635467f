// SPDX-License-Identifier: Apache-2.0
//! The program itself against a server that plays a small swarm, over a real socket.

// Helpers of tests may panic as tests may.
#![allow(clippy::unwrap_used)]

#[path = "it/commands.rs"]
mod commands;
#[path = "it/docker.rs"]
mod docker;
#[path = "it/failures.rs"]
mod failures;
#[path = "it/fake/mod.rs"]
mod fake;
#[path = "it/progress.rs"]
mod progress;
#[allow(dead_code)]
#[path = "../src/sample/mod.rs"]
mod sample;
