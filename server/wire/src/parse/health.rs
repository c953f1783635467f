// SPDX-License-Identifier: Apache-2.0
//! Health checks.

use std::time::Duration;

use skep_core::model::{HealthCheck, Probe};
use skep_proto::v1;

use super::Fields;
use super::common::bounded_span;
use super::template::no_nul;

const DAY: Duration = Duration::from_secs(86_400);
/// The least time between two checks, and for one.
const LEAST: Duration = Duration::from_millis(100);
const WORDS_MAX: usize = 256;
const WORD_CHARS_MAX: usize = 131_072;

pub(super) fn check(fields: &mut Fields, message: v1::HealthCheck) -> HealthCheck {
    fields.range("retries", message.retries.into(), 0, 1_000);
    HealthCheck {
        probe: message.probe.map(|message| probe(fields, message)),
        interval: bounded_span(fields, "interval", message.interval, LEAST, DAY),
        timeout: bounded_span(fields, "timeout", message.timeout, LEAST, DAY),
        retries: message.retries,
        start_period: bounded_span(
            fields,
            "start_period",
            message.start_period,
            Duration::ZERO,
            DAY,
        ),
        start_interval: bounded_span(fields, "start_interval", message.start_interval, LEAST, DAY),
    }
}

fn probe(fields: &mut Fields, message: v1::health_check::Probe) -> Probe {
    use v1::health_check::Probe as Message;
    match message {
        Message::Exec(message) => fields.at("exec", |fields| exec(fields, message)),
        Message::Http(message) => fields.at("http", |fields| {
            fields.length("path", &message.path, 0, 4_096);
            let whole = message.path.starts_with('/') && message.path.bytes().all(is_printable);
            if !message.path.is_empty() && !whole {
                fields.wrong(
                    "path",
                    "begins with \"/\" and has neither spaces nor controls",
                );
            }
            Probe::Http {
                port: port(fields, message.port),
                path: message.path,
            }
        }),
        Message::Tcp(message) => fields.at("tcp", |fields| Probe::Tcp {
            port: port(fields, message.port),
        }),
        Message::Grpc(message) => fields.at("grpc", |fields| {
            fields.length("service", &message.service, 0, 253);
            Probe::Grpc {
                port: port(fields, message.port),
                service: message.service,
            }
        }),
        Message::Disabled(disabled) => {
            if !disabled {
                fields.wrong("disabled", "is false; leave it out, or say true");
            }
            Probe::Disabled
        }
    }
}

fn is_printable(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

fn exec(fields: &mut Fields, message: v1::ExecProbe) -> Probe {
    if message.command.is_empty() {
        fields.wrong("command", "is required: the program and its arguments");
    }
    fields.count("command", message.command.len(), WORDS_MAX);
    for (index, word) in message.command.iter().enumerate() {
        let place = format!("command[{index}]");
        fields.length(&place, word, usize::from(index == 0), WORD_CHARS_MAX);
        no_nul(fields, &place, word);
    }
    Probe::Exec {
        command: message.command,
    }
}

fn port(fields: &mut Fields, number: u32) -> u16 {
    fields.range("port", number.into(), 1, 65_535);
    u16::try_from(number).unwrap_or(0)
}
