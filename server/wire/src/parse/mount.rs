// SPDX-License-Identifier: Apache-2.0
//! Mounts.

use std::collections::BTreeSet;

use skep_core::model::{BindMount, Mount, MountSource, TmpfsMount, VolumeMount};
use skep_proto::v1;

use super::Fields;
use super::common::shortened;
use super::container::{check_labels, check_pairs};
use super::template::{absolute, no_nul, placeholders};

const MOUNTS_MAX: usize = 256;
const PROPAGATIONS: [&str; 6] = [
    "private", "rprivate", "shared", "rshared", "slave", "rslave",
];

/// Mounts, each with a target of its own.
pub(super) fn mounts(fields: &mut Fields, messages: Vec<v1::Mount>) -> Vec<Mount> {
    fields.count("mounts", messages.len(), MOUNTS_MAX);
    let mut taken = BTreeSet::new();
    let parse = |(index, message): (usize, v1::Mount)| {
        fields.item("mounts", index, |fields| {
            path(fields, "target", &message.target);
            let target = message.target.trim_end_matches('/').to_owned();
            if !message.target.is_empty() && !taken.insert(target) {
                let target = shortened(&message.target);
                fields.wrong("target", format!("is \"{target}\", as in an entry before"));
            }
            let source = match message.source {
                Some(source) => source_of(fields, source),
                None => {
                    fields.wrong("bind", "is required, or volume or tmpfs: what is mounted");
                    None
                }
            };
            Some(Mount {
                target: message.target,
                read_only: message.read_only,
                source: source?,
            })
        })
    };
    messages.into_iter().enumerate().filter_map(parse).collect()
}

/// A path that must be there.
fn path(fields: &mut Fields, name: &str, text: &str) {
    fields.length(name, text, 1, 4_096);
    absolute(fields, name, text);
    no_nul(fields, name, text);
}

fn source_of(fields: &mut Fields, message: v1::mount::Source) -> Option<MountSource> {
    use v1::mount::Source as Message;
    Some(match message {
        Message::Bind(message) => fields.at("bind", |fields| bind(fields, message)),
        Message::Volume(message) => fields.at("volume", |fields| volume(fields, message)),
        Message::Tmpfs(message) => fields.at("tmpfs", |fields| tmpfs(fields, message)),
    })
}

fn bind(fields: &mut Fields, message: v1::BindMount) -> MountSource {
    path(fields, "path", &message.path);
    placeholders(fields, "path", &message.path);
    let propagation = message.propagation.as_str();
    if !propagation.is_empty() && !PROPAGATIONS.contains(&propagation) {
        let (text, all) = (shortened(propagation), PROPAGATIONS.join(", "));
        fields.wrong("propagation", format!("is \"{text}\"; there are: {all}"));
    }
    MountSource::Bind(BindMount {
        path: message.path,
        create: message.create,
        propagation: message.propagation,
        non_recursive: message.non_recursive,
    })
}

fn volume(fields: &mut Fields, message: v1::VolumeMount) -> MountSource {
    fields.length("name", &message.name, 0, 255);
    placeholders(fields, "name", &message.name);
    if message.name.contains(['/', '\0']) {
        fields.wrong(
            "name",
            "holds a \"/\"; for a path of the node take a bind mount",
        );
    }
    fields.length("driver", &message.driver, 0, 253);
    check_pairs(fields, "options", &message.options, 4_096);
    check_labels(fields, "labels", &message.labels);
    fields.length("subpath", &message.subpath, 0, 4_096);
    if message.subpath.starts_with('/') || message.subpath.split('/').any(|part| part == "..") {
        fields.wrong(
            "subpath",
            "is a directory within the volume: no \"/\" in front, no \"..\"",
        );
    }
    MountSource::Volume(VolumeMount {
        name: message.name,
        driver: message.driver,
        options: message.options,
        labels: message.labels,
        subpath: message.subpath,
        no_copy: message.no_copy,
    })
}

fn tmpfs(fields: &mut Fields, message: v1::TmpfsMount) -> MountSource {
    fields.range("size_bytes", message.size_bytes, 0, 1 << 50);
    let mode = u32::from_str_radix(&message.mode, 8).ok();
    let good = message.mode.is_empty() || mode.is_some_and(|mode| mode <= 0o7777);
    if !good || message.mode.len() > 4 {
        let text = shortened(&message.mode);
        fields.wrong(
            "mode",
            format!("is \"{text}\", not permission bits in octal such as \"1777\""),
        );
    }
    MountSource::Tmpfs(TmpfsMount {
        size_bytes: message.size_bytes,
        mode,
    })
}
