// SPDX-License-Identifier: Apache-2.0
//! The SDK against a server that plays a script, over a real socket.

// Helpers of tests may panic as tests may.
#![allow(clippy::unwrap_used)]

#[path = "it/calls.rs"]
mod calls;
#[path = "it/connect.rs"]
mod connect;
#[path = "it/edit.rs"]
mod edit;
#[path = "it/fake.rs"]
mod fake;
#[path = "it/wait.rs"]
mod wait;
#[path = "it/watch.rs"]
mod watch;
