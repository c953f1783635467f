// SPDX-License-Identifier: Apache-2.0
//! A manager: the gRPC services that users call.
//!
//! A handler asks who is calling, lets `skep-wire` take the request for what it says, lets
//! `skep-core` decide, proposes the change and shows the result. It decides nothing itself.
//! What the handlers need of their surroundings are traits: [`cluster::Cluster`] for the store,
//! [`daemon::DaemonControl`] for the daemon, [`facts::LiveFacts`] for what only memory knows,
//! [`streams::Streams`] for watches and logs.

pub mod api;
mod call;
mod catch_up;
pub mod cluster;
pub mod daemon;
pub mod dispatch;
pub mod error;
pub mod facts;
pub mod layer;
pub mod logs;
pub mod loops;
pub mod member;
pub mod metrics;
mod page;
mod past;
mod propose;
mod read;
mod roles;
pub mod stored;
pub mod streams;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod trouble;
pub mod waits;
pub mod watch;

pub use call::Call;
