// SPDX-License-Identifier: Apache-2.0
//! The table of flags. `docs/cli-flags.md` is written from it.

use super::shared::*;
use super::{Command, Flag, Sets};

const fn command(
    on: &'static str,
    request: &'static str,
    flags: &'static [&'static [Flag]],
) -> Command {
    Command { on, request, flags }
}

/// A flag that sets fields of the request.
pub(super) const fn sets(
    name: &'static str,
    fields: &'static [&'static str],
    tests: &'static [&'static str],
) -> Flag {
    Flag {
        name,
        sets: Sets::Fields(fields),
        tests,
    }
}

/// A flag that only this program sees.
pub(super) const fn here(
    name: &'static str,
    what: &'static str,
    tests: &'static [&'static str],
) -> Flag {
    Flag {
        name,
        sets: Sets::Here(what),
        tests,
    }
}

// The tests.
pub(super) const ASKED: &str = "tasks_are_asked_in_four_ways_or_not_at_all";
pub(super) const BACK: &str = "what_was_switched_off_can_be_switched_on";
pub(super) const BOX: &str = "every_flag_of_a_container_reaches_its_field";
pub(super) const BOX_UPDATE: &str = "flags_of_containers_change_a_container_alone";
pub(super) const ALONE: &str = "commands_need_no_daemon_where_they_ask_none";
pub(super) const CAPABILITIES: &str = "capabilities_have_three_states";
pub(super) const CREATE: &str = "every_flag_of_create_reaches_its_field";
pub(super) const DAEMON: &str = "flags_beat_the_environment_and_it_beats_the_file";
pub(super) const ENTRYPOINT: &str = "an_entrypoint_makes_the_words_arguments";
pub(super) const EVENTS: &str = "events_are_objects_for_programs";
pub(super) const FILE: &str = "a_spec_is_its_proto_json";
pub(super) const HISTORY: &str = "history_lists_where_to_go_back_to";
pub(super) const JOINED: &str = "flags_of_the_node_reach_their_fields";
pub(super) const LABELS: &str = "labels_of_the_swarm_come_and_go";
pub(super) const LINES: &str = "lines_say_who_printed_them";
pub(super) const LIST: &str = "every_format_shows_the_same_objects";
pub(super) const LISTS: &str = "lists_of_containers_come_and_go";
pub(super) const LOGS: &str = "flags_of_logs_reach_their_fields";
pub(super) const NODE: &str = "every_flag_of_node_update_reaches_its_field";
pub(super) const NODES: &str = "nodes_are_listed_as_docker_does";
pub(super) const NODE_FILTERS: &str = "node_filters_reach_their_fields";
pub(super) const OBJECTS: &str = "objects_are_one_array_or_a_line_each";
pub(super) const PARTS: &str = "parts_are_one_object";
pub(super) const PRETTY: &str = "a_service_is_shown_for_people";
pub(super) const PRETTY_NODE: &str = "a_node_is_shown_for_people";
pub(super) const POLICY: &str = "flags_of_policies_reach_both";
pub(super) const REVISIONS: &str = "revisions_are_listed_newest_first";
pub(super) const ROLLBACK: &str = "a_rollback_asks_for_its_revision";
pub(super) const SENT: &str = "commands_send_what_their_flags_say";
pub(super) const SERVICES: &str = "services_are_listed_as_docker_does";
pub(super) const SERVICE_FILTERS: &str = "service_filters_reach_their_fields";
pub(super) const SHOWN: &str = "events_are_lines_for_people";
pub(super) const SWARM: &str = "every_flag_of_swarm_init_and_update_reaches_its_field";
pub(super) const TASKS: &str = "tasks_are_listed_by_slot_with_their_history";
pub(super) const TASK_FILTERS: &str = "task_filters_reach_their_fields";
pub(super) const UNSET: &str = "what_is_not_given_stays_unset";
pub(super) const UPDATE: &str = "every_flag_of_update_reaches_its_field";
pub(super) const WAIT: &str = "each_end_has_its_words_and_its_code";
pub(super) const WATCH: &str = "flags_of_watch_reach_their_fields";
pub(super) const WATCHED: &str = "named_services_and_nodes_leave_the_rest_out";

/// All flags, by command.
#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    command("", "", &[&[
        here("--host", "address of the daemon", &[DAEMON]),
        here("--context", "named context", &[DAEMON]),
    ]]),
    command("swarm init", "InitSwarmRequest", &[&[
        sets("--label", &["spec.labels"], &[JOINED]),
        sets("--node-name", &["node_name"], &[JOINED]),
        sets("--availability", &["availability"], &[JOINED]),
    ], SETTINGS]),
    command("swarm leave", "LeaveSwarmRequest", &[&[
        sets("--force", &["force"], &[SENT]),
    ]]),
    command("swarm update", "UpdateSwarmRequest", &[&[
        sets("--label-add", &["spec.labels"], &[LABELS]),
        sets("--label-rm", &["spec.labels"], &[LABELS]),
    ], SETTINGS]),
    command("node ls", "ListNodesRequest", &[&[
        here("--quiet", "ids alone", &[LIST]),
        sets("--filter", &["filter"], &[NODE_FILTERS]),
        here("--format", "how it is shown", &[LIST]),
        here("--no-trunc", "ids and texts whole", &[NODES]),
    ]]),
    command("node inspect", "GetNodeRequest", &[&[
        sets("NODE", &["node"], &[SENT]),
        here("--pretty", "how it is shown", &[PRETTY_NODE]),
        here("--format", "how it is shown", &[OBJECTS]),
    ]]),
    command("node ps", "ListTasksRequest", &[&[
        sets("NODE", &["filter.nodes"], &[SENT]),
    ], TASK_LISTS]),
    command("node rm", "DeleteNodeRequest", &[&[
        sets("NODE", &["node"], &[SENT]),
        sets("--force", &["force"], &[SENT]),
    ]]),
    command("node update", "UpdateNodeRequest", &[&[
        sets("NODE", &["node"], &[SENT]),
        sets("--availability", &["spec.availability"], &[NODE]),
        sets("--label-add", &["spec.labels"], &[NODE]),
        sets("--label-rm", &["spec.labels"], &[NODE]),
        sets("--name", &["spec.name"], &[NODE]),
    ]]),
    command("service create", "CreateServiceRequest", &[&[
        sets("--process", &["spec.template.process"], &[CREATE]),
        sets("IMAGE|COMMAND", &["spec.template.container.image", "spec.template.process.command", "spec.template.process.args", "spec.template.container.args"], &[CREATE]),
        sets("--file", &["spec"], &[FILE]),
        sets("--name", &["spec.name"], &[CREATE]),
        sets("--mode", &["spec.replicated", "spec.every_node"], &[UNSET]),
        sets("--label", &["spec.labels"], &[CREATE]),
        sets("--publish", &["spec.endpoint.ports"], &[CREATE]),
        sets("--constraint", &["spec.template.placement.requirements"], &[CREATE]),
        sets("--placement-pref", &["spec.template.placement.spread"], &[CREATE]),
        sets("--env", &["spec.template.process.env", "spec.template.container.env"], &[CREATE]),
        sets("--env-file", &["spec.template.process.env", "spec.template.container.env"], &[CREATE]),
        sets("--group", &["spec.template.process.groups", "spec.template.container.groups"], &[CREATE]),
        sets("--ulimit", &["spec.template.process.ulimits", "spec.template.container.ulimits"], &[CREATE]),
        sets("--container-label", &["spec.template.container.labels"], &[BOX]),
        sets("--mount", &["spec.template.mounts"], &[BOX]),
        sets("--cap-add", &["spec.template.container.capabilities_add"], &[BOX]),
        sets("--cap-drop", &["spec.template.container.capabilities_drop"], &[BOX]),
        sets("--sysctl", &["spec.template.container.sysctls"], &[BOX]),
        sets("--add-host", &["spec.template.container.hosts"], &[BOX]),
        sets("--dns", &["spec.template.container.dns.servers"], &[BOX]),
        sets("--dns-option", &["spec.template.container.dns.options"], &[BOX]),
        sets("--dns-search", &["spec.template.container.dns.search"], &[BOX]),
    ], SPEC, POLICIES, CONTAINER, WAITS, STAYS]),
    command("service update", "UpdateServiceRequest", &[&[
        sets("SERVICE", &["service"], &[SENT]),
        sets("--force", &["spec.template.restart_token"], &[UPDATE]),
        sets("--args", &["spec.template.process.args", "spec.template.container.args"], &[UPDATE]),
        sets("--env-add", &["spec.template.process.env", "spec.template.container.env"], &[UPDATE]),
        sets("--env-rm", &["spec.template.process.env", "spec.template.container.env"], &[UPDATE]),
        sets("--group-add", &["spec.template.process.groups", "spec.template.container.groups"], &[UPDATE]),
        sets("--group-rm", &["spec.template.process.groups", "spec.template.container.groups"], &[UPDATE]),
        sets("--ulimit-add", &["spec.template.process.ulimits", "spec.template.container.ulimits"], &[UPDATE]),
        sets("--ulimit-rm", &["spec.template.process.ulimits", "spec.template.container.ulimits"], &[UPDATE]),
        sets("--label-add", &["spec.labels"], &[UPDATE]),
        sets("--label-rm", &["spec.labels"], &[UPDATE]),
        sets("--constraint-add", &["spec.template.placement.requirements"], &[UPDATE]),
        sets("--constraint-rm", &["spec.template.placement.requirements"], &[UPDATE]),
        sets("--placement-pref-add", &["spec.template.placement.spread"], &[UPDATE]),
        sets("--placement-pref-rm", &["spec.template.placement.spread"], &[UPDATE]),
        sets("--publish-add", &["spec.endpoint.ports"], &[UPDATE]),
        sets("--publish-rm", &["spec.endpoint.ports"], &[UPDATE]),
        sets("--image", &["spec.template.container.image"], &[BOX_UPDATE]),
        sets("--container-label-add", &["spec.template.container.labels"], &[LISTS]),
        sets("--container-label-rm", &["spec.template.container.labels"], &[LISTS]),
        sets("--mount-add", &["spec.template.mounts"], &[LISTS]),
        sets("--mount-rm", &["spec.template.mounts"], &[LISTS]),
        sets("--cap-add", &["spec.template.container.capabilities_add"], &[CAPABILITIES]),
        sets("--cap-drop", &["spec.template.container.capabilities_drop"], &[CAPABILITIES]),
        sets("--sysctl-add", &["spec.template.container.sysctls"], &[LISTS]),
        sets("--sysctl-rm", &["spec.template.container.sysctls"], &[LISTS]),
        sets("--host-add", &["spec.template.container.hosts"], &[LISTS]),
        sets("--host-rm", &["spec.template.container.hosts"], &[LISTS]),
        sets("--dns-add", &["spec.template.container.dns.servers"], &[LISTS]),
        sets("--dns-rm", &["spec.template.container.dns.servers"], &[LISTS]),
        sets("--dns-option-add", &["spec.template.container.dns.options"], &[LISTS]),
        sets("--dns-option-rm", &["spec.template.container.dns.options"], &[LISTS]),
        sets("--dns-search-add", &["spec.template.container.dns.search"], &[LISTS]),
        sets("--dns-search-rm", &["spec.template.container.dns.search"], &[LISTS]),
    ], SPEC, POLICIES, CONTAINER, WAITS, STAYS]),
    command("service ls", "ListServicesRequest", &[&[
        here("--quiet", "ids alone", &[LIST]),
        sets("--filter", &["filter"], &[SERVICE_FILTERS]),
        here("--format", "how it is shown", &[LIST]),
        here("--no-trunc", "ids and texts whole", &[SERVICES]),
    ]]),
    command("service inspect", "GetServiceRequest", &[&[
        sets("SERVICE", &["service"], &[SENT]),
        here("--pretty", "how it is shown", &[PRETTY]),
        here("--format", "how it is shown", &[OBJECTS]),
    ]]),
    command("service ps", "ListTasksRequest", &[&[
        sets("SERVICE", &["filter.services"], &[SENT]),
    ], TASK_LISTS]),
    command("service scale", "UpdateServiceRequest", &[&[
        sets("SERVICE=REPLICAS", &["spec.replicated.replicas"], &[SENT]),
    ], WAITS, STAYS]),
    command("service history", "ListServiceRevisionsRequest", &[&[
        sets("SERVICE", &["service"], &[HISTORY]),
        here("--quiet", "numbers alone", &[REVISIONS]),
        here("--format", "how it is shown", &[REVISIONS]),
        here("--no-trunc", "texts whole", &[HISTORY]),
    ]]),
    command("service rollback", "ControlRolloutRequest", &[&[
        sets("SERVICE", &["service"], &[ROLLBACK]),
        sets("--to", &["to_template_revision"], &[ROLLBACK]),
    ], WAITS, STAYS]),
    command("service rm", "DeleteServiceRequest", &[&[
        sets("SERVICE", &["service"], &[SENT]),
    ], WAITS]),
    command("service logs", "StreamLogsRequest", &[&[
        sets("SERVICE|TASK", &["filter"], &[SENT]),
    ], LOG_LINES]),
    command("task ls", "ListTasksRequest", &[TASK_LISTS]),
    command("task inspect", "GetTaskRequest", &[&[
        sets("TASK", &["task"], &[SENT]),
        here("--format", "how it is shown", &[OBJECTS]),
    ]]),
    command("task logs", "StreamLogsRequest", &[&[
        sets("TASK", &["filter.tasks"], &[SENT]),
    ], LOG_LINES]),
    command("task stop", "StopTaskRequest", &[&[
        sets("TASK", &["task"], &[SENT]),
    ]]),
    command("task watch", "WatchRequest", &[&[
        sets("SERVICE", &["tasks.services"], &[SENT]),
        sets("--filter", &["tasks"], &[TASK_FILTERS]),
        sets("--after", &["after_revision"], &[SENT]),
        here("--format", "how it is shown", &[EVENTS]),
        here("--no-trunc", "ids and texts whole", &[SHOWN]),
    ]]),
    command("info", "", &[&[
        here("--format", "how it is shown", &[PARTS]),
    ]]),
    command("ps", "ListTasksRequest", &[&[
        sets("--all", &["filter.desired_states"], &[SENT]),
    ], TASK_LISTS]),
    command("watch", "WatchRequest", &[&[
        sets("--type", &["tasks", "services", "nodes", "swarm"], &[WATCH]),
        sets("--service", &["tasks.services", "services.services"], &[WATCHED]),
        sets("--node", &["tasks.nodes", "nodes.nodes"], &[WATCHED]),
        sets("--after", &["after_revision"], &[WATCH]),
        here("--format", "how it is shown", &[EVENTS]),
        here("--no-trunc", "ids and texts whole", &[SHOWN]),
    ]]),
    command("version", "", &[&[
        here("--client", "asks no daemon", &[ALONE]),
        here("--format", "how it is shown", &[PARTS]),
    ]]),
    command("completion", "", &[&[
        here("SHELL", "the shell", &[ALONE]),
    ]]),
];
