// SPDX-License-Identifier: Apache-2.0
//! The node's clock.

use std::time::{SystemTime, UNIX_EPOCH};

use skep_core::model::Timestamp;

/// What time it is here.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(0).after(since)
}
