// SPDX-License-Identifier: Apache-2.0
//! What executors see and do, in the words of the core.

use skep_core::model;
use skep_core::node_agent::{self as core, Launch, OrderFailure, Program};

use crate::executor::{
    ContainerWork, ExecutorError, Exit, ExitCause, Limits, Observed, Phase, TaskWork, Ulimit, Work,
};

/// What the executor sees of a task.
pub(super) fn observed(seen: &Observed) -> core::Observed {
    let phase = match &seen.phase {
        Phase::Preparing => core::Phase::Preparing,
        Phase::Prepared => core::Phase::Prepared,
        Phase::Running { pid, since } => core::Phase::Running {
            pid: *pid,
            since: *since,
        },
        Phase::Exited(exit) => core::Phase::Exited(ended(exit)),
    };
    core::Observed {
        phase,
        ports: seen.ports.clone(),
        container: seen.container.clone(),
        image: seen.image.clone(),
        note: seen.note.clone(),
        health: seen.health.clone(),
    }
}

fn ended(exit: &Exit) -> core::Exit {
    let cause = match exit.cause {
        ExitCause::Exited => core::ExitCause::Exited,
        ExitCause::Stopped => core::ExitCause::Stopped,
        ExitCause::OutOfMemory => core::ExitCause::OutOfMemory,
        ExitCause::NotStarted => core::ExitCause::NotStarted,
        ExitCause::Lost => core::ExitCause::Lost,
        ExitCause::EngineLost => core::ExitCause::EngineLost,
    };
    core::Exit {
        cause,
        code: exit.code,
        signal: exit.signal.and_then(|n| n.try_into().ok()).unwrap_or(0),
        at: exit.at,
        message: exit.message.as_str().into(),
    }
}

/// What the executor is to run.
pub(super) fn work(launch: Launch) -> Work {
    match launch.program {
        Program::Process(process) => Work::from(TaskWork {
            task: launch.task,
            name: launch.name.to_string(),
            service: launch.service.to_string(),
            slot: launch.slot,
            command: process.command,
            args: process.args,
            env: process.env,
            dir: process.dir,
            user: process.user,
            groups: process.groups,
            ulimits: process.ulimits.into_iter().map(ulimit).collect(),
            limits: Limits {
                cpu_millis: launch.limits.cpu_millis,
                memory_bytes: launch.limits.memory_bytes,
                pids: launch.limits.pids,
            },
            ports: launch.ports,
            stop_signal: launch.stop.signal,
            stop_grace: launch.stop.grace,
        }),
        Program::Container(container) => Work::Container(Box::new(ContainerWork {
            task: launch.task,
            name: launch.name.to_string(),
            service_id: launch.service_id,
            service: launch.service.to_string(),
            template_revision: launch.template_revision,
            slot: launch.slot,
            launch: *container,
            reservations: launch.reservations,
            limits: launch.limits,
            ports: launch.ports,
            stop: launch.stop,
        })),
    }
}

fn ulimit((name, limit): (String, model::Ulimit)) -> (String, Ulimit) {
    let limit = Ulimit {
        soft: limit.soft,
        hard: limit.hard,
    };
    (name, limit)
}

/// Why the executor did not carry out an order.
pub(super) fn failure(error: &ExecutorError) -> OrderFailure {
    OrderFailure {
        refused: error.is_refusal(),
        message: error.to_string().into(),
    }
}
