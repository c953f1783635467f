// SPDX-License-Identifier: Apache-2.0
//! Every field of every request is listed here with the test that shows what it does. A field
//! that is added to the contract fails this until it has its own.

use std::collections::BTreeSet;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::raw::pool;
use super::{listing, nodes, reading, repeats, rollouts, services, streams, swarm, waits};

/// A test, and the fields that it proves.
type Proof = (fn(), &'static [&'static str]);

/// Fields, less `skep.v1.`, and what proves them. A name that ends in ".*" stands for all
/// fields of a message.
const PROOFS: [Proof; 34] = [
    (
        services::a_spec_is_kept_as_it_was_written,
        &[
            "CreateServiceRequest.spec",
            "ServiceSpec.*",
            "Replicated.*",
            "TaskTemplate.*",
            "Process.*",
            "Ulimit.*",
            "Resources.*",
            "ResourceLimits.*",
            "Placement.*",
            "Requirement.*",
            "RestartPolicy.*",
            "StopPolicy.*",
            "Container.*",
            "HostEntry.*",
            "DnsConfig.*",
            "Security.*",
            "HealthCheck.*",
            "ExecProbe.*",
            "HttpProbe.*",
            "TcpProbe.*",
            "GrpcProbe.*",
            "Mount.*",
            "BindMount.*",
            "VolumeMount.*",
            "TmpfsMount.*",
            "LogDriver.*",
            "EndpointSpec.*",
            "Port.*",
            "UpdatePolicy.*",
        ],
    ),
    (
        rollouts::a_rollout_is_steered,
        &[
            "ControlRolloutRequest.service",
            "ControlRolloutRequest.action",
            "ControlRolloutRequest.to_template_revision",
        ],
    ),
    (
        rollouts::the_revision_of_the_spec_is_compared,
        &["ControlRolloutRequest.if_spec_revision"],
    ),
    (
        rollouts::revisions_are_listed_newest_first,
        &[
            "ListServiceRevisionsRequest.service",
            "ListServiceRevisionsRequest.page_size",
            "ListServiceRevisionsRequest.page_token",
        ],
    ),
    (
        services::an_object_answers_to_its_id_its_name_and_the_beginning_of_its_id,
        &[
            "GetServiceRequest.service",
            "UpdateServiceRequest.service",
            "DeleteServiceRequest.service",
        ],
    ),
    (
        waits::a_service_that_converged_and_stays_so_is_shown,
        &[
            "WaitServiceRequest.service",
            "WaitServiceRequest.stable_for",
        ],
    ),
    (
        waits::what_is_deleted_is_gone_with_its_last_task,
        &["WaitServiceRequest.goal"],
    ),
    (
        waits::the_time_is_over_with_what_the_service_says,
        &["WaitServiceRequest.timeout"],
    ),
    (
        waits::only_the_spec_that_was_asked_for_counts,
        &["WaitServiceRequest.spec_revision"],
    ),
    (
        services::without_a_mask_the_whole_spec_is_replaced,
        &["UpdateServiceRequest.spec"],
    ),
    (
        services::a_mask_takes_over_what_it_names,
        &["UpdateServiceRequest.update_mask"],
    ),
    (
        services::the_revision_of_the_spec_is_compared,
        &[
            "UpdateServiceRequest.if_spec_revision",
            "DeleteServiceRequest.if_spec_revision",
        ],
    ),
    (
        services::what_is_missing_is_created_if_allowed,
        &["UpdateServiceRequest.allow_missing"],
    ),
    (
        services::what_is_missing_is_deleted_if_allowed,
        &["DeleteServiceRequest.allow_missing"],
    ),
    (
        nodes::a_node_is_shown_with_what_its_session_knows,
        &["GetNodeRequest.node"],
    ),
    (
        nodes::the_spec_of_a_node_is_kept_as_it_was_written,
        &[
            "UpdateNodeRequest.node",
            "UpdateNodeRequest.spec",
            "NodeSpec.*",
        ],
    ),
    (
        nodes::a_mask_changes_one_thing_of_a_node,
        &["UpdateNodeRequest.update_mask"],
    ),
    (
        nodes::the_revision_of_the_spec_is_compared,
        &[
            "UpdateNodeRequest.if_spec_revision",
            "DeleteNodeRequest.if_spec_revision",
        ],
    ),
    (
        nodes::a_node_that_is_there_is_only_forgotten_by_force,
        &["DeleteNodeRequest.node", "DeleteNodeRequest.force"],
    ),
    (
        nodes::what_is_missing_is_deleted_if_allowed,
        &["DeleteNodeRequest.allow_missing"],
    ),
    (
        nodes::a_task_is_shown_with_its_template_and_stopped,
        &["GetTaskRequest.task", "StopTaskRequest.task"],
    ),
    (
        swarm::the_settings_are_kept_as_they_were_written,
        &["UpdateSwarmRequest.spec", "SwarmSpec.*"],
    ),
    (
        swarm::a_mask_changes_one_setting,
        &["UpdateSwarmRequest.update_mask"],
    ),
    (
        swarm::the_revision_of_the_settings_is_compared,
        &["UpdateSwarmRequest.if_spec_revision"],
    ),
    (
        swarm::a_swarm_is_founded_as_was_asked_for,
        &["InitSwarmRequest.*"],
    ),
    (
        swarm::the_last_manager_leaves_by_force_only,
        &["LeaveSwarmRequest.force"],
    ),
    (reading::a_local_read_needs_no_leader, READ_FIELDS),
    (listing::all_pages_show_one_revision, LIST_FIELDS),
    (repeats::services, REQUEST_IDS),
    (
        streams::a_task_watch_shows_what_its_filter_lets_through,
        &["WatchTasksRequest.filter"],
    ),
    (
        streams::a_task_watch_resumes_and_keeps_in_touch,
        &[
            "WatchTasksRequest.after_revision",
            "WatchTasksRequest.progress_interval",
        ],
    ),
    (
        streams::a_watch_shows_the_kinds_it_was_asked_for,
        &[
            "WatchRequest.tasks",
            "WatchRequest.services",
            "WatchRequest.nodes",
            "WatchRequest.swarm",
        ],
    ),
    (
        streams::a_watch_resumes_and_keeps_in_touch,
        &[
            "WatchRequest.after_revision",
            "WatchRequest.progress_interval",
        ],
    ),
    (streams::logs_are_those_of_the_tasks_asked_for, LOG_FIELDS),
];

const READ_FIELDS: &[&str] = &[
    "Consistency.*",
    "GetServiceRequest.consistency",
    "ListServicesRequest.consistency",
    "ListServiceRevisionsRequest.consistency",
    "GetNodeRequest.consistency",
    "ListNodesRequest.consistency",
    "GetTaskRequest.consistency",
    "ListTasksRequest.consistency",
    "GetSwarmRequest.consistency",
];

/// Also in `listing`: `nodes_and_tasks_have_pages_too`, `services_are_filtered`,
/// `nodes_are_filtered`, `tasks_are_filtered`.
const LIST_FIELDS: &[&str] = &[
    "ListServicesRequest.filter",
    "ListServicesRequest.page_size",
    "ListServicesRequest.page_token",
    "ListNodesRequest.filter",
    "ListNodesRequest.page_size",
    "ListNodesRequest.page_token",
    "ListTasksRequest.filter",
    "ListTasksRequest.page_size",
    "ListTasksRequest.page_token",
    "ServiceFilter.*",
    "NodeFilter.*",
    "TaskFilter.*",
];

/// Also in `repeats`: `nodes`, `tasks`, `the_swarm`.
const REQUEST_IDS: &[&str] = &[
    "CreateServiceRequest.request_id",
    "UpdateServiceRequest.request_id",
    "DeleteServiceRequest.request_id",
    "ControlRolloutRequest.request_id",
    "UpdateNodeRequest.request_id",
    "DeleteNodeRequest.request_id",
    "StopTaskRequest.request_id",
    "UpdateSwarmRequest.request_id",
];

/// That `tail` and `since_time` choose lines is shown in the core's tests of `logs`, and that
/// bad ones are refused in `streams::bad_requests_for_logs_are_refused`.
const LOG_FIELDS: &[&str] = &[
    "StreamLogsRequest.filter",
    "StreamLogsRequest.follow",
    "StreamLogsRequest.tail",
    "StreamLogsRequest.since_time",
];

/// The full names of all fields of all requests, at any depth.
pub(super) fn request_fields() -> BTreeSet<String> {
    let methods = pool()
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>());
    let fields = fields_below(methods.map(|method| method.input()).collect());
    let names = fields.iter().map(|field| field.full_name().to_owned());
    names.collect()
}

/// All fields of these messages of ours, at any depth.
pub(super) fn fields_below(mut waiting: Vec<MessageDescriptor>) -> Vec<FieldDescriptor> {
    let mut seen = BTreeSet::new();
    let mut fields = Vec::new();
    while let Some(message) = waiting.pop() {
        if !is_ours(&message) || !seen.insert(message.full_name().to_owned()) {
            continue;
        }
        for field in message.fields() {
            if let Kind::Message(inner) = field.kind() {
                waiting.push(inner);
            }
            if !message.is_map_entry() {
                fields.push(field);
            }
        }
    }
    fields
}

pub(super) fn is_ours(message: &MessageDescriptor) -> bool {
    message.package_name() == "skep.v1"
}

#[test]
fn every_field_of_every_request_has_its_proof() {
    let listed: BTreeSet<&str> = PROOFS
        .iter()
        .flat_map(|(_, fields)| *fields)
        .copied()
        .collect();
    let fields = request_fields();
    assert!(fields.len() >= 90, "{} fields", fields.len());
    for name in &fields {
        let short = name.trim_start_matches("skep.v1.");
        let message = short.split_once('.').map_or(short, |(message, _)| message);
        let all = format!("{message}.*");
        let proven = listed.contains(short) || listed.contains(all.as_str());
        assert!(proven, "{short} needs a test, and its place in this table");
    }
    for name in listed {
        let full = format!("skep.v1.{}", name.trim_end_matches('*'));
        let known = fields.iter().any(|field| field.starts_with(&full));
        assert!(known, "{name} is not in the contract any more");
    }
}
