// SPDX-License-Identifier: Apache-2.0
//! The only place where messages meet core types.
//!
//! [`parse`] takes a request for what it says, or names everything that is wrong with it;
//! [`render`] shows objects to users; [`stored`] is the form in the log and in snapshots;
//! [`session`] is what agents and managers say to each other.

pub mod parse;
pub mod render;
pub mod session;
pub mod stored;
