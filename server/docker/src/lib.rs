// SPDX-License-Identifier: Apache-2.0
//! Runs tasks as containers of a Docker engine on the node.
//!
//! The truth about a task is its container. It carries labels that say whose it is, and a name
//! that is derived from the task's id, so that nothing is ever made twice; what is kept in memory
//! is only what the engine said last. [`sync`] keeps that up to date: events say where to look,
//! the engine's list says what is. Containers without our labels are never touched.
//!
//! What follows from what is a pure function wherever it can be: [`create`] says what to ask of
//! the engine for a task, [`observe`] what its answer means, [`mod@reference`] what an image is
//! called, [`cut`] where the lines of a log begin and end. The rest carries.
//!
//! The engine's own words go into every error, because they are what people can look up.

mod address;
mod create;
mod credentials;
mod cure;
mod cut;
mod engine;
mod error;
mod executor;
#[cfg(test)]
mod fake;
mod helper;
mod image;
mod labels;
mod logs;
mod moment;
mod mounts;
mod observe;
mod orders;
mod pull;
mod pulls;
mod reference;
mod refusal;
mod sync;
mod table;
#[cfg(test)]
mod testing;
mod version;

pub use address::{BadAddress, EngineAddress};
pub use engine::Engine;
pub use error::EngineError;
pub use executor::{DockerExecutor, DockerOptions};
pub use labels::Owner;
pub use version::ApiVersion;
