// SPDX-License-Identifier: Apache-2.0
//! Containers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use skep_core::model::{Container, DnsConfig, HostEntry, LogDriver, PullPolicy, Security};
use skep_proto::v1;

use super::common::{shortened, unknown};
use super::template::{absolute, env, no_nul, placeholders, texts, ulimits, words};
use super::{Fields, image};

/// Labels whose keys begin so are skep's own.
const OWN_LABELS: &str = "skep.";

pub(super) fn container(fields: &mut Fields, message: v1::Container) -> Container {
    check_image(fields, &message.image);
    let pull = pull(fields, message.pull);
    words(fields, "command", &message.command, 0);
    words(fields, "args", &message.args, 0);
    env(fields, &message.env);
    fields.length("dir", &message.dir, 0, 4_096);
    absolute(fields, "dir", &message.dir);
    fields.length("user", &message.user, 0, 256);
    texts(fields, "groups", &message.groups, 64, 256);
    fields.length("hostname", &message.hostname, 0, 253);
    placeholders(fields, "hostname", &message.hostname);
    check_labels(fields, "labels", &message.labels);
    texts(
        fields,
        "capabilities_add",
        &message.capabilities_add,
        64,
        64,
    );
    texts(
        fields,
        "capabilities_drop",
        &message.capabilities_drop,
        64,
        64,
    );
    check_pairs(fields, "sysctls", &message.sysctls, 1_024);
    if !(-1_000..=1_000).contains(&message.oom_score_adj) {
        let value = message.oom_score_adj;
        fields.wrong(
            "oom_score_adj",
            format!("is {value}, allowed are -1000 to 1000"),
        );
    }
    Container {
        hosts: hosts(fields, message.hosts),
        dns: fields.at("dns", |fields| dns(fields, message.dns.unwrap_or_default())),
        ulimits: ulimits(fields, message.ulimits),
        security: fields.at("security", |fields| {
            security(fields, message.security.unwrap_or_default())
        }),
        image: message.image,
        pull,
        unpinned: message.unpinned,
        command: message.command,
        args: message.args,
        env: message.env,
        dir: message.dir,
        user: message.user,
        groups: message.groups,
        hostname: message.hostname,
        labels: message.labels,
        init: message.init,
        tty: message.tty,
        read_only: message.read_only,
        capabilities_add: message.capabilities_add,
        capabilities_drop: message.capabilities_drop,
        sysctls: message.sysctls,
        oom_score_adj: message.oom_score_adj,
    }
}

fn check_image(fields: &mut Fields, text: &str) {
    fields.length("image", text, 1, 1_024);
    if !text.is_empty()
        && let Err(why) = image::check(text)
    {
        fields.wrong("image", format!("is \"{}\"; {why}", shortened(text)));
    }
}

fn pull(fields: &mut Fields, value: i32) -> Option<PullPolicy> {
    use v1::container::PullPolicy as Message;
    match Message::try_from(value) {
        Ok(Message::Unspecified) => None,
        Ok(Message::Always) => Some(PullPolicy::Always),
        Ok(Message::IfMissing) => Some(PullPolicy::IfMissing),
        Ok(Message::Never) => Some(PullPolicy::Never),
        Err(_) => {
            unknown(fields, "pull", value);
            None
        }
    }
}

/// Labels of a container or a volume.
pub(super) fn check_labels(fields: &mut Fields, name: &str, labels: &BTreeMap<String, String>) {
    check_pairs(fields, name, labels, 1_024);
    for key in labels.keys().filter(|key| key.starts_with(OWN_LABELS)) {
        let place = format!("{name}[\"{}\"]", shortened(key));
        fields.wrong(
            &place,
            "keys that begin with \"skep.\" are skep's own: take another",
        );
    }
}

/// At most 64 pairs whose keys have 1 to 253 characters.
pub(super) fn check_pairs(
    fields: &mut Fields,
    name: &str,
    pairs: &BTreeMap<String, String>,
    value_chars: usize,
) {
    fields.count(name, pairs.len(), 64);
    for (key, value) in pairs {
        let place = format!("{name}[\"{}\"]", shortened(key));
        let length = key.chars().count();
        if !(1..=253).contains(&length) {
            fields.wrong(
                &place,
                format!("a key has 1 to 253 characters, this has {length}"),
            );
        }
        no_nul(fields, &place, key);
        fields.length(&place, value, 0, value_chars);
        no_nul(fields, &place, value);
    }
}

fn hosts(fields: &mut Fields, messages: Vec<v1::HostEntry>) -> Vec<HostEntry> {
    fields.count("hosts", messages.len(), 256);
    let parse = |(index, message): (usize, v1::HostEntry)| {
        fields.item("hosts", index, |fields| {
            if message.names.is_empty() {
                fields.wrong("names", "is required: 1 to 16 names");
            }
            texts(fields, "names", &message.names, 16, 253);
            let ip = address(fields, "ip", &message.ip)?;
            let names = message.names;
            Some(HostEntry { ip, names })
        })
    };
    messages.into_iter().enumerate().filter_map(parse).collect()
}

fn address(fields: &mut Fields, name: &str, text: &str) -> Option<IpAddr> {
    let address = text.parse().ok();
    if address.is_none() {
        let text = shortened(text);
        fields.wrong(name, format!("is \"{text}\", not an IP address"));
    }
    address
}

fn dns(fields: &mut Fields, message: v1::DnsConfig) -> DnsConfig {
    fields.count("servers", message.servers.len(), 8);
    texts(fields, "search", &message.search, 16, 253);
    texts(fields, "options", &message.options, 16, 64);
    let server =
        |(index, text): (usize, &String)| address(fields, &format!("servers[{index}]"), text);
    DnsConfig {
        servers: message
            .servers
            .iter()
            .enumerate()
            .filter_map(server)
            .collect(),
        search: message.search,
        options: message.options,
    }
}

fn security(fields: &mut Fields, message: v1::Security) -> Security {
    let seccomp = message.seccomp.as_str();
    if !matches!(seccomp, "" | "default" | "unconfined") {
        let text = shortened(seccomp);
        fields.wrong(
            "seccomp",
            format!("is \"{text}\"; there are \"default\" and \"unconfined\""),
        );
    }
    fields.length("apparmor", &message.apparmor, 0, 253);
    fields.length("selinux", &message.selinux, 0, 253);
    Security {
        no_new_privileges: message.no_new_privileges,
        seccomp_unconfined: seccomp == "unconfined",
        apparmor: message.apparmor,
        selinux: message.selinux,
    }
}

pub(super) fn log_driver(fields: &mut Fields, message: v1::LogDriver) -> LogDriver {
    fields.length("name", &message.name, 0, 253);
    check_pairs(fields, "options", &message.options, 4_096);
    LogDriver {
        name: message.name,
        options: message.options,
    }
}
