// SPDX-License-Identifier: Apache-2.0
//! skep for Rust: the generated client of the API and the five things that every SDK of skep
//! adds to it.
//!
//! 1. **Connect**: [`Client::connect`] with a [`Context`] finds the daemon.
//! 2. **Calls**: [`Client::services`] and its siblings are the generated stubs. Every call gets a
//!    deadline, every change a `request_id`, and what failed with UNAVAILABLE is repeated by the
//!    policy of `sdk/service_config.json`.
//! 3. **Watch**: [`Client::watch`] yields [`WatchEvent`]s and resumes by itself.
//! 4. **Wait**: [`Client::wait_converged`] ends when a service is as wanted and stays so,
//!    or cannot be.
//! 5. **Edit**: [`Client::edit_service`] changes what a closure changes and nothing else.
//!
//! Messages are the generated ones of [`v1`]; there is no second model.
//!
//! ```no_run
//! # async fn demo() -> Result<(), skep_sdk::Error> {
//! use skep_sdk::{Client, Context};
//!
//! let client = Client::connect(&Context::from_env()?).await?;
//! let (services, _revision) = client.list_services(Default::default()).await?;
//! for service in services {
//!     println!("{}", service.spec.unwrap_or_default().name);
//! }
//! # Ok(())
//! # }
//! ```

mod calls;
mod client;
mod connect;
mod context;
mod descriptors;
mod edit;
mod error;
mod list;
mod mask;
mod methods;
mod policy;
mod wait;
mod watch;

/// The name of a message type, which finds its descriptor.
pub use prost::Name;
/// The messages, clients and enums of the API, generated from the contract.
pub use skep_proto::v1;
/// What carries a call: the code of a failure, a request with metadata, a stream of answers.
pub use tonic::{Code, Request, Status, Streaming};

pub use calls::{Calls, new_request_id};
pub use client::Client;
pub use context::{Context, Host};
pub use descriptors::{describe, dynamic, pool};
pub use edit::Edited;
pub use error::{CallError, ConnectError, Error, Violation};
pub use wait::{
    FAILURES_MAX, Failing, Goal, Judge, Outcome, Phase, STABLE_FOR, Sight, Step, WaitOptions,
    Waited,
};
pub use watch::{Frame, Frames, Identified, Object, View, Watch, WatchEvent, WatchKind};
