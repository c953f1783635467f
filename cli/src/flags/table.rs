// SPDX-License-Identifier: Apache-2.0
//! The table of flags. `docs/cli-flags.md` is written from it.

use super::proofs::*;
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
    command("service pause", "ControlRolloutRequest", &[&[
        sets("SERVICE", &["service"], &[STEER]),
    ]]),
    command("service resume", "ControlRolloutRequest", &[&[
        sets("SERVICE", &["service"], &[STEER]),
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
