// SPDX-License-Identifier: Apache-2.0
//! What differs between two messages: the paths of an update_mask, and the fields that they name.

use prost::{Message, Name};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};
use skep_proto::reflect::dynamic;

/// The paths of all fields that differ, outermost first, and a message that holds these fields of
/// `after` and no others. A field is entered if it is a single message that both sides have;
/// lists, maps, and well-known types are taken whole.
pub(crate) fn diff<M: Message + Name + Default>(before: &M, after: &M) -> (Vec<String>, M) {
    let mut paths = Vec::new();
    let changed = collect(&dynamic(before), &dynamic(after), "", &mut paths);
    let changed = changed.transcode_to();
    (
        paths,
        changed.expect("fields of a message are a message of its type"),
    )
}

fn collect(
    before: &DynamicMessage,
    after: &DynamicMessage,
    prefix: &str,
    paths: &mut Vec<String>,
) -> DynamicMessage {
    let mut changed = DynamicMessage::new(after.descriptor());
    for field in before.descriptor().fields() {
        let path = format!("{prefix}{}", field.name());
        let (had, has) = (before.has_field(&field), after.has_field(&field));
        let (old, new) = (before.get_field(&field), after.get_field(&field));
        if !(had || has) || (had == has && old == new) {
            continue;
        }
        match (old.as_ref(), new.as_ref()) {
            (Value::Message(old), Value::Message(new)) if had && has && is_entered(&field) => {
                let inner = collect(old, new, &format!("{path}."), paths);
                changed.set_field(&field, Value::Message(inner));
            }
            _ => {
                paths.push(path);
                if has {
                    changed.set_field(&field, new.into_owned());
                }
            }
        }
    }
    changed
}

fn is_entered(field: &FieldDescriptor) -> bool {
    match field.kind() {
        Kind::Message(message) => {
            !field.is_list() && !field.is_map() && message.package_name() != "google.protobuf"
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::service_spec::Mode;
    use crate::v1::task_template::Workload;
    use crate::v1::{
        EndpointSpec, EveryNode, Port, Process, Replicated, RestartPolicy, ServiceSpec,
        TaskTemplate,
    };

    fn spec() -> ServiceSpec {
        ServiceSpec {
            name: "web".into(),
            mode: Some(Mode::Replicated(Replicated { replicas: Some(2) })),
            template: Some(TaskTemplate {
                workload: Some(Workload::Process(Process {
                    command: vec!["/bin/a".into()],
                    ..Process::default()
                })),
                restart: Some(RestartPolicy {
                    delay: Some(prost_types::Duration {
                        seconds: 1,
                        nanos: 0,
                    }),
                    ..RestartPolicy::default()
                }),
                ..TaskTemplate::default()
            }),
            ..ServiceSpec::default()
        }
    }

    fn paths(change: impl FnOnce(&mut ServiceSpec)) -> Vec<String> {
        let mut after = spec();
        change(&mut after);
        diff(&spec(), &after).0
    }

    #[test]
    fn equal_messages_have_no_paths() {
        assert_eq!(paths(|_| ()), Vec::<String>::new());
    }

    #[test]
    fn scalars_lists_and_maps_are_named_where_they_are() {
        let changed = paths(|spec| {
            spec.labels.insert("a".into(), "b".into());
            spec.mode = Some(Mode::Replicated(Replicated { replicas: Some(0) }));
            let template = spec.template.as_mut().unwrap();
            let Some(Workload::Process(process)) = template.workload.as_mut() else {
                panic!()
            };
            process.args.push("x".into());
            process.env.insert("K".into(), "V".into());
            template.restart_token = "1".into();
        });
        assert_eq!(
            changed,
            [
                "labels",
                "replicated.replicas",
                "template.process.args",
                "template.process.env",
                "template.restart_token",
            ]
        );
    }

    #[test]
    fn messages_that_come_and_go_are_taken_whole() {
        let changed = paths(|spec| {
            spec.endpoint = Some(EndpointSpec {
                ports: vec![Port::default()],
            });
            spec.template.as_mut().unwrap().restart = None;
        });
        assert_eq!(changed, ["template.restart", "endpoint"]);
        let changed = paths(|spec| spec.mode = Some(Mode::EveryNode(EveryNode {})));
        assert_eq!(changed, ["replicated", "every_node"]);
        let changed = paths(|spec| {
            let restart = spec.template.as_mut().unwrap().restart.as_mut().unwrap();
            restart.delay = Some(prost_types::Duration {
                seconds: 2,
                nanos: 0,
            });
        });
        assert_eq!(changed, ["template.restart.delay"]);
    }

    #[test]
    fn what_is_sent_holds_only_what_is_named() {
        let mut after = spec();
        after.labels.insert("a".into(), "b".into());
        after.mode = Some(Mode::Replicated(Replicated { replicas: Some(0) }));
        let template = after.template.as_mut().unwrap();
        template.restart = None;
        template.restart_token = "1".into();
        let (paths, sent) = diff(&spec(), &after);
        let named = [
            "labels",
            "replicated.replicas",
            "template.restart",
            "template.restart_token",
        ];
        assert_eq!(paths, named);
        let template = TaskTemplate {
            restart_token: "1".into(),
            ..TaskTemplate::default()
        };
        let wanted = ServiceSpec {
            labels: after.labels,
            mode: after.mode,
            template: Some(template),
            ..ServiceSpec::default()
        };
        assert_eq!(sent, wanted);
    }
}
