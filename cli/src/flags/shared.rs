// SPDX-License-Identifier: Apache-2.0
//! Flags that several commands have.

use super::Flag;
use super::proofs::*;
use super::table::{here, sets};

/// What describes a service.
#[rustfmt::skip]
pub(super) const SPEC: &[Flag] = &[
    sets("--replicas", &["spec.replicated.replicas"], &[CREATE, UPDATE]),
    sets("--replicas-max-per-node", &["spec.template.placement.max_replicas_per_node"], &[CREATE, UPDATE]),
    sets("--limit-cpu", &["spec.template.limits.cpu_millis"], &[CREATE, UPDATE]),
    sets("--limit-memory", &["spec.template.limits.memory_bytes"], &[CREATE, UPDATE]),
    sets("--limit-pids", &["spec.template.limits.pids"], &[CREATE, UPDATE]),
    sets("--reserve-cpu", &["spec.template.reservations.cpu_millis"], &[CREATE, UPDATE]),
    sets("--reserve-memory", &["spec.template.reservations.memory_bytes"], &[CREATE, UPDATE]),
    sets("--restart-condition", &["spec.template.restart.condition"], &[CREATE, UPDATE]),
    sets("--restart-delay", &["spec.template.restart.delay"], &[CREATE, UPDATE]),
    sets("--restart-max-delay", &["spec.template.restart.max_delay"], &[CREATE, UPDATE]),
    sets("--restart-max-attempts", &["spec.template.restart.max_attempts"], &[CREATE, UPDATE]),
    sets("--restart-window", &["spec.template.restart.window"], &[CREATE, UPDATE]),
    sets("--stop-signal", &["spec.template.stop.signal"], &[CREATE, UPDATE]),
    sets("--stop-grace-period", &["spec.template.stop.grace"], &[CREATE, UPDATE]),
    sets("--stop-drain", &["spec.template.stop.drain"], &[CREATE, UPDATE]),
    sets("--user", &["spec.template.process.user", "spec.template.container.user"], &[CREATE, UPDATE]),
    sets("--workdir", &["spec.template.process.dir", "spec.template.container.dir"], &[CREATE, UPDATE]),
    sets("--entrypoint", &["spec.template.process.command", "spec.template.container.command"], &[ENTRYPOINT, UPDATE]),
];

/// How changes of a service are rolled out, and taken back.
#[rustfmt::skip]
pub(super) const POLICIES: &[Flag] = &[
    sets("--update-parallelism", &["spec.update.parallelism"], &[POLICY]),
    sets("--update-delay", &["spec.update.delay"], &[POLICY]),
    sets("--update-order", &["spec.update.order"], &[POLICY]),
    sets("--update-monitor", &["spec.update.monitor"], &[POLICY]),
    sets("--update-progress-deadline", &["spec.update.progress_deadline"], &[POLICY]),
    sets("--update-max-failure-ratio", &["spec.update.max_failure_percent"], &[POLICY]),
    sets("--update-failure-action", &["spec.update.on_failure"], &[POLICY]),
    sets("--rollback-parallelism", &["spec.rollback.parallelism"], &[POLICY]),
    sets("--rollback-delay", &["spec.rollback.delay"], &[POLICY]),
    sets("--rollback-order", &["spec.rollback.order"], &[POLICY]),
    sets("--rollback-monitor", &["spec.rollback.monitor"], &[POLICY]),
    sets("--rollback-progress-deadline", &["spec.rollback.progress_deadline"], &[POLICY]),
    sets("--rollback-max-failure-ratio", &["spec.rollback.max_failure_percent"], &[POLICY]),
    sets("--rollback-failure-action", &["spec.rollback.on_failure"], &[POLICY]),
];

/// What is for containers and for health.
#[rustfmt::skip]
pub(super) const CONTAINER: &[Flag] = &[
    sets("--hostname", &["spec.template.container.hostname"], &[BOX, BOX_UPDATE]),
    sets("--init", &["spec.template.container.init"], &[BOX, BOX_UPDATE]),
    sets("--read-only", &["spec.template.container.read_only"], &[BOX, BOX_UPDATE]),
    sets("--tty", &["spec.template.container.tty"], &[BOX, BOX_UPDATE]),
    sets("--pull", &["spec.template.container.pull"], &[BOX, BOX_UPDATE]),
    sets("--no-resolve-image", &["spec.template.container.unpinned"], &[BOX, BOX_UPDATE, BACK]),
    sets("--oom-score-adj", &["spec.template.container.oom_score_adj"], &[BOX, BOX_UPDATE]),
    sets("--log-driver", &["spec.template.log_driver", "spec.template.log_driver.name"], &[BOX, BOX_UPDATE]),
    sets("--log-opt", &["spec.template.log_driver.options"], &[BOX, BOX_UPDATE]),
    sets("--health-cmd", &["spec.template.health_check", "spec.template.health_check.exec"], &[BOX, BOX_UPDATE]),
    sets("--health-http", &["spec.template.health_check.http"], &[ASKED]),
    sets("--health-tcp", &["spec.template.health_check.tcp"], &[ASKED]),
    sets("--health-grpc", &["spec.template.health_check.grpc"], &[ASKED]),
    sets("--no-healthcheck", &["spec.template.health_check.disabled"], &[ASKED, BACK]),
    sets("--health-interval", &["spec.template.health_check.interval"], &[BOX, BOX_UPDATE]),
    sets("--health-timeout", &["spec.template.health_check.timeout"], &[BOX, BOX_UPDATE]),
    sets("--health-retries", &["spec.template.health_check.retries"], &[BOX, BOX_UPDATE]),
    sets("--health-start-period", &["spec.template.health_check.start_period"], &[BOX, BOX_UPDATE]),
    sets("--health-start-interval", &["spec.template.health_check.start_interval"], &[BOX, BOX_UPDATE]),
];

/// Whether and how long a command waits.
pub(super) const WAITS: &[Flag] = &[
    here("--detach", "does not wait", &[SENT]),
    here("--quiet", "shows no progress", &[SENT]),
    here("--progress", "how progress is shown", &[PROGRESS]),
    here("--timeout", "longest wait", &[WAIT]),
];

/// How long what is waited for has to stay.
pub(super) const STAYS: &[Flag] = &[here(
    "--stable-for",
    "how long it has to stay as wanted",
    &[WAIT],
)];

/// How tasks are listed.
pub(super) const TASK_LISTS: &[Flag] = &[
    here("--quiet", "ids alone", &[LIST]),
    sets("--filter", &["filter"], &[TASK_FILTERS]),
    here("--format", "how it is shown", &[LIST]),
    here("--no-trunc", "ids and texts whole", &[TASKS]),
    here("--no-resolve", "ids in place of names", &[TASKS]),
];

/// Which lines of a log are shown, and how.
pub(super) const LOG_LINES: &[Flag] = &[
    sets("--follow", &["follow"], &[LOGS]),
    sets("--tail", &["tail"], &[LOGS]),
    sets("--since", &["since_time"], &[LOGS]),
    here("--timestamps", "the time of each line", &[LINES]),
    here("--raw", "lines alone", &[LINES]),
    here("--no-trunc", "ids and texts whole", &[LINES]),
    here("--no-task-ids", "names of tasks alone", &[LINES]),
    here("--no-resolve", "ids in place of names", &[LINES]),
];

/// The settings of a swarm.
#[rustfmt::skip]
pub(super) const SETTINGS: &[Flag] = &[
    sets("--name", &["spec.name"], &[SWARM]),
    sets("--task-history-limit", &["spec.task_history"], &[SWARM]),
    sets("--watch-history", &["spec.watch_history"], &[SWARM]),
    sets("--dispatcher-heartbeat", &["spec.heartbeat_period"], &[SWARM]),
    sets("--down-after", &["spec.down_after"], &[SWARM]),
    sets("--orphan-after", &["spec.orphan_after"], &[SWARM]),
    sets("--snapshot-interval", &["spec.snapshot_interval"], &[SWARM]),
];
