// SPDX-License-Identifier: Apache-2.0
//! Parts that many messages share: times, labels, requirements, resources, ports.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use skep_core::model::{
    Labels, Name, NodeKey, Operator, Port, PortMode, Protocol, Requirement, ResourceLimits,
    Resources, Timestamp,
};
use skep_core::schedule::filter::parse_range;
use skep_proto::v1;

use super::Fields;

const LABELS_MAX: usize = 64;
const LABEL_KEY_CHARS_MAX: usize = 128;
const LABEL_VALUE_CHARS_MAX: usize = 1_024;
const REQUIREMENT_VALUES_MAX: usize = 64;
const PORTS_MAX: usize = 128;
const CPU_MILLIS_MAX: u64 = 1_000_000;
const MEMORY_BYTES_MAX: u64 = 1 << 50;
const MEMORY_LIMIT_BYTES_MIN: u64 = 4 << 20;
const PIDS_MAX: u64 = 4_194_304;
const NANOS: i64 = 1_000_000_000;

/// A moment. Nothing if it lies outside of what a [`Timestamp`] holds.
pub fn timestamp(message: prost_types::Timestamp) -> Option<Timestamp> {
    let nanos = i64::from(message.nanos);
    let whole = message.seconds.checked_mul(NANOS)?.checked_add(nanos)?;
    (0..NANOS).contains(&nanos).then_some(Timestamp(whole))
}

/// A span of time; nothing if it is negative or malformed.
pub fn span(message: prost_types::Duration) -> Option<Duration> {
    let seconds = u64::try_from(message.seconds).ok()?;
    let nanos = u32::try_from(message.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(seconds, nanos))
}

/// A span of time between two bounds, as a user gives it.
pub(super) fn bounded_span(
    fields: &mut Fields,
    name: &str,
    message: Option<prost_types::Duration>,
    least: Duration,
    most: Duration,
) -> Option<Duration> {
    let message = message?;
    let value = span(message);
    if value.is_none_or(|value| value < least || value > most) {
        let (least, most) = (least.as_secs_f64(), most.as_secs());
        fields.wrong(
            name,
            format!("is {}, allowed are {least} to {most} s", seconds(message)),
        );
    }
    value
}

/// A span in words, also one that is negative.
fn seconds(message: prost_types::Duration) -> String {
    let (seconds, nanos) = (message.seconds, message.nanos);
    let size = Duration::new(seconds.unsigned_abs(), nanos.unsigned_abs()).as_secs_f64();
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    format!("{sign}{size} s")
}

/// A name, if it is one.
pub(super) fn name(fields: &mut Fields, field: &str, text: &str) -> Option<Name> {
    match Name::parse(text) {
        Ok(name) => Some(name),
        Err(_) if text.is_empty() => {
            fields.wrong(field, "is required: 1 to 63 characters");
            None
        }
        Err(why) => {
            fields.wrong(field, format!("is \"{}\"; {why}", shortened(text)));
            None
        }
    }
}

/// A text short enough to be repeated in an error.
pub(super) fn shortened(text: &str) -> String {
    const SHOWN: usize = 64;
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(SHOWN).collect();
    short.push('…');
    short
}

pub(super) fn labels(fields: &mut Fields, labels: BTreeMap<String, String>) -> Arc<Labels> {
    fields.count("labels", labels.len(), LABELS_MAX);
    for (key, value) in &labels {
        let place = format!("labels[\"{}\"]", shortened(key));
        let length = key.chars().count();
        if !(1..=LABEL_KEY_CHARS_MAX).contains(&length) {
            let rule =
                format!("a key has 1 to {LABEL_KEY_CHARS_MAX} characters, this has {length}");
            fields.wrong(&place, rule);
        }
        fields.length(&place, value, 0, LABEL_VALUE_CHARS_MAX);
    }
    Arc::new(labels)
}

/// Requirements with keys of kind `K`, of which `known` says which there are.
pub(super) fn requirements<K>(
    fields: &mut Fields,
    messages: Vec<v1::Requirement>,
    most: usize,
    known: &str,
    key: impl Fn(&str) -> Option<K>,
) -> Vec<Requirement<K>> {
    fields.count("requirements", messages.len(), most);
    let parse = |(index, message)| {
        fields.item("requirements", index, |fields| {
            requirement(fields, message, known, &key)
        })
    };
    messages.into_iter().enumerate().filter_map(parse).collect()
}

fn requirement<K>(
    fields: &mut Fields,
    message: v1::Requirement,
    known: &str,
    parse_key: impl Fn(&str) -> Option<K>,
) -> Option<Requirement<K>> {
    let key = parse_key(&message.key);
    if key.is_none() {
        let key = shortened(&message.key);
        fields.wrong("key", format!("is \"{key}\"; the keys there are: {known}"));
    }
    let operator = operator(fields, message.operator);
    fields.count("values", message.values.len(), REQUIREMENT_VALUES_MAX);
    for (index, value) in message.values.iter().enumerate() {
        fields.length(&format!("values[{index}]"), value, 0, LABEL_VALUE_CHARS_MAX);
    }
    let requirement = Requirement {
        key: key?,
        operator,
        values: message.values,
    };
    let takes_values = matches!(
        requirement.operator(),
        Operator::In | Operator::NotIn | Operator::Prefix
    );
    if takes_values && requirement.values.is_empty() {
        fields.wrong("values", "is required with this operator");
    }
    if !takes_values && !requirement.values.is_empty() {
        fields.wrong("values", "must be empty with this operator");
    }
    Some(requirement)
}

fn operator(fields: &mut Fields, value: i32) -> Option<Operator> {
    use v1::requirement::Operator as Message;
    match Message::try_from(value) {
        Ok(Message::Unspecified) => None,
        Ok(Message::In) => Some(Operator::In),
        Ok(Message::NotIn) => Some(Operator::NotIn),
        Ok(Message::Exists) => Some(Operator::Exists),
        Ok(Message::NotExists) => Some(Operator::NotExists),
        Ok(Message::Prefix) => Some(Operator::Prefix),
        Err(_) => {
            unknown(fields, "operator", value);
            None
        }
    }
}

/// Says that an enum has a value that this server does not know.
pub(super) fn unknown(fields: &mut Fields, name: &str, value: i32) {
    fields.wrong(name, format!("has the unknown value {value}"));
}

/// Requirements of a placement: ranges of addresses are checked too.
pub(super) fn node_requirements(
    fields: &mut Fields,
    messages: Vec<v1::Requirement>,
    most: usize,
) -> Vec<Requirement<NodeKey>> {
    let parsed = requirements(fields, messages, most, NodeKey::KNOWN, NodeKey::parse);
    for (index, requirement) in parsed.iter().enumerate() {
        let exact = requirement.operator() != Operator::Prefix;
        if requirement.key == NodeKey::Ip && exact {
            for (place, value) in requirement.values.iter().enumerate() {
                if parse_range(value).is_none() {
                    let field = format!("requirements[{index}].values[{place}]");
                    let value = shortened(value);
                    fields.wrong(&field, format!("is \"{value}\", not an address or a range of addresses such as 10.0.0.0/8"));
                }
            }
        }
    }
    parsed
}

pub(super) fn reservations(fields: &mut Fields, message: v1::Resources) -> Resources {
    fields.range("cpu_millis", message.cpu_millis.into(), 0, CPU_MILLIS_MAX);
    fields.range("memory_bytes", message.memory_bytes, 0, MEMORY_BYTES_MAX);
    resources(message)
}

/// An amount as an agent reports it.
pub fn resources(message: v1::Resources) -> Resources {
    Resources {
        cpu_millis: message.cpu_millis,
        memory_bytes: message.memory_bytes,
    }
}

pub(super) fn limits(fields: &mut Fields, message: v1::ResourceLimits) -> ResourceLimits {
    fields.range("cpu_millis", message.cpu_millis.into(), 0, CPU_MILLIS_MAX);
    if message.memory_bytes != 0 {
        let (least, most) = (MEMORY_LIMIT_BYTES_MIN, MEMORY_BYTES_MAX);
        fields.range("memory_bytes", message.memory_bytes, least, most);
    }
    fields.range("pids", message.pids.into(), 0, PIDS_MAX);
    ResourceLimits {
        cpu_millis: message.cpu_millis,
        memory_bytes: message.memory_bytes,
        pids: message.pids,
    }
}

/// The ports of an endpoint, none of which clash with each other.
pub(super) fn ports(fields: &mut Fields, messages: Vec<v1::Port>) -> Vec<Port> {
    fields.count("ports", messages.len(), PORTS_MAX);
    let mut taken = BTreeSet::new();
    let mut ports = Vec::with_capacity(messages.len());
    for (index, message) in messages.into_iter().enumerate() {
        fields.item("ports", index, |fields| {
            let port = port(fields, message);
            let key = (port.published, port.protocol, port.mode);
            if port.published != 0 && !taken.insert(key) {
                let (number, protocol) = (port.published, port.protocol.as_str());
                fields.wrong(
                    "published",
                    format!("is {number}/{protocol}, as in an entry before"),
                );
            }
            ports.push(port);
        });
    }
    ports
}

/// One port. Numbers outside of 16 bits are reported and read as 0.
pub fn port(fields: &mut Fields, message: v1::Port) -> Port {
    if message.target == 0 {
        fields.wrong("target", "is required: 1 to 65535");
    }
    fields.range("target", message.target.into(), 0, 65_535);
    fields.range("published", message.published.into(), 0, 65_535);
    fields.length("name", &message.name, 0, 63);
    Port {
        target: u16::try_from(message.target).unwrap_or(0),
        published: u16::try_from(message.published).unwrap_or(0),
        protocol: protocol(fields, message.protocol),
        mode: port_mode(fields, message.mode),
        name: message.name.into(),
    }
}

pub(crate) fn protocol(fields: &mut Fields, value: i32) -> Protocol {
    use v1::port::Protocol as Message;
    match Message::try_from(value) {
        Ok(Message::Unspecified | Message::Tcp) => Protocol::Tcp,
        Ok(Message::Udp) => Protocol::Udp,
        Err(_) => {
            unknown(fields, "protocol", value);
            Protocol::Tcp
        }
    }
}

fn port_mode(fields: &mut Fields, value: i32) -> PortMode {
    use v1::port::Mode as Message;
    match Message::try_from(value) {
        Ok(Message::Unspecified | Message::Ingress) => PortMode::Ingress,
        Ok(Message::Host) => PortMode::Host,
        Err(_) => {
            unknown(fields, "mode", value);
            PortMode::Ingress
        }
    }
}
