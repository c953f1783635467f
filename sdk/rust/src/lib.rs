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
//! use skep_sdk::v1::{TaskFilter, Task, WatchRequest};
//! use skep_sdk::{Client, Context, TryStreamExt, WatchEvent};
//!
//! let client = Client::connect(&Context::from_env()?).await?;
//! let request = WatchRequest {
//!     tasks: Some(TaskFilter::default()),
//!     ..WatchRequest::default()
//! };
//! let mut events = client.watch::<Task>(request);
//! while let Some(event) = events.try_next().await? {
//!     if let WatchEvent::Changed(task) = event {
//!         println!("{}", task.name);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod calls;
mod client;
mod context;
mod edit;
mod error;
mod mask;
mod policy;
mod view;
mod wait;
mod watch;

/// What reads a [`Watch`]: `try_next`, and all that streams can do.
pub use futures::{StreamExt, TryStreamExt};
/// The name of a message type, which finds its descriptor.
pub use prost::Name;
/// The contract as data, for proto JSON and for whoever wants to look.
pub use skep_proto::reflect;
/// The messages, clients and enums of the API, generated from the contract.
pub use skep_proto::v1;
/// What carries a call: the code of a failure, a request with metadata.
pub use tonic::{Code, Request, Status};
/// One field that breaks its rules.
pub use tonic_types::FieldViolation;

pub use calls::{Calls, new_request_id};
pub use client::Client;
pub use context::Context;
pub use edit::Edited;
pub use error::Error;
pub use view::{Identified, Object, View};
pub use wait::{STABLE_FOR, WaitOptions};
pub use watch::{Watch, WatchEvent};
