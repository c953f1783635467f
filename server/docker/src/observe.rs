// SPDX-License-Identifier: Apache-2.0
//! What the engine's description of a container says of its task.

use std::sync::Arc;
use std::time::Duration;

use bollard::models::{
    ContainerInspectResponse, ContainerState, ContainerStateStatusEnum as Status,
    Health as EngineHealth, HealthStatusEnum as HealthStatus,
};
use skep_agent::executor::{ExecutorError, Exit, ExitCause, Phase};
use skep_core::model::{Port, TaskId, signal};
use skep_core::node_agent::{Health, StopHow};

use crate::cure;
use crate::image;
use crate::labels::Owner;
use crate::moment;
use crate::refusal;

/// The most characters of what a check said that are kept.
const CHECK_CHARS: usize = 1_000;

/// The grace of a container that names none.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// Exit codes above this one are those of signals.
pub(crate) const SIGNAL_BASE: i32 = 128;

/// The exit code of what SIGKILL ended, as the engine does to what it is to remove.
const KILLED: i64 = 137;

/// What a container says of its task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) task: TaskId,
    pub(crate) ports: Vec<Port>,
    pub(crate) stop: StopHow,
    pub(crate) phase: Phase,
    pub(crate) health: Health,
    /// The engine's id of the container.
    pub(crate) container: Arc<str>,
    /// It is called as the task's container was when it was made.
    pub(crate) is_named: bool,
    /// The engine's id of its image.
    pub(crate) image_id: String,
    /// The image as its spec names it.
    pub(crate) image: String,
    /// The signal that ends it: its spec's, else its image's.
    pub(crate) signal: String,
    /// It has a terminal, so its output is not told apart.
    pub(crate) tty: bool,
}

/// What orders and events told of a container that it does not say itself.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Told {
    /// It was ordered to end.
    pub(crate) stopped: bool,
    /// It ran out of memory: engines may say so after its end.
    pub(crate) oom: bool,
    /// It ended while its engine was away, or went away.
    pub(crate) engine_lost: bool,
    /// Its engine went away while it was being started.
    pub(crate) interrupted: bool,
}

/// What a container says; nothing: it is not this owner's. `platform`: what its engine runs
/// images of.
pub(crate) fn seen(
    inspected: &ContainerInspectResponse,
    owner: Owner,
    platform: &str,
    told: Told,
) -> Option<Seen> {
    let config = inspected.config.as_ref()?;
    let (task, ports) = owner.read(config.labels.as_ref()?)?;
    let state = inspected.state.clone().unwrap_or_default();
    let known = Known {
        ports: &ports,
        platform,
        memory: memory_limit(inspected),
        told,
    };
    let grace = config
        .stop_timeout
        .and_then(|seconds| u64::try_from(seconds).ok());
    Some(Seen {
        task,
        phase: phase(&state, &known),
        health: health(state.health.as_ref()),
        ports,
        stop: StopHow {
            signal: signal::OWN,
            grace: grace.map_or(DEFAULT_GRACE, Duration::from_secs),
        },
        is_named: is_named(inspected.name.as_deref().unwrap_or_default(), task),
        container: inspected.id.as_deref().unwrap_or_default().into(),
        image_id: inspected.image.clone().unwrap_or_default(),
        image: config.image.clone().unwrap_or_default(),
        signal: config
            .stop_signal
            .clone()
            .filter(|signal| !signal.is_empty())
            .unwrap_or_else(|| "SIGTERM".to_owned()),
        tty: config.tty == Some(true),
    })
}

/// What is known of a container beside its state.
struct Known<'a> {
    ports: &'a [Port],
    platform: &'a str,
    /// The limit of its memory in bytes; 0: none.
    memory: i64,
    told: Told,
}

impl Known<'_> {
    /// Whether a container that goes away was killed for that, by somebody else.
    fn is_removed(&self, state: &ContainerState) -> bool {
        let ran_out = self.told.oom || state.oom_killed == Some(true);
        !self.told.stopped && !ran_out && state.exit_code == Some(KILLED)
    }
}

fn memory_limit(inspected: &ContainerInspectResponse) -> i64 {
    let host = inspected.host_config.as_ref();
    host.and_then(|host| host.memory).unwrap_or(0)
}

fn phase(state: &ContainerState, known: &Known<'_>) -> Phase {
    match state.status.unwrap_or(Status::EMPTY) {
        Status::EMPTY | Status::CREATED => match state.error.as_deref() {
            None | Some("") => Phase::Prepared,
            Some(words) => Phase::Exited(not_started(words, known)),
        },
        // What is frozen or begins again behind our back is still there.
        Status::RUNNING | Status::PAUSED | Status::RESTARTING | Status::STOPPING => {
            let started = state.started_at.as_deref().and_then(moment::parse);
            Phase::Running {
                pid: state
                    .pid
                    .and_then(|pid| u32::try_from(pid).ok())
                    .unwrap_or(0),
                since: started.unwrap_or_default(),
            }
        }
        Status::REMOVING | Status::DEAD if known.is_removed(state) => Phase::Exited(removed()),
        Status::EXITED | Status::DEAD | Status::REMOVING => Phase::Exited(exit(state, known)),
    }
}

/// The end of a container that somebody else removed while it ran. The engine kills it for that,
/// and what it was before that is soon gone, so the same is said whether it is or not.
pub(crate) fn removed() -> Exit {
    Exit {
        cause: ExitCause::Lost,
        code: None,
        signal: None,
        at: moment::now(),
        message:
            "its container was removed behind skep's back while it ran, as by \"docker rm -f\""
                .to_owned(),
    }
}

/// The end of a container that the engine could not start. What it made of it stays as it is:
/// nothing of it ever ran.
fn not_started(words: &str, known: &Known<'_>) -> Exit {
    // Of a start that it was in the middle of an engine leaves a container, a network or a port behind,
    // in the way of the next one.
    let (cause, message) = if known.told.interrupted {
        let what = "the Docker engine went away while it was being started";
        (
            ExitCause::EngineLost,
            format!("{what}: {}", refusal::plain(words)),
        )
    } else {
        let (field, problem) = start_problem(words, known.ports, known.platform);
        let refused = ExecutorError::refused(field, problem);
        (ExitCause::NotStarted, refused.to_string())
    };
    Exit {
        cause,
        code: None,
        signal: None,
        at: moment::now(),
        message,
    }
}

/// Why the engine could not start a container, by its words: the field of the spec that they are
/// about, and the problem.
pub(crate) fn start_problem(words: &str, ports: &[Port], platform: &str) -> (String, String) {
    if let Some(problem) = cure::foreign(refusal::plain(words), platform) {
        return (image::FIELD.to_owned(), problem);
    }
    match port_in_use(words, ports) {
        Some(port) => {
            let (number, protocol) = (port.published, port.protocol.as_str());
            let problem =
                format!("port {number}/{protocol} of the node is held by another program: {words}");
            ("endpoint.ports".to_owned(), problem)
        }
        None => (
            refusal::start_field(words),
            refusal::plain(words).to_owned(),
        ),
    }
}

/// The port that the engine could not open, because somebody else has it.
fn port_in_use<'a>(words: &str, ports: &'a [Port]) -> Option<&'a Port> {
    let in_use = ["port is already allocated", "address already in use"];
    if !in_use.iter().any(|known| words.contains(known)) {
        return None;
    }
    ports.iter().find(|port| {
        let number = format!(":{}", port.published);
        let after = words.split(&number).skip(1);
        let mut after = after.map(|rest| rest.chars().next());
        after.any(|next| next.is_none_or(|next| !next.is_ascii_digit()))
    })
}

fn exit(state: &ContainerState, known: &Known<'_>) -> Exit {
    let code = state.exit_code.and_then(|code| i32::try_from(code).ok());
    let oom = (known.told.oom || state.oom_killed == Some(true)) && code != Some(0);
    let cause = match (known.told.stopped, known.told.engine_lost, oom) {
        (true, ..) => ExitCause::Stopped,
        (false, true, _) => ExitCause::EngineLost,
        (false, false, true) => ExitCause::OutOfMemory,
        (false, false, false) => ExitCause::Exited,
    };
    let ended = state.finished_at.as_deref().and_then(moment::parse);
    Exit {
        cause,
        code,
        // A program may also end by itself with such a code, so that is only what it looks like.
        signal: oom.then_some(signal::KILL),
        at: ended.unwrap_or_else(moment::now),
        message: exit_words(state, cause, code, known.memory),
    }
}

fn exit_words(state: &ContainerState, cause: ExitCause, code: Option<i32>, memory: i64) -> String {
    let code = code.unwrap_or_default();
    let said = state.error.as_deref().unwrap_or_default();
    let words = match cause {
        ExitCause::Stopped => "stopped".to_owned(),
        ExitCause::OutOfMemory if memory > 0 => {
            format!("killed because it used more memory than its limit of {memory} bytes")
        }
        ExitCause::OutOfMemory => "killed because the node ran out of memory".to_owned(),
        ExitCause::EngineLost => {
            format!("ended with code {code} while the Docker engine was away, or went away")
        }
        _ if code == 0 => String::new(),
        _ if code > SIGNAL_BASE && code <= SIGNAL_BASE + 64 => {
            let name = signal::name(code - SIGNAL_BASE);
            format!("exited with code {code}, which stands for {name}")
        }
        _ => format!("exited with code {code}"),
    };
    match (words.is_empty(), said.is_empty()) {
        (_, true) => words,
        (true, false) => said.to_owned(),
        (false, false) => format!("{words}: {said}"),
    }
}

fn health(health: Option<&EngineHealth>) -> Health {
    let Some(health) = health else {
        return Health::Unchecked;
    };
    let last = health.log.as_ref().and_then(|log| log.last());
    let said = || -> Arc<str> {
        last.filter(|last| last.exit_code != Some(0))
            .map_or_else(Arc::default, |last| {
                let code = last.exit_code.unwrap_or_default();
                let output = last.output.as_deref().unwrap_or_default().trim();
                let output: String = output.chars().take(CHECK_CHARS).collect();
                match output.as_str() {
                    "" => format!("the check ended with code {code}").into(),
                    output => output.into(),
                }
            })
    };
    match health.status.unwrap_or(HealthStatus::EMPTY) {
        HealthStatus::EMPTY | HealthStatus::NONE => Health::Unchecked,
        HealthStatus::STARTING => Health::Starting(said()),
        HealthStatus::HEALTHY => Health::Healthy(said()),
        HealthStatus::UNHEALTHY => Health::Unhealthy(said()),
    }
}

/// The end of a task that was never started.
pub(crate) fn stopped_before_start() -> Exit {
    Exit {
        cause: ExitCause::Stopped,
        code: None,
        signal: None,
        at: moment::now(),
        message: "stopped before it was started".to_owned(),
    }
}

/// Whether a container's name is that of a task. One that was made from a copy of a task's
/// container has its labels, but another name, and an id that was never that of the task; it is
/// not ours.
pub(crate) fn is_named(name: &str, task: TaskId) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, last)| last.parse() == Ok(task))
}

#[cfg(test)]
mod tests;
