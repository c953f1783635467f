// SPDX-License-Identifier: Apache-2.0
//! The table of flags. `docs/cli-flags.md` is written from it.

use super::{Command, Flag, Sets};

const fn command(on: &'static str, request: &'static str, flags: &'static [Flag]) -> Command {
    Command { on, request, flags }
}

/// A flag that sets fields of the request.
const fn sets(name: &'static str, fields: &'static [&'static str], test: &'static str) -> Flag {
    Flag {
        name,
        sets: Sets::Fields(fields),
        test,
    }
}

/// A flag that only this program sees.
const fn here(name: &'static str, what: &'static str, test: &'static str) -> Flag {
    Flag {
        name,
        sets: Sets::Here(what),
        test,
    }
}

// The tests.
const ASKED: &str = "tasks_are_asked_in_four_ways_or_not_at_all";
const BOX: &str = "every_flag_of_a_container_reaches_its_field";
const BOX_UPDATE: &str = "flags_of_containers_change_a_container_alone";
const ALONE: &str = "commands_need_no_daemon_where_they_ask_none";
const CREATE: &str = "every_flag_of_create_reaches_its_field";
const DAEMON: &str = "flags_beat_the_environment_and_it_beats_the_file";
const ENTRYPOINT: &str = "an_entrypoint_makes_the_words_arguments";
const EVENTS: &str = "events_are_objects_for_programs";
const FILE: &str = "a_spec_is_its_proto_json";
const JOINED: &str = "flags_of_the_node_reach_their_fields";
const LABELS: &str = "labels_of_the_swarm_come_and_go";
const LINES: &str = "lines_say_who_printed_them";
const LIST: &str = "every_format_shows_the_same_objects";
const LOGS: &str = "flags_of_logs_reach_their_fields";
const NODE: &str = "every_flag_of_node_update_reaches_its_field";
const NODES: &str = "nodes_are_listed_as_docker_does";
const NODE_FILTERS: &str = "node_filters_reach_their_fields";
const OBJECTS: &str = "objects_are_one_array_or_a_line_each";
const PARTS: &str = "parts_are_one_object";
const PRETTY: &str = "a_service_is_shown_for_people";
const PRETTY_NODE: &str = "a_node_is_shown_for_people";
const POLICY: &str = "flags_of_policies_reach_both";
const ROLLBACK: &str = "a_rollback_asks_for_its_revision";
const SENT: &str = "commands_send_what_their_flags_say";
const SERVICES: &str = "services_are_listed_as_docker_does";
const SERVICE_FILTERS: &str = "service_filters_reach_their_fields";
const SHOWN: &str = "events_are_lines_for_people";
const SWARM: &str = "every_flag_of_swarm_init_and_update_reaches_its_field";
const TASKS: &str = "tasks_are_listed_by_slot_with_their_history";
const TASK_FILTERS: &str = "task_filters_reach_their_fields";
const UNSET: &str = "what_is_not_given_stays_unset";
const UPDATE: &str = "every_flag_of_update_reaches_its_field";
const WAIT: &str = "each_end_has_its_words_and_its_code";
const WATCH: &str = "flags_of_watch_reach_their_fields";
const WATCHED: &str = "named_services_and_nodes_leave_the_rest_out";

/// All flags, by command.
#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    command("", "", &[
        here("--host", "address of the daemon", DAEMON),
        here("--context", "named context", DAEMON),
    ]),
    command("swarm init", "InitSwarmRequest", &[
        sets("--name", &["spec.name"], SWARM),
        sets("--task-history-limit", &["spec.task_history"], SWARM),
        sets("--watch-history", &["spec.watch_history"], SWARM),
        sets("--dispatcher-heartbeat", &["spec.heartbeat_period"], SWARM),
        sets("--down-after", &["spec.down_after"], SWARM),
        sets("--orphan-after", &["spec.orphan_after"], SWARM),
        sets("--snapshot-interval", &["spec.snapshot_interval"], SWARM),
        sets("--label", &["spec.labels"], JOINED),
        sets("--node-name", &["node_name"], JOINED),
        sets("--availability", &["availability"], JOINED),
    ]),
    command("swarm leave", "LeaveSwarmRequest", &[
        sets("--force", &["force"], SENT),
    ]),
    command("swarm update", "UpdateSwarmRequest", &[
        sets("--name", &["spec.name"], SWARM),
        sets("--task-history-limit", &["spec.task_history"], SWARM),
        sets("--watch-history", &["spec.watch_history"], SWARM),
        sets("--dispatcher-heartbeat", &["spec.heartbeat_period"], SWARM),
        sets("--down-after", &["spec.down_after"], SWARM),
        sets("--orphan-after", &["spec.orphan_after"], SWARM),
        sets("--snapshot-interval", &["spec.snapshot_interval"], SWARM),
        sets("--label-add", &["spec.labels"], LABELS),
        sets("--label-rm", &["spec.labels"], LABELS),
    ]),
    command("node ls", "ListNodesRequest", &[
        here("--quiet", "ids alone", LIST),
        sets("--filter", &["filter"], NODE_FILTERS),
        here("--format", "how it is shown", LIST),
        here("--no-trunc", "ids and texts whole", NODES),
    ]),
    command("node inspect", "GetNodeRequest", &[
        sets("NODE", &["node"], SENT),
        here("--pretty", "how it is shown", PRETTY_NODE),
        here("--format", "how it is shown", OBJECTS),
    ]),
    command("node ps", "ListTasksRequest", &[
        sets("NODE", &["filter.nodes"], SENT),
        here("--quiet", "ids alone", LIST),
        sets("--filter", &["filter"], TASK_FILTERS),
        here("--format", "how it is shown", LIST),
        here("--no-trunc", "ids and texts whole", TASKS),
        here("--no-resolve", "ids in place of names", TASKS),
    ]),
    command("node rm", "DeleteNodeRequest", &[
        sets("NODE", &["node"], SENT),
        sets("--force", &["force"], SENT),
    ]),
    command("node update", "UpdateNodeRequest", &[
        sets("NODE", &["node"], SENT),
        sets("--availability", &["spec.availability"], NODE),
        sets("--label-add", &["spec.labels"], NODE),
        sets("--label-rm", &["spec.labels"], NODE),
        sets("--name", &["spec.name"], NODE),
    ]),
    command("service create", "CreateServiceRequest", &[
        sets("--process", &["spec.template.process"], CREATE),
        sets("IMAGE|COMMAND", &["spec.template.container.image", "spec.template.process.command", "spec.template.process.args", "spec.template.container.args"], CREATE),
        sets("--file", &["spec"], FILE),
        sets("--name", &["spec.name"], CREATE),
        sets("--mode", &["spec.replicated", "spec.every_node"], UNSET),
        sets("--label", &["spec.labels"], CREATE),
        sets("--publish", &["spec.endpoint.ports"], CREATE),
        sets("--constraint", &["spec.template.placement.requirements"], CREATE),
        sets("--placement-pref", &["spec.template.placement.spread"], CREATE),
        sets("--env", &["spec.template.process.env", "spec.template.container.env"], CREATE),
        sets("--env-file", &["spec.template.process.env", "spec.template.container.env"], CREATE),
        sets("--group", &["spec.template.process.groups", "spec.template.container.groups"], CREATE),
        sets("--ulimit", &["spec.template.process.ulimits", "spec.template.container.ulimits"], CREATE),
        sets("--replicas", &["spec.replicated.replicas"], CREATE),
        sets("--replicas-max-per-node", &["spec.template.placement.max_replicas_per_node"], CREATE),
        sets("--limit-cpu", &["spec.template.limits.cpu_millis"], CREATE),
        sets("--limit-memory", &["spec.template.limits.memory_bytes"], CREATE),
        sets("--limit-pids", &["spec.template.limits.pids"], CREATE),
        sets("--reserve-cpu", &["spec.template.reservations.cpu_millis"], CREATE),
        sets("--reserve-memory", &["spec.template.reservations.memory_bytes"], CREATE),
        sets("--restart-condition", &["spec.template.restart.condition"], CREATE),
        sets("--restart-delay", &["spec.template.restart.delay"], CREATE),
        sets("--restart-max-delay", &["spec.template.restart.max_delay"], CREATE),
        sets("--restart-max-attempts", &["spec.template.restart.max_attempts"], CREATE),
        sets("--restart-window", &["spec.template.restart.window"], CREATE),
        sets("--stop-signal", &["spec.template.stop.signal"], CREATE),
        sets("--stop-grace-period", &["spec.template.stop.grace"], CREATE),
        sets("--stop-drain", &["spec.template.stop.drain"], CREATE),
        sets("--user", &["spec.template.process.user", "spec.template.container.user"], CREATE),
        sets("--workdir", &["spec.template.process.dir", "spec.template.container.dir"], CREATE),
        sets("--update-parallelism", &["spec.update.parallelism"], POLICY),
        sets("--update-delay", &["spec.update.delay"], POLICY),
        sets("--update-order", &["spec.update.order"], POLICY),
        sets("--update-monitor", &["spec.update.monitor"], POLICY),
        sets("--update-progress-deadline", &["spec.update.progress_deadline"], POLICY),
        sets("--update-max-failure-ratio", &["spec.update.max_failure_percent"], POLICY),
        sets("--update-failure-action", &["spec.update.on_failure"], POLICY),
        sets("--rollback-parallelism", &["spec.rollback.parallelism"], POLICY),
        sets("--rollback-delay", &["spec.rollback.delay"], POLICY),
        sets("--rollback-order", &["spec.rollback.order"], POLICY),
        sets("--rollback-monitor", &["spec.rollback.monitor"], POLICY),
        sets("--rollback-progress-deadline", &["spec.rollback.progress_deadline"], POLICY),
        sets("--rollback-max-failure-ratio", &["spec.rollback.max_failure_percent"], POLICY),
        sets("--rollback-failure-action", &["spec.rollback.on_failure"], POLICY),
        sets("--entrypoint", &["spec.template.process.command", "spec.template.container.command"], ENTRYPOINT),
        sets("--hostname", &["spec.template.container.hostname"], BOX),
        sets("--init", &["spec.template.container.init"], BOX),
        sets("--read-only", &["spec.template.container.read_only"], BOX),
        sets("--tty", &["spec.template.container.tty"], BOX),
        sets("--pull", &["spec.template.container.pull"], BOX),
        sets("--no-resolve-image", &["spec.template.container.unpinned"], BOX),
        sets("--oom-score-adj", &["spec.template.container.oom_score_adj"], BOX),
        sets("--log-driver", &["spec.template.log_driver.name"], BOX),
        sets("--log-opt", &["spec.template.log_driver.options"], BOX),
        sets("--health-cmd", &["spec.template.health_check.exec"], BOX),
        sets("--health-http", &["spec.template.health_check.http"], ASKED),
        sets("--health-tcp", &["spec.template.health_check.tcp"], ASKED),
        sets("--health-grpc", &["spec.template.health_check.grpc"], ASKED),
        sets("--no-healthcheck", &["spec.template.health_check.disabled"], ASKED),
        sets("--health-interval", &["spec.template.health_check.interval"], BOX),
        sets("--health-timeout", &["spec.template.health_check.timeout"], BOX),
        sets("--health-retries", &["spec.template.health_check.retries"], BOX),
        sets("--health-start-period", &["spec.template.health_check.start_period"], BOX),
        sets("--health-start-interval", &["spec.template.health_check.start_interval"], BOX),
        sets("--container-label", &["spec.template.container.labels"], BOX),
        sets("--mount", &["spec.template.mounts"], BOX),
        sets("--cap-add", &["spec.template.container.capabilities_add"], BOX),
        sets("--cap-drop", &["spec.template.container.capabilities_drop"], BOX),
        sets("--sysctl", &["spec.template.container.sysctls"], BOX),
        sets("--add-host", &["spec.template.container.hosts"], BOX),
        sets("--dns", &["spec.template.container.dns.servers"], BOX),
        sets("--dns-option", &["spec.template.container.dns.options"], BOX),
        sets("--dns-search", &["spec.template.container.dns.search"], BOX),
        here("--detach", "does not wait", SENT),
        here("--quiet", "shows no progress", SENT),
        here("--timeout", "longest wait", WAIT),
        here("--stable-for", "how long it has to stay as wanted", WAIT),
    ]),
    command("service update", "UpdateServiceRequest", &[
        sets("SERVICE", &["service"], SENT),
        sets("--force", &["spec.template.restart_token"], UPDATE),
        sets("--args", &["spec.template.process.args", "spec.template.container.args"], UPDATE),
        sets("--env-add", &["spec.template.process.env", "spec.template.container.env"], UPDATE),
        sets("--env-rm", &["spec.template.process.env", "spec.template.container.env"], UPDATE),
        sets("--group-add", &["spec.template.process.groups", "spec.template.container.groups"], UPDATE),
        sets("--group-rm", &["spec.template.process.groups", "spec.template.container.groups"], UPDATE),
        sets("--ulimit-add", &["spec.template.process.ulimits", "spec.template.container.ulimits"], UPDATE),
        sets("--ulimit-rm", &["spec.template.process.ulimits", "spec.template.container.ulimits"], UPDATE),
        sets("--label-add", &["spec.labels"], UPDATE),
        sets("--label-rm", &["spec.labels"], UPDATE),
        sets("--constraint-add", &["spec.template.placement.requirements"], UPDATE),
        sets("--constraint-rm", &["spec.template.placement.requirements"], UPDATE),
        sets("--placement-pref-add", &["spec.template.placement.spread"], UPDATE),
        sets("--placement-pref-rm", &["spec.template.placement.spread"], UPDATE),
        sets("--publish-add", &["spec.endpoint.ports"], UPDATE),
        sets("--publish-rm", &["spec.endpoint.ports"], UPDATE),
        sets("--replicas", &["spec.replicated.replicas"], UPDATE),
        sets("--replicas-max-per-node", &["spec.template.placement.max_replicas_per_node"], UPDATE),
        sets("--limit-cpu", &["spec.template.limits.cpu_millis"], UPDATE),
        sets("--limit-memory", &["spec.template.limits.memory_bytes"], UPDATE),
        sets("--limit-pids", &["spec.template.limits.pids"], UPDATE),
        sets("--reserve-cpu", &["spec.template.reservations.cpu_millis"], UPDATE),
        sets("--reserve-memory", &["spec.template.reservations.memory_bytes"], UPDATE),
        sets("--restart-condition", &["spec.template.restart.condition"], UPDATE),
        sets("--restart-delay", &["spec.template.restart.delay"], UPDATE),
        sets("--restart-max-delay", &["spec.template.restart.max_delay"], UPDATE),
        sets("--restart-max-attempts", &["spec.template.restart.max_attempts"], UPDATE),
        sets("--restart-window", &["spec.template.restart.window"], UPDATE),
        sets("--stop-signal", &["spec.template.stop.signal"], UPDATE),
        sets("--stop-grace-period", &["spec.template.stop.grace"], UPDATE),
        sets("--stop-drain", &["spec.template.stop.drain"], UPDATE),
        sets("--user", &["spec.template.process.user", "spec.template.container.user"], UPDATE),
        sets("--workdir", &["spec.template.process.dir", "spec.template.container.dir"], UPDATE),
        sets("--update-parallelism", &["spec.update.parallelism"], POLICY),
        sets("--update-delay", &["spec.update.delay"], POLICY),
        sets("--update-order", &["spec.update.order"], POLICY),
        sets("--update-monitor", &["spec.update.monitor"], POLICY),
        sets("--update-progress-deadline", &["spec.update.progress_deadline"], POLICY),
        sets("--update-max-failure-ratio", &["spec.update.max_failure_percent"], POLICY),
        sets("--update-failure-action", &["spec.update.on_failure"], POLICY),
        sets("--rollback-parallelism", &["spec.rollback.parallelism"], POLICY),
        sets("--rollback-delay", &["spec.rollback.delay"], POLICY),
        sets("--rollback-order", &["spec.rollback.order"], POLICY),
        sets("--rollback-monitor", &["spec.rollback.monitor"], POLICY),
        sets("--rollback-progress-deadline", &["spec.rollback.progress_deadline"], POLICY),
        sets("--rollback-max-failure-ratio", &["spec.rollback.max_failure_percent"], POLICY),
        sets("--rollback-failure-action", &["spec.rollback.on_failure"], POLICY),
        sets("--entrypoint", &["spec.template.process.command", "spec.template.container.command"], UPDATE),
        sets("--image", &["spec.template.container.image"], BOX_UPDATE),
        sets("--hostname", &["spec.template.container.hostname"], BOX_UPDATE),
        sets("--init", &["spec.template.container.init"], BOX_UPDATE),
        sets("--read-only", &["spec.template.container.read_only"], BOX_UPDATE),
        sets("--tty", &["spec.template.container.tty"], BOX_UPDATE),
        sets("--pull", &["spec.template.container.pull"], BOX_UPDATE),
        sets("--no-resolve-image", &["spec.template.container.unpinned"], BOX_UPDATE),
        sets("--oom-score-adj", &["spec.template.container.oom_score_adj"], BOX_UPDATE),
        sets("--log-driver", &["spec.template.log_driver.name"], BOX_UPDATE),
        sets("--log-opt", &["spec.template.log_driver.options"], BOX_UPDATE),
        sets("--health-cmd", &["spec.template.health_check.exec"], BOX_UPDATE),
        sets("--health-http", &["spec.template.health_check.http"], ASKED),
        sets("--health-tcp", &["spec.template.health_check.tcp"], ASKED),
        sets("--health-grpc", &["spec.template.health_check.grpc"], ASKED),
        sets("--no-healthcheck", &["spec.template.health_check.disabled"], ASKED),
        sets("--health-interval", &["spec.template.health_check.interval"], BOX_UPDATE),
        sets("--health-timeout", &["spec.template.health_check.timeout"], BOX_UPDATE),
        sets("--health-retries", &["spec.template.health_check.retries"], BOX_UPDATE),
        sets("--health-start-period", &["spec.template.health_check.start_period"], BOX_UPDATE),
        sets("--health-start-interval", &["spec.template.health_check.start_interval"], BOX_UPDATE),
        here("--detach", "does not wait", SENT),
        here("--quiet", "shows no progress", SENT),
        here("--timeout", "longest wait", WAIT),
        here("--stable-for", "how long it has to stay as wanted", WAIT),
    ]),
    command("service ls", "ListServicesRequest", &[
        here("--quiet", "ids alone", LIST),
        sets("--filter", &["filter"], SERVICE_FILTERS),
        here("--format", "how it is shown", LIST),
        here("--no-trunc", "ids and texts whole", SERVICES),
    ]),
    command("service inspect", "GetServiceRequest", &[
        sets("SERVICE", &["service"], SENT),
        here("--pretty", "how it is shown", PRETTY),
        here("--format", "how it is shown", OBJECTS),
    ]),
    command("service ps", "ListTasksRequest", &[
        sets("SERVICE", &["filter.services"], SENT),
        here("--quiet", "ids alone", LIST),
        sets("--filter", &["filter"], TASK_FILTERS),
        here("--format", "how it is shown", LIST),
        here("--no-trunc", "ids and texts whole", TASKS),
        here("--no-resolve", "ids in place of names", TASKS),
    ]),
    command("service scale", "UpdateServiceRequest", &[
        sets("SERVICE=REPLICAS", &["spec.replicated.replicas"], SENT),
        here("--detach", "does not wait", SENT),
        here("--quiet", "shows no progress", SENT),
        here("--timeout", "longest wait", WAIT),
        here("--stable-for", "how long it has to stay as wanted", WAIT),
    ]),
    command("service rollback", "ControlRolloutRequest", &[
        sets("SERVICE", &["service"], ROLLBACK),
        sets("--to", &["to_template_revision"], ROLLBACK),
        here("--detach", "does not wait", SENT),
        here("--quiet", "shows no progress", SENT),
        here("--timeout", "longest wait", WAIT),
        here("--stable-for", "how long it has to stay as wanted", WAIT),
    ]),
    command("service rm", "DeleteServiceRequest", &[
        sets("SERVICE", &["service"], SENT),
        here("--detach", "does not wait", SENT),
        here("--quiet", "shows no progress", SENT),
        here("--timeout", "longest wait", WAIT),
    ]),
    command("service logs", "StreamLogsRequest", &[
        sets("SERVICE|TASK", &["filter"], SENT),
        sets("--follow", &["follow"], LOGS),
        sets("--tail", &["tail"], LOGS),
        sets("--since", &["since_time"], LOGS),
        here("--timestamps", "the time of each line", LINES),
        here("--raw", "lines alone", LINES),
        here("--no-trunc", "ids and texts whole", LINES),
        here("--no-task-ids", "names of tasks alone", LINES),
        here("--no-resolve", "ids in place of names", LINES),
    ]),
    command("task ls", "ListTasksRequest", &[
        here("--quiet", "ids alone", LIST),
        sets("--filter", &["filter"], TASK_FILTERS),
        here("--format", "how it is shown", LIST),
        here("--no-trunc", "ids and texts whole", TASKS),
        here("--no-resolve", "ids in place of names", TASKS),
    ]),
    command("task inspect", "GetTaskRequest", &[
        sets("TASK", &["task"], SENT),
        here("--format", "how it is shown", OBJECTS),
    ]),
    command("task logs", "StreamLogsRequest", &[
        sets("TASK", &["filter.tasks"], SENT),
        sets("--follow", &["follow"], LOGS),
        sets("--tail", &["tail"], LOGS),
        sets("--since", &["since_time"], LOGS),
        here("--timestamps", "the time of each line", LINES),
        here("--raw", "lines alone", LINES),
        here("--no-trunc", "ids and texts whole", LINES),
        here("--no-task-ids", "names of tasks alone", LINES),
        here("--no-resolve", "ids in place of names", LINES),
    ]),
    command("task stop", "StopTaskRequest", &[
        sets("TASK", &["task"], SENT),
    ]),
    command("task watch", "WatchRequest", &[
        sets("SERVICE", &["tasks.services"], SENT),
        sets("--filter", &["tasks"], TASK_FILTERS),
        sets("--after", &["after_revision"], SENT),
        here("--format", "how it is shown", EVENTS),
        here("--no-trunc", "ids and texts whole", SHOWN),
    ]),
    command("info", "", &[
        here("--format", "how it is shown", PARTS),
    ]),
    command("ps", "ListTasksRequest", &[
        sets("--all", &["filter.desired_states"], SENT),
        here("--quiet", "ids alone", LIST),
        sets("--filter", &["filter"], TASK_FILTERS),
        here("--format", "how it is shown", LIST),
        here("--no-trunc", "ids and texts whole", TASKS),
        here("--no-resolve", "ids in place of names", TASKS),
    ]),
    command("watch", "WatchRequest", &[
        sets("--type", &["tasks", "services", "nodes", "swarm"], WATCH),
        sets("--service", &["tasks.services", "services.services"], WATCHED),
        sets("--node", &["tasks.nodes", "nodes.nodes"], WATCHED),
        sets("--after", &["after_revision"], WATCH),
        here("--format", "how it is shown", EVENTS),
        here("--no-trunc", "ids and texts whole", SHOWN),
    ]),
    command("version", "", &[
        here("--client", "asks no daemon", ALONE),
        here("--format", "how it is shown", PARTS),
    ]),
    command("completion", "", &[
        here("SHELL", "the shell", ALONE),
    ]),
];
