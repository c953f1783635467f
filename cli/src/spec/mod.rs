// SPDX-License-Identifier: Apache-2.0
//! From flags and files to specs: pure functions, without a decision on what is allowed. That is
//! for the managers, who say it to all clients alike.

pub(crate) mod container;
pub(crate) mod create;
mod edit;
pub(crate) mod file;
pub(crate) mod probe;
mod program;
pub(crate) mod swarm;
pub(crate) mod update;

use std::time::Duration;

use skep_sdk::v1::service_spec::Mode;
use skep_sdk::v1::{Placement, Replicated, ServiceSpec, TaskTemplate};

use crate::commands::service::flags::SpecFlags;
use program::program;

/// A span as the messages have it.
pub(crate) fn proto_duration(span: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: span.subsec_nanos().cast_signed(),
    }
}

/// The placement of a template, made if there is none.
fn placement(template: &mut TaskTemplate) -> &mut Placement {
    template.placement.get_or_insert_default()
}

/// Takes over the flags that `create` and `update` share.
fn apply_shared(flags: &SpecFlags, spec: &mut ServiceSpec) -> Result<(), String> {
    if let Some(replicas) = flags.replicas {
        set_replicas(spec, replicas)?;
    }
    let template = spec.template.get_or_insert_default();
    if let Some(max) = flags.replicas_max_per_node {
        placement(template).max_replicas_per_node = max;
    }
    if let Some(user) = &flags.user {
        program(template).user.clone_from(user);
    }
    if let Some(dir) = &flags.workdir {
        program(template).dir.clone_from(dir);
    }
    if let Some(command) = &flags.entrypoint {
        program(template).command.clone_from(&command.0);
    }
    apply_resources(flags, template);
    apply_restart(flags, template);
    apply_stop(flags, template);
    Ok(())
}

fn apply_resources(flags: &SpecFlags, template: &mut TaskTemplate) {
    if let Some(millis) = flags.reserve_cpu {
        template.reservations.get_or_insert_default().cpu_millis = millis;
    }
    if let Some(bytes) = flags.reserve_memory {
        template.reservations.get_or_insert_default().memory_bytes = bytes;
    }
    if let Some(millis) = flags.limit_cpu {
        template.limits.get_or_insert_default().cpu_millis = millis;
    }
    if let Some(bytes) = flags.limit_memory {
        template.limits.get_or_insert_default().memory_bytes = bytes;
    }
    if let Some(pids) = flags.limit_pids {
        template.limits.get_or_insert_default().pids = pids;
    }
}

fn apply_restart(flags: &SpecFlags, template: &mut TaskTemplate) {
    let mut restart = template.restart.unwrap_or_default();
    if let Some(condition) = flags.restart_condition {
        restart.condition = condition.into_proto().into();
    }
    if let Some(delay) = flags.restart_delay {
        restart.delay = Some(proto_duration(delay));
    }
    if let Some(delay) = flags.restart_max_delay {
        restart.max_delay = Some(proto_duration(delay));
    }
    if let Some(attempts) = flags.restart_max_attempts {
        restart.max_attempts = attempts;
    }
    if let Some(window) = flags.restart_window {
        restart.window = Some(proto_duration(window));
    }
    if restart != template.restart.unwrap_or_default() {
        template.restart = Some(restart);
    }
}

fn apply_stop(flags: &SpecFlags, template: &mut TaskTemplate) {
    if let Some(signal) = &flags.stop_signal {
        template
            .stop
            .get_or_insert_default()
            .signal
            .clone_from(signal);
    }
    if let Some(grace) = flags.stop_grace_period {
        template.stop.get_or_insert_default().grace = Some(proto_duration(grace));
    }
    if let Some(drain) = flags.stop_drain {
        template.stop.get_or_insert_default().drain = Some(proto_duration(drain));
    }
}

/// Sets how many tasks there are to be, where a service counts them.
pub(crate) fn set_replicas(spec: &mut ServiceSpec, replicas: u32) -> Result<(), String> {
    if let Some(Mode::EveryNode(_)) = &spec.mode {
        let name = if spec.name.is_empty() {
            "the service"
        } else {
            &spec.name
        };
        return Err(format!(
            "{name} runs one task on every node (--mode global): it has no number of replicas"
        ));
    }
    spec.mode = Some(Mode::Replicated(Replicated {
        replicas: Some(replicas),
    }));
    Ok(())
}
