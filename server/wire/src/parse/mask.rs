// SPDX-License-Identifier: Apache-2.0
//! Update masks: which fields of a spec an update takes over.

use prost::Message;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value,
};
use prost_types::FieldMask;
use skep_proto::v1;

use super::Fields;
use super::common::shortened;

const PATHS_MAX: usize = 64;

/// `present` with the fields that `mask` names taken from `wanted`; `name` is the full name of
/// the message. Nothing if the mask is wrong.
pub fn merge<M: Message + Default>(
    fields: &mut Fields,
    name: &str,
    present: &M,
    wanted: &M,
    mask: &FieldMask,
) -> Option<M> {
    fields.count("update_mask.paths", mask.paths.len(), PATHS_MAX);
    let descriptor = skep_proto::reflect::pool().get_message_by_name(name)?;
    let mut merged = dynamic(&descriptor, present)?;
    let wanted = dynamic(&descriptor, wanted)?;
    let mut right = true;
    for (index, path) in mask.paths.iter().enumerate() {
        match resolve(&descriptor, path) {
            Ok(steps) => copy(&mut merged, &wanted, &steps),
            Err(why) => {
                right = false;
                let text = shortened(path);
                fields.wrong(
                    &format!("update_mask.paths[{index}]"),
                    format!("is \"{text}\"; {why}"),
                );
            }
        }
    }
    M::decode(merged.encode_to_vec().as_slice())
        .ok()
        .filter(|_| right)
}

/// The paths at which two specs of a service differ: those of plain fields, lists and maps, and
/// of a message where only one has it.
#[must_use]
pub fn differences(before: &v1::ServiceSpec, after: &v1::ServiceSpec) -> Vec<String> {
    let mut paths = Vec::new();
    let descriptor = skep_proto::reflect::pool().get_message_by_name("skep.v1.ServiceSpec");
    if let Some(descriptor) = descriptor
        && let (Some(before), Some(after)) =
            (dynamic(&descriptor, before), dynamic(&descriptor, after))
    {
        differ(&before, &after, "", &mut paths);
    }
    paths
}

fn differ(before: &DynamicMessage, after: &DynamicMessage, at: &str, paths: &mut Vec<String>) {
    for field in before.descriptor().fields() {
        let path = match at {
            "" => field.name().to_owned(),
            at => format!("{at}.{}", field.name()),
        };
        let is_here = before.has_field(&field);
        if is_here != after.has_field(&field) {
            paths.push(path);
            continue;
        }
        let (old, new) = (before.get_field(&field), after.get_field(&field));
        match (old.as_ref(), new.as_ref()) {
            (Value::Message(old), Value::Message(new)) if !is_time(&old.descriptor()) => {
                differ(old, new, &path, paths);
            }
            (old, new) if is_here && old != new => paths.push(path),
            _ => {}
        }
    }
}

fn dynamic<M: Message>(descriptor: &MessageDescriptor, message: &M) -> Option<DynamicMessage> {
    DynamicMessage::decode(descriptor.clone(), message.encode_to_vec().as_slice()).ok()
}

/// The fields that a path leads through.
fn resolve(descriptor: &MessageDescriptor, path: &str) -> Result<Vec<FieldDescriptor>, String> {
    let mut steps: Vec<FieldDescriptor> = Vec::new();
    let mut place = Some(descriptor.clone());
    for part in path.split('.') {
        let Some(message) = place else {
            let last = steps.last().map_or("", FieldDescriptor::name);
            return Err(format!(
                "a path ends at a list, a map or a plain field, here at {last}"
            ));
        };
        let field = message
            .get_field_by_name(part)
            .or_else(|| message.get_field_by_json_name(part))
            .ok_or_else(|| format!("{} has no field \"{part}\"", message.name()))?;
        place = match field.kind() {
            Kind::Message(inner) if !field.is_list() && !field.is_map() && !is_time(&inner) => {
                Some(inner)
            }
            _ => None,
        };
        steps.push(field);
    }
    Ok(steps)
}

fn is_time(message: &MessageDescriptor) -> bool {
    message.full_name().starts_with("google.protobuf.")
}

/// Sets the field at the end of `steps` as it is in `from`; one that is unset there is cleared.
fn copy(to: &mut DynamicMessage, from: &DynamicMessage, steps: &[FieldDescriptor]) {
    let Some((field, rest)) = steps.split_first() else {
        return;
    };
    if rest.is_empty() {
        if from.has_field(field) {
            to.set_field(field, from.get_field(field).into_owned());
        } else {
            to.clear_field(field);
        }
        return;
    }
    let empty;
    let value = from.get_field(field);
    let inner_from = match value.as_ref() {
        Value::Message(inner) => inner,
        _ => return,
    };
    if !from.has_field(field) && !to.has_field(field) {
        return;
    }
    if !to.has_field(field) {
        empty = DynamicMessage::new(inner_from.descriptor());
        to.set_field(field, Value::Message(empty));
    }
    if let Value::Message(inner_to) = to.get_field_mut(field) {
        copy(inner_to, inner_from, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(paths: &[&str]) -> FieldMask {
        FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }
    }

    fn spec(name: &str, replicas: u32) -> v1::ServiceSpec {
        v1::ServiceSpec {
            name: name.to_owned(),
            labels: [("team".to_owned(), name.to_owned())].into(),
            mode: Some(v1::service_spec::Mode::Replicated(v1::Replicated {
                replicas: Some(replicas),
            })),
            ..v1::ServiceSpec::default()
        }
    }

    fn merged(mask: &[&str]) -> Result<v1::ServiceSpec, String> {
        let mut fields = Fields::new();
        let (a, b) = (spec("a", 1), spec("b", 2));
        let merged = merge(&mut fields, "skep.v1.ServiceSpec", &a, &b, &paths(mask));
        fields
            .finish_with(merged)
            .map_err(|violations| violations[0].description.clone())
    }

    #[test]
    fn only_named_fields_are_taken_over() {
        assert_eq!(merged(&["replicated.replicas"]), Ok(spec("a", 2)));
        assert_eq!(merged(&["replicated"]), Ok(spec("a", 2)));
        let labels = v1::ServiceSpec {
            labels: spec("b", 2).labels,
            ..spec("a", 1)
        };
        assert_eq!(merged(&["labels"]), Ok(labels));
        assert_eq!(merged(&[]), Ok(spec("a", 1)));
    }

    #[test]
    fn differences_are_named_by_their_paths() {
        let (mut a, mut b) = (spec("a", 1), spec("a", 2));
        a.template = Some(v1::TaskTemplate::default());
        b.template = Some(v1::TaskTemplate {
            restart: Some(v1::RestartPolicy::default()),
            restart_token: "again".to_owned(),
            ..v1::TaskTemplate::default()
        });
        b.labels.clear();
        assert_eq!(
            differences(&a, &b),
            [
                "labels",
                "replicated.replicas",
                "template.restart",
                "template.restart_token"
            ]
        );
        assert_eq!(differences(&a, &a), [""; 0]);
    }

    #[test]
    fn a_field_that_is_unset_is_cleared() {
        assert_eq!(merged(&["template.restart"]), Ok(spec("a", 1)));
        let mode = v1::ServiceSpec {
            mode: Some(v1::service_spec::Mode::EveryNode(v1::EveryNode {})),
            ..spec("b", 2)
        };
        let mut fields = Fields::new();
        let both = paths(&["replicated", "every_node"]);
        let merged = merge(
            &mut fields,
            "skep.v1.ServiceSpec",
            &spec("a", 1),
            &mode,
            &both,
        );
        assert_eq!(merged.map(|spec| spec.mode), Some(mode.mode));
    }

    #[test]
    fn paths_that_lead_nowhere_are_refused() {
        for (path, part) in [
            ("nonsense", "no field \"nonsense\""),
            ("labels.team", "ends at a list, a map"),
            ("endpoint.ports.target", "ends at a list, a map"),
            ("", "no field \"\""),
            ("template.restart.delay.seconds", "ends at a list, a map"),
        ] {
            let why = merged(&[path]).expect_err(path);
            assert!(why.contains(part), "{path}: {why}");
        }
    }
}
