// SPDX-License-Identifier: Apache-2.0
//! What the tests with real binaries share.

mod skip;

pub use skip::skip;
