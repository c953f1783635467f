// SPDX-License-Identifier: Apache-2.0
//! What a reader of logs asks for.

use skep_core::logs::Wanted;
use skep_proto::v1;
use skep_wire::parse::{Fields, filter, timestamp};

use crate::error::Failure;

const TAIL_MAX: u64 = 1_000_000;

pub(super) fn wanted(request: v1::StreamLogsRequest) -> Result<Wanted, Failure> {
    let mut fields = Fields::new();
    let message = request.filter.unwrap_or_default();
    let filter = fields.at("filter", |fields| filter::tasks(fields, message));
    if let Some(tail) = request.tail {
        fields.range("tail", tail.into(), 0, TAIL_MAX);
    }
    let since = request.since_time.map(timestamp);
    if since == Some(None) {
        fields.wrong("since_time", "lies outside of all time that is known here");
    }
    fields.finish().map_err(Failure::Invalid)?;
    Ok(Wanted {
        filter,
        follow: request.follow,
        tail: request.tail,
        since: since.flatten(),
    })
}
