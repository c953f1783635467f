// SPDX-License-Identifier: Apache-2.0
//! Which objects a list or a watch is about.
//!
//! Fields are ANDed, values within one field are ORed, and an empty field matches all. What a
//! filter names need not exist yet.

mod node;
mod reference;
mod service;
mod task;

pub use node::{NodeFilter, NodeFilterKey};
pub use reference::Reference;
pub use service::{ServiceFilter, ServiceFilterKey};
pub use task::{ObjectKey, TaskFilter};

/// Whether an empty field matches all, or one of its values fits.
fn any_or_empty<T>(values: &[T], fits: impl Fn(&T) -> bool) -> bool {
    values.is_empty() || values.iter().any(fits)
}

#[cfg(test)]
mod tests;
