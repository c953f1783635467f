// SPDX-License-Identifier: Apache-2.0
//! What requests are taken for, and what is said of bad ones.

use skep_core::testing::{every_node, replicated};
use skep_proto::v1;

use super::*;
use crate::render;

fn complaints(message: v1::ServiceSpec) -> Vec<String> {
    let mut fields = Fields::new();
    let spec = fields.at("spec", |fields| spec::service(fields, message));
    let violations = fields.finish_with(spec).err().unwrap_or_default();
    violations
        .iter()
        .map(|v| format!("{}: {}", v.field, v.description))
        .collect()
}

fn process(message: v1::Process) -> v1::TaskTemplate {
    v1::TaskTemplate {
        workload: Some(v1::task_template::Workload::Process(message)),
        ..v1::TaskTemplate::default()
    }
}

#[test]
fn a_spec_reads_back_as_it_was_written() {
    for spec in [replicated("web", 3), every_node("agent")] {
        let mut fields = Fields::new();
        let parsed = spec::service(&mut fields, render::service_spec(&spec));
        assert_eq!(fields.finish_with(parsed), Ok(spec));
    }
}

#[test]
fn all_bad_fields_are_named_at_once() {
    let port = |target, published| v1::Port {
        target,
        published,
        ..v1::Port::default()
    };
    let message = v1::ServiceSpec {
        name: "-web".to_owned(),
        template: Some(process(v1::Process {
            command: vec!["sleep".to_owned()],
            ..v1::Process::default()
        })),
        endpoint: Some(v1::EndpointSpec {
            ports: vec![port(70_000, 80), port(1, 80)],
        }),
        ..v1::ServiceSpec::default()
    };
    let found = complaints(message);
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(found[0].starts_with("spec.name: is \"-web\""));
    assert_eq!(
        found[1],
        "spec.template.process.command[0]: is \"sleep\", not an absolute path"
    );
    assert_eq!(
        found[2],
        "spec.endpoint.ports[0].target: is 70000, allowed are 0 to 65535"
    );
    assert!(found[3].starts_with("spec.endpoint.ports[1].published: is 80/tcp"));
}

#[test]
fn an_empty_spec_misses_name_and_template() {
    let found = complaints(v1::ServiceSpec::default());
    assert_eq!(
        found,
        [
            "spec.name: is required: 1 to 63 characters",
            "spec.template: is required"
        ]
    );
}

#[test]
fn an_unknown_key_of_a_requirement_is_refused() {
    let mut message = render::service_spec(&replicated("web", 1));
    if let Some(template) = &mut message.template {
        template.placement = Some(v1::Placement {
            requirements: vec![v1::Requirement {
                key: "engine.labels.disk".to_owned(),
                operator: 0,
                values: vec!["ssd".to_owned()],
            }],
            ..v1::Placement::default()
        });
    }
    let found = complaints(message);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("spec.template.placement.requirements[0].key: is"),
        "{found:?}"
    );
}

#[test]
fn an_unknown_placeholder_in_the_environment_is_refused() {
    let env = |value: &str| {
        let mut message = render::service_spec(&replicated("web", 1));
        message.template = Some(process(v1::Process {
            command: vec!["/bin/true".to_owned()],
            env: [("WHO".to_owned(), value.to_owned())].into(),
            ..v1::Process::default()
        }));
        complaints(message)
    };
    for good in [
        "",
        "plain {text}",
        "{{.Task.Name}} of {{ .Node.Labels.rack }}",
    ] {
        assert_eq!(env(good), [""; 0], "{good}");
    }
    for bad in ["{{.Node.Rack}}", "{{.Task.Name", "{{.Service.Labels.}}"] {
        let found = env(bad);
        let start = format!("spec.template.process.env[\"WHO\"]: \"{bad}\" is not a placeholder");
        assert_eq!(found.len(), 1, "{bad}: {found:?}");
        assert!(found[0].starts_with(&start), "{found:?}");
    }
}

#[test]
fn connections_have_an_hour_to_end_at_most() {
    let drain = |seconds, nanos| {
        let mut message = render::service_spec(&replicated("web", 1));
        if let Some(template) = &mut message.template {
            template.stop = Some(v1::StopPolicy {
                drain: Some(prost_types::Duration { seconds, nanos }),
                ..v1::StopPolicy::default()
            });
        }
        complaints(message)
    };
    for (seconds, nanos) in [(0, 0), (0, 1), (3_600, 0)] {
        assert_eq!(drain(seconds, nanos), [""; 0]);
    }
    for (seconds, nanos) in [(-1, 0), (3_600, 1)] {
        let found = drain(seconds, nanos);
        assert_eq!(found.len(), 1, "{found:?}");
        let named = found[0].starts_with("spec.template.stop.drain: ");
        assert!(named && found[0].contains("3600"), "{found:?}");
    }
}

#[test]
fn a_process_has_one_port_of_the_node_for_a_target() {
    let udp = v1::port::Protocol::Udp.into();
    let on_host = |target, published, protocol| v1::Port {
        target,
        published,
        protocol,
        mode: v1::port::Mode::Host.into(),
        ..v1::Port::default()
    };
    let ports = vec![
        on_host(80, 8080, 0),
        on_host(80, 0, 0),
        on_host(80, 8081, udp),
        on_host(81, 8082, 0),
        on_host(80, 8083, 0),
    ];
    let of = |template| v1::ServiceSpec {
        name: "web".to_owned(),
        template: Some(template),
        endpoint: Some(v1::EndpointSpec {
            ports: ports.clone(),
        }),
        ..v1::ServiceSpec::default()
    };
    let program = process(v1::Process {
        command: vec!["/bin/web".to_owned()],
        ..v1::Process::default()
    });
    assert_eq!(
        complaints(of(program)),
        [
            "spec.endpoint.ports[4].published: is another port of the node for 80/tcp than 8080; a \
             process listens for it on one: publish it once, or with mode INGRESS"
        ]
    );
    // The engine leads any number of ports to one of a container.
    let container = v1::Container {
        image: "web:1".to_owned(),
        ..v1::Container::default()
    };
    let container = v1::TaskTemplate {
        workload: Some(v1::task_template::Workload::Container(container)),
        ..v1::TaskTemplate::default()
    };
    assert_eq!(complaints(of(container)), Vec::<String>::new());
}
