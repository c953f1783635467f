// SPDX-License-Identifier: Apache-2.0
//! Task templates.

use std::collections::BTreeMap;
use std::time::Duration;

use skep_core::model::{
    HealthCheck, Placement, Process, RestartCondition, RestartPolicy, StopPolicy, TaskTemplate,
    Ulimit, Workload, signal,
};
use skep_core::node_agent;
use skep_proto::v1;

use super::common::{bounded_span, limits, node_requirements, reservations, shortened, unknown};
use super::container::{container, log_driver};
use super::{Fields, health, mount};

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);
const WORDS_MAX: usize = 1_024;
const WORD_CHARS_MAX: usize = 131_072;
const ULIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// A template. Nothing if it says nothing to run.
pub fn template(fields: &mut Fields, message: v1::TaskTemplate) -> Option<TaskTemplate> {
    use v1::task_template::Workload as Message;
    let is_process = matches!(message.workload, Some(Message::Process(_)));
    if is_process {
        only_containers(fields, &message);
    }
    let workload = match message.workload {
        Some(Message::Process(message)) => Some(Workload::Process(
            fields.at("process", |fields| process(fields, message)),
        )),
        Some(Message::Container(message)) => Some(Workload::Container(Box::new(
            fields.at("container", |fields| container(fields, message)),
        ))),
        None => {
            fields.wrong("container", "is required, or process: what each task runs");
            None
        }
    };
    let health_check = message
        .health_check
        .map(|message| fields.at("health_check", |fields| health::check(fields, message)));
    if is_process && matches!(health_check, Some(HealthCheck { probe: None, .. })) {
        fields.wrong(
            "health_check",
            "needs exec, http, tcp or grpc: a program has no image with a check of its own",
        );
    }
    let reserved = message.reservations.unwrap_or_default();
    let limited = message.limits.unwrap_or_default();
    let placed = message.placement.unwrap_or_default();
    let restarted = message.restart.unwrap_or_default();
    let stopped = message.stop.unwrap_or_default();
    fields.length("restart_token", &message.restart_token, 0, 64);
    Some(TaskTemplate {
        reservations: fields.at("reservations", |fields| reservations(fields, reserved)),
        limits: fields.at("limits", |fields| limits(fields, limited)),
        placement: fields.at("placement", |fields| placement(fields, placed)),
        restart: fields.at("restart", |fields| restart(fields, restarted)),
        stop: fields.at("stop", |fields| stop(fields, stopped)),
        health_check,
        mounts: mount::mounts(fields, message.mounts),
        log_driver: message
            .log_driver
            .map(|message| fields.at("log_driver", |fields| log_driver(fields, message))),
        restart_token: message.restart_token,
        workload: workload?,
    })
}

/// What a program on the node itself cannot have.
fn only_containers(fields: &mut Fields, message: &v1::TaskTemplate) {
    const RULE: &str = "is for containers only: leave it out, or run a container";
    if !message.mounts.is_empty() {
        fields.wrong("mounts", RULE);
    }
    if message.log_driver.is_some() {
        fields.wrong("log_driver", RULE);
    }
}

fn process(fields: &mut Fields, message: v1::Process) -> Process {
    if message.command.is_empty() {
        fields.wrong("command", "is required: the program by its absolute path");
    } else if !message.command[0].starts_with('/') {
        let program = shortened(&message.command[0]);
        fields.wrong(
            "command[0]",
            format!("is \"{program}\", not an absolute path"),
        );
    }
    words(fields, "command", &message.command, 1);
    words(fields, "args", &message.args, 0);
    env(fields, &message.env);
    fields.length("dir", &message.dir, 0, 4_096);
    absolute(fields, "dir", &message.dir);
    fields.length("user", &message.user, 0, 256);
    texts(fields, "groups", &message.groups, 64, 256);
    let ulimits = ulimits(fields, message.ulimits);
    Process {
        command: message.command,
        args: message.args,
        env: message.env,
        dir: message.dir,
        user: message.user,
        groups: message.groups,
        ulimits,
    }
}

/// A path that may be left out.
pub(super) fn absolute(fields: &mut Fields, name: &str, path: &str) {
    if !path.is_empty() && !path.starts_with('/') {
        let path = shortened(path);
        fields.wrong(name, format!("is \"{path}\", not an absolute path"));
    }
}

/// A list of texts, none of them empty.
pub(super) fn texts(fields: &mut Fields, name: &str, texts: &[String], most: usize, chars: usize) {
    fields.count(name, texts.len(), most);
    for (index, text) in texts.iter().enumerate() {
        fields.length(&format!("{name}[{index}]"), text, 1, chars);
    }
}

pub(super) fn words(fields: &mut Fields, name: &str, words: &[String], least: usize) {
    fields.count(name, words.len(), WORDS_MAX);
    for (index, word) in words.iter().enumerate() {
        let place = format!("{name}[{index}]");
        fields.length(&place, word, least, WORD_CHARS_MAX);
        no_nul(fields, &place, word);
    }
}

/// The kernel takes texts that end at a NUL, so none can hold one.
pub(super) fn no_nul(fields: &mut Fields, place: &str, text: &str) {
    if text.contains('\0') {
        fields.wrong(place, "holds a NUL character");
    }
}

pub(super) fn env(fields: &mut Fields, env: &BTreeMap<String, String>) {
    fields.count("env", env.len(), WORDS_MAX);
    for (key, value) in env {
        let place = format!("env[\"{}\"]", shortened(key));
        let length = key.chars().count();
        if !(1..=1_024).contains(&length) || key.contains('=') || key.contains('\0') {
            fields.wrong(
                &place,
                "a key has 1 to 1,024 characters without \"=\" and NUL",
            );
        }
        fields.length(&place, value, 0, WORD_CHARS_MAX);
        no_nul(fields, &place, value);
        placeholders(fields, &place, value);
    }
}

/// What a node could not fill in is refused here, before a task fails of it.
pub(super) fn placeholders(fields: &mut Fields, place: &str, value: &str) {
    if let Err(bad) = node_agent::parse(value) {
        fields.wrong(place, bad.to_string());
    }
}

pub(super) fn ulimits(
    fields: &mut Fields,
    messages: BTreeMap<String, v1::Ulimit>,
) -> BTreeMap<String, Ulimit> {
    fields.count("ulimits", messages.len(), 32);
    for (name, limit) in &messages {
        fields.at(&format!("ulimits[\"{}\"]", shortened(name)), |fields| {
            if !ULIMITS.contains(&name.as_str()) {
                fields.wrong(
                    "key",
                    format!("no such limit; there are: {}", ULIMITS.join(", ")),
                );
            }
            for (field, value) in [("soft", limit.soft), ("hard", limit.hard)] {
                if value < -1 {
                    fields.wrong(field, format!("is {value}; a limit is -1 (none) or more"));
                }
            }
            if limit.hard != -1 && (limit.soft == -1 || limit.soft > limit.hard) {
                fields.wrong("soft", "is above hard");
            }
        });
    }
    let limit = |(name, limit): (String, v1::Ulimit)| {
        (
            name,
            Ulimit {
                soft: limit.soft,
                hard: limit.hard,
            },
        )
    };
    messages.into_iter().map(limit).collect()
}

fn placement(fields: &mut Fields, message: v1::Placement) -> Placement {
    fields.count("spread", message.spread.len(), 8);
    let label = |text: &String| {
        text.strip_prefix("node.labels.")
            .filter(|key| !key.is_empty())
            .map(str::to_owned)
    };
    for (index, text) in message.spread.iter().enumerate() {
        if label(text).is_none() {
            let text = shortened(text);
            let place = format!("spread[{index}]");
            fields.wrong(
                &place,
                format!("is \"{text}\"; the keys there are: node.labels.KEY"),
            );
        }
    }
    fields.range(
        "max_replicas_per_node",
        message.max_replicas_per_node.into(),
        0,
        100_000,
    );
    Placement {
        spread: message.spread.iter().filter_map(label).collect(),
        requirements: node_requirements(fields, message.requirements, 64),
        max_replicas_per_node: message.max_replicas_per_node,
    }
}

fn restart(fields: &mut Fields, message: v1::RestartPolicy) -> RestartPolicy {
    use v1::restart_policy::Condition as Message;
    let condition = match Message::try_from(message.condition) {
        Ok(Message::Unspecified) => None,
        Ok(Message::None) => Some(RestartCondition::None),
        Ok(Message::OnFailure) => Some(RestartCondition::OnFailure),
        Ok(Message::Any) => Some(RestartCondition::Any),
        Err(_) => {
            unknown(fields, "condition", message.condition);
            None
        }
    };
    fields.range("max_attempts", message.max_attempts.into(), 0, 1_000_000);
    let policy = RestartPolicy {
        condition,
        delay: bounded_span(fields, "delay", message.delay, Duration::ZERO, DAY),
        max_delay: bounded_span(fields, "max_delay", message.max_delay, Duration::ZERO, DAY),
        max_attempts: message.max_attempts,
        window: bounded_span(fields, "window", message.window, Duration::ZERO, DAY * 30),
    };
    if policy.max_delay() < policy.delay() {
        fields.wrong("max_delay", "is below delay");
    }
    policy
}

fn stop(fields: &mut Fields, message: v1::StopPolicy) -> StopPolicy {
    fields.length("signal", &message.signal, 0, 16);
    if !message.signal.is_empty() && signal::number(&message.signal).is_none() {
        let text = shortened(&message.signal);
        fields.wrong(
            "signal",
            format!("is \"{text}\", not a signal such as SIGTERM, TERM or 15"),
        );
    }
    StopPolicy {
        signal: message.signal,
        grace: bounded_span(fields, "grace", message.grace, Duration::ZERO, DAY),
        drain: bounded_span(fields, "drain", message.drain, Duration::ZERO, HOUR),
    }
}
