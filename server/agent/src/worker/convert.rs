// SPDX-License-Identifier: Apache-2.0
//! What executors see and do, in the words of the core.

use skep_core::node_agent::{self as core, Launch, OrderFailure};

use crate::executor::{ExecutorError, Exit, ExitCause, Limits, Observed, Phase, TaskWork, Ulimit};

/// What the executor sees of a task.
pub(super) fn observed(seen: &Observed) -> core::Observed {
    let phase = match &seen.phase {
        Phase::Prepared => core::Phase::Prepared,
        Phase::Running { pid, since } => core::Phase::Running {
            pid: *pid,
            since: *since,
        },
        Phase::Exited(exit) => core::Phase::Exited(ended(exit)),
    };
    core::Observed {
        phase,
        ports: seen.work.ports.clone(),
    }
}

fn ended(exit: &Exit) -> core::Exit {
    let cause = match exit.cause {
        ExitCause::Exited => core::ExitCause::Exited,
        ExitCause::Stopped => core::ExitCause::Stopped,
        ExitCause::OutOfMemory => core::ExitCause::OutOfMemory,
        ExitCause::NotStarted => core::ExitCause::NotStarted,
        ExitCause::Lost => core::ExitCause::Lost,
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
pub(super) fn work(launch: Launch) -> TaskWork {
    let ulimits = launch.ulimits.into_iter().map(|(name, limit)| {
        let limit = Ulimit {
            soft: limit.soft,
            hard: limit.hard,
        };
        (name, limit)
    });
    TaskWork {
        task: launch.task,
        name: launch.name.to_string(),
        service: launch.service.to_string(),
        slot: launch.slot,
        command: launch.command,
        args: launch.args,
        env: launch.env,
        dir: launch.dir,
        user: launch.user,
        groups: launch.groups,
        ulimits: ulimits.collect(),
        limits: Limits {
            cpu_millis: launch.limits.cpu_millis,
            memory_bytes: launch.limits.memory_bytes,
            pids: launch.limits.pids,
        },
        ports: launch.ports,
        stop_signal: launch.stop_signal,
        stop_grace: launch.stop_grace,
    }
}

/// Why the executor did not carry out an order.
pub(super) fn failure(error: &ExecutorError) -> OrderFailure {
    OrderFailure {
        refused: error.is_refusal(),
        message: error.to_string().into(),
    }
}
