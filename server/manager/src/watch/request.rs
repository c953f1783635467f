// SPDX-License-Identifier: Apache-2.0
//! What a watch asks for.

use std::time::Duration;

use skep_core::model::Revision;
use skep_core::watch::{FRAME_BYTES_MAX, Options, WatchFilter};
use skep_proto::v1;
use skep_wire::parse::{Fields, bounded_span, filter};

use crate::error::Failure;

const PROGRESS_DEFAULT: Duration = Duration::from_secs(5);
const PROGRESS_LEAST: Duration = Duration::from_secs(1);
const PROGRESS_MOST: Duration = Duration::from_secs(60);
const REVISION_MAX: u64 = 1 << 53;

pub(super) fn of_tasks(request: v1::WatchTasksRequest) -> Result<Options, Failure> {
    let mut fields = Fields::new();
    let message = request.filter.unwrap_or_default();
    let tasks = fields.at("filter", |fields| filter::tasks(fields, message));
    let filter = WatchFilter {
        tasks: Some(tasks),
        ..WatchFilter::default()
    };
    options(
        fields,
        filter,
        request.after_revision,
        request.progress_interval,
    )
}

pub(super) fn of_all(request: v1::WatchRequest) -> Result<Options, Failure> {
    let mut fields = Fields::new();
    let filter = WatchFilter {
        tasks: request
            .tasks
            .map(|message| fields.at("tasks", |fields| filter::tasks(fields, message))),
        services: request
            .services
            .map(|message| fields.at("services", |fields| filter::services(fields, message))),
        nodes: request
            .nodes
            .map(|message| fields.at("nodes", |fields| filter::nodes(fields, message))),
        swarm: request.swarm,
    };
    if filter == WatchFilter::default() {
        fields.wrong(
            "tasks",
            "at least one of tasks, services, nodes and swarm must be set",
        );
    }
    options(
        fields,
        filter,
        request.after_revision,
        request.progress_interval,
    )
}

fn options(
    mut fields: Fields,
    filter: WatchFilter,
    after: u64,
    progress: Option<prost_types::Duration>,
) -> Result<Options, Failure> {
    fields.range("after_revision", after, 0, REVISION_MAX);
    let (least, most) = (PROGRESS_LEAST, PROGRESS_MOST);
    let interval = bounded_span(&mut fields, "progress_interval", progress, least, most);
    fields.finish().map_err(Failure::Invalid)?;
    Ok(Options {
        filter,
        after: Revision(after),
        progress_interval: interval.unwrap_or(PROGRESS_DEFAULT),
        frame_bytes_max: FRAME_BYTES_MAX,
    })
}
