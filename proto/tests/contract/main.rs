// SPDX-License-Identifier: Apache-2.0
//! Rules of the contract that buf does not know, checked over the descriptors: the role of each
//! method, the wording of limits, names that some language cannot take.

use std::collections::BTreeSet;

use prost_reflect::{
    Cardinality, DescriptorPool, EnumDescriptor, FieldDescriptor, FileDescriptor, Kind,
    MessageDescriptor, MethodDescriptor,
};
use skep_proto::v1::Role;

mod pages;
mod wording;

fn pool() -> DescriptorPool {
    DescriptorPool::decode(skep_proto::FILE_DESCRIPTOR_SET).expect("the descriptors are whole")
}

/// The package `skep.v1`, without what it imports.
fn files(pool: &DescriptorPool) -> Vec<FileDescriptor> {
    let ours: Vec<_> = pool
        .files()
        .filter(|file| file.package_name() == "skep.v1")
        .collect();
    assert!(ours.len() >= 10, "{} files", ours.len());
    ours
}

fn methods(pool: &DescriptorPool) -> Vec<MethodDescriptor> {
    pool.services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .collect()
}

/// Messages of the package with those nested in them, entries of maps left out.
fn messages(pool: &DescriptorPool) -> Vec<MessageDescriptor> {
    let ours = |message: &MessageDescriptor| {
        message.package_name() == "skep.v1" && !message.is_map_entry()
    };
    pool.all_messages().filter(ours).collect()
}

fn enums(pool: &DescriptorPool) -> Vec<EnumDescriptor> {
    pool.all_enums()
        .filter(|found| found.package_name() == "skep.v1")
        .collect()
}

/// The comment that stands before a declaration, on one line.
fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let proto = file.file_descriptor_proto();
    let info = proto
        .source_code_info
        .as_ref()
        .expect("descriptors keep their comments");
    let location = info.location.iter().find(|location| location.path == path);
    let text = location.map_or("", |location| location.leading_comments());
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn field_comment(field: &FieldDescriptor) -> String {
    comment(&field.parent_file(), field.path())
}

fn role(pool: &DescriptorPool, method: &MethodDescriptor) -> Option<Role> {
    let option = pool
        .get_extension_by_name("skep.v1.role")
        .expect("options.proto is there");
    let options = method.options();
    let number = options.get_extension(&option).as_enum_number()?;
    Role::try_from(number)
        .ok()
        .filter(|role| *role != Role::Unspecified)
}

/// The messages that clients fill in: inputs of methods and all that is in them.
fn client_filled(pool: &DescriptorPool) -> Vec<MessageDescriptor> {
    let inputs = methods(pool).into_iter().map(|method| method.input());
    reachable(inputs.collect())
}

fn reachable(mut waiting: Vec<MessageDescriptor>) -> Vec<MessageDescriptor> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    while let Some(message) = waiting.pop() {
        if message.package_name() != "skep.v1" || !seen.insert(message.full_name().to_owned()) {
            continue;
        }
        waiting.extend(message.fields().filter_map(|field| match field.kind() {
            Kind::Message(inner) => Some(inner),
            _ => None,
        }));
        if !message.is_map_entry() {
            found.push(message);
        }
    }
    found
}

#[test]
fn every_method_says_which_role_it_needs() {
    let pool = pool();
    let all = methods(&pool);
    assert!(all.len() >= 20, "{} methods", all.len());
    for method in all {
        assert!(
            role(&pool, &method).is_some(),
            "{} has no role",
            method.full_name()
        );
    }
}

#[test]
fn reading_needs_a_viewer_and_changing_needs_more() {
    let pool = pool();
    for method in methods(&pool) {
        let reads = ["Get", "List", "Wait", "Watch", "Stream"]
            .iter()
            .any(|verb| method.name().starts_with(verb));
        let viewer = role(&pool, &method) == Some(Role::Viewer);
        assert_eq!(reads, viewer, "{}: role", method.full_name());

        let options = method.options();
        let level = options.get_field_by_name("idempotency_level");
        let level = level.and_then(|level| level.as_enum_number());
        let retried = method.input().get_field_by_name("request_id").is_some();
        // NO_SIDE_EFFECTS is 1, IDEMPOTENT 2. What acts on this daemon alone is neither.
        let wanted = if reads {
            1
        } else if retried {
            2
        } else {
            0
        };
        assert_eq!(
            level,
            Some(wanted),
            "{}: idempotency_level",
            method.full_name()
        );
        if level == Some(0) {
            assert_eq!(
                method.parent_service().name(),
                "DaemonService",
                "{}",
                method.full_name()
            );
        }
    }
}

#[test]
fn every_answer_about_the_swarm_carries_a_revision() {
    for method in methods(&pool()) {
        let service = method.parent_service();
        let exempt = ["DaemonService", "LogService"].contains(&service.name());
        let revision = method.output().get_field_by_name("revision");
        assert_eq!(
            revision.is_none(),
            exempt,
            "{}",
            method.output().full_name()
        );
    }
}

#[test]
fn everything_has_a_comment() {
    let pool = pool();
    let mut bare = Vec::new();
    let mut look = |file: &FileDescriptor, path: &[i32], name: &str| {
        if comment(file, path).is_empty() {
            bare.push(name.to_owned());
        }
    };
    for service in pool.services() {
        look(&service.parent_file(), service.path(), service.full_name());
        for method in service.methods() {
            look(&service.parent_file(), method.path(), method.full_name());
        }
    }
    for message in messages(&pool) {
        look(&message.parent_file(), message.path(), message.full_name());
        for field in message.fields() {
            look(&message.parent_file(), field.path(), field.full_name());
        }
        for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            look(&message.parent_file(), oneof.path(), oneof.full_name());
        }
    }
    for found in enums(&pool) {
        look(&found.parent_file(), found.path(), found.full_name());
        for value in found.values() {
            look(&found.parent_file(), value.path(), value.full_name());
        }
    }
    assert!(bare.is_empty(), "no comment: {bare:?}");
}

#[test]
fn every_field_that_clients_fill_in_says_its_limit() {
    let mut wrong = Vec::new();
    let filled = client_filled(&pool());
    assert!(filled.len() >= 30, "{} messages", filled.len());
    for message in filled {
        for field in message.fields() {
            if let Err(missing) = wording::limit(&field, &field_comment(&field)) {
                wrong.push(format!("{}: {missing}", field.full_name()));
            }
        }
        for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            let text = comment(&message.parent_file(), oneof.path());
            if !wording::says_what_unset_means(&text) {
                wrong.push(format!(
                    "{}: \"Required.\" or \"unset:\"",
                    oneof.full_name()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "limits missing:\n{}", wrong.join("\n"));
}

#[test]
fn output_only_is_said_of_what_only_answers_hold() {
    let pool = pool();
    let filled: BTreeSet<String> = client_filled(&pool)
        .iter()
        .map(|message| message.full_name().to_owned())
        .collect();
    for message in messages(&pool) {
        let name = message.full_name();
        let said = comment(&message.parent_file(), message.path()).contains("Output only.");
        // Answers and their events say it by their names, objects by having a spec to write.
        let clear = name.contains("Response") || message.get_field_by_name("spec").is_some();
        // A part of a message that says it needs not repeat it.
        let inside = message.parent_message().is_some();
        let wanted = !filled.contains(name) && !clear && !inside;
        assert_eq!(said, wanted, "{name}: \"Output only.\"");
    }
}

#[test]
fn no_field_is_a_keyword() {
    let keywords: BTreeSet<&str> = wording::KEYWORDS.split_whitespace().collect();
    for message in messages(&pool()) {
        for field in message.fields() {
            let clash = keywords.contains(field.name()) || keywords.contains(field.json_name());
            assert!(
                !clash,
                "{} is a keyword of some language",
                field.full_name()
            );
        }
    }
}

#[test]
fn every_reason_begins_with_its_code_and_has_an_example() {
    let pool = pool();
    let reasons = pool
        .get_enum_by_name("skep.v1.ErrorReason")
        .expect("error.proto is there");
    for value in reasons.values().filter(|value| value.number() != 0) {
        let text = comment(&reasons.parent_file(), value.path());
        let code = text.split([':', ',']).next().unwrap_or("");
        assert!(
            wording::CODES.contains(&code),
            "{}: {code} is no gRPC code",
            value.name()
        );
        assert!(
            text.contains("Example: "),
            "{} has no example",
            value.name()
        );
    }
}

#[test]
fn points_in_time_are_called_so() {
    for message in messages(&pool()) {
        for field in message
            .fields()
            .filter(|field| field.cardinality() != Cardinality::Repeated)
        {
            let Kind::Message(inner) = field.kind() else {
                continue;
            };
            if inner.full_name() == "google.protobuf.Timestamp" {
                let named = field.name() == "time" || field.name().ends_with("_time");
                assert!(named, "{} is a time", field.full_name());
            }
        }
    }
}

#[test]
fn the_public_descriptors_hold_nothing_internal() {
    let pool = pool();
    assert_eq!(files(&pool).len() + 4, pool.files().len());
    for file in pool.files() {
        let known = ["skep.v1", "google.protobuf"].contains(&file.package_name());
        assert!(known, "{} is served by reflection", file.name());
    }
}

#[cfg(feature = "internal")]
#[test]
fn the_internal_descriptors_are_whole() {
    let set = skep_proto::internal::v1::FILE_DESCRIPTOR_SET;
    let pool = DescriptorPool::decode(set).expect("the descriptors are whole");
    for name in [
        "skep.internal.v1.Change",
        "skep.internal.v1.SessionRequest",
        "skep.v1.Task",
    ] {
        assert!(pool.get_message_by_name(name).is_some(), "{name}");
    }
}
