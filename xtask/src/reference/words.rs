// SPDX-License-Identifier: Apache-2.0
//! What the contract says in comments, by the full name of what they stand above.

use std::collections::{BTreeMap, BTreeSet};

use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet};

/// The sentence of a method's comment that names its reasons begins so.
const FAILS: &str = "Fails with ";

/// Comments by full name, less the package.
pub(super) type Comments = BTreeMap<String, String>;

/// All comments of these files.
pub(super) fn comments(set: &FileDescriptorSet) -> Comments {
    let mut found = Comments::new();
    for file in &set.file {
        let places = places(file);
        for location in file.source_code_info.iter().flat_map(|info| &info.location) {
            if let Some(name) = places.get(&location.path) {
                let text = location.leading_comments().lines().map(str::trim);
                let text = text.collect::<Vec<_>>().join("\n").trim().to_owned();
                found.insert(name.clone(), text);
            }
        }
    }
    found
}

/// The names by their places, which are numbered as `descriptor.proto` says.
fn places(file: &FileDescriptorProto) -> BTreeMap<Vec<i32>, String> {
    let mut found = BTreeMap::new();
    for (at, service) in (0..).zip(&file.service) {
        found.insert(vec![6, at], service.name().to_owned());
        for (inner, method) in (0..).zip(&service.method) {
            let name = format!("{}/{}", service.name(), method.name());
            found.insert(vec![6, at, 2, inner], name);
        }
    }
    for (at, message) in (0..).zip(&file.message_type) {
        place_message(message, vec![4, at], message.name(), &mut found);
    }
    for (at, kind) in (0..).zip(&file.enum_type) {
        place_enum(kind, vec![5, at], kind.name(), &mut found);
    }
    found
}

fn place_message(
    message: &DescriptorProto,
    place: Vec<i32>,
    name: &str,
    found: &mut BTreeMap<Vec<i32>, String>,
) {
    let within = |kind: i32, at: i32| [place.as_slice(), &[kind, at]].concat();
    for (at, field) in (0..).zip(&message.field) {
        found.insert(within(2, at), format!("{name}.{}", field.name()));
    }
    for (at, nested) in (0..).zip(&message.nested_type) {
        let full = format!("{name}.{}", nested.name());
        place_message(nested, within(3, at), &full, found);
    }
    for (at, kind) in (0..).zip(&message.enum_type) {
        let full = format!("{name}.{}", kind.name());
        place_enum(kind, within(4, at), &full, found);
    }
    found.insert(place, name.to_owned());
}

fn place_enum(
    kind: &EnumDescriptorProto,
    place: Vec<i32>,
    name: &str,
    found: &mut BTreeMap<Vec<i32>, String>,
) {
    for (at, value) in (0..).zip(&kind.value) {
        let place = [place.as_slice(), &[2, at]].concat();
        found.insert(place, format!("{name}.{}", value.name()));
    }
    found.insert(place, name.to_owned());
}

/// What a method's comment says, and the reasons that it names.
pub(super) fn split(comment: &str) -> (String, Vec<String>) {
    let Some((text, reasons)) = comment.split_once(FAILS) else {
        return (comment.to_owned(), Vec::new());
    };
    let words = reasons.split([',', '.', ' ', '\n']);
    let reasons = words.filter(|word| !word.is_empty()).map(str::to_owned);
    (text.trim().to_owned(), reasons.collect())
}

/// The reasons that there are, less their prefix.
#[cfg(test)]
pub(super) fn reasons(set: &FileDescriptorSet) -> BTreeSet<String> {
    let kinds = set.file.iter().flat_map(|file| &file.enum_type);
    let reasons = kinds.filter(|kind| kind.name() == "ErrorReason");
    let values = reasons.flat_map(|kind| &kind.value);
    values
        .map(|value| value.name().replacen("ERROR_REASON_", "", 1))
        .collect()
}

/// The reasons that each method names.
#[cfg(test)]
pub(super) fn failures(set: &FileDescriptorSet) -> Vec<(String, Vec<String>)> {
    let comments = comments(set).into_iter();
    let methods = comments.filter(|(name, _)| name.contains('/'));
    let found: Vec<_> = methods.map(|(name, text)| (name, split(&text).1)).collect();
    let named = found.iter().filter(|(_, reasons)| !reasons.is_empty());
    assert!(named.count() > 15, "most methods name reasons");
    found
}

/// Names that are in use, to tell types of ours from others.
pub(super) fn names(comments: &Comments) -> BTreeSet<&str> {
    comments.keys().map(String::as_str).collect()
}
