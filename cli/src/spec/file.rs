// SPDX-License-Identifier: Apache-2.0
//! A spec from a YAML file: the proto JSON of the message, with words for what is wrong and the
//! line it is on.

use prost_reflect::{DeserializeOptions, DynamicMessage, Kind, MessageDescriptor};
use serde_yaml_ng::Value;
use skep_sdk::v1::ServiceSpec;

use super::probe::line_of;
use crate::refusals::NO_NUMBER;
use crate::suggest;

/// Reads the spec of a service. Gives one line for each thing that is wrong.
pub(crate) fn service_spec(text: &str) -> Result<ServiceSpec, Vec<String>> {
    let descriptor = skep_sdk::reflect::describe::<ServiceSpec>();
    let value: Value = serde_yaml_ng::from_str(text).map_err(|error| vec![error_line(&error)])?;
    if !value.is_mapping() {
        return Err(vec![
            "expected the fields of a service, such as \"name: web\"".to_owned(),
        ]);
    }
    let mut unknown = Vec::new();
    find_unknown(&value, &descriptor, "", &mut unknown);
    if !unknown.is_empty() {
        return Err(unknown
            .iter()
            .map(|(path, words)| with_line(text, path, words))
            .collect());
    }
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let deserializer = serde_yaml_ng::Deserializer::from_str(text);
    let message = DynamicMessage::deserialize_with_options(descriptor, deserializer, &options);
    let message = message.map_err(|error| vec![error_line(&error)])?;
    message
        .transcode_to()
        .map_err(|error| vec![error.to_string()])
}

/// `line 7: words`, if the field of the path stands in the file.
pub(crate) fn with_line(text: &str, path: &str, words: &str) -> String {
    match line_of(text, path) {
        Some(line) => format!("line {line}: {words}"),
        None => words.to_owned(),
    }
}

/// An error of the reader, in our way of saying where.
fn error_line(error: &serde_yaml_ng::Error) -> String {
    let text = error.to_string();
    let Some(location) = error.location() else {
        return text;
    };
    let words = text.split(" at line ").next().unwrap_or(&text);
    let words = words.replace(NO_NUMBER, "expected a whole number");
    format!("line {}: {words}", location.line())
}

/// Every key that is no field, with its path and what to say about it.
fn find_unknown(
    value: &Value,
    message: &MessageDescriptor,
    prefix: &str,
    found: &mut Vec<(String, String)>,
) {
    let Value::Mapping(entries) = value else {
        return;
    };
    if message.package_name() == "google.protobuf" {
        return;
    }
    for (key, value) in entries {
        let Some(key) = key.as_str() else { continue };
        let path = format!("{prefix}{key}");
        let field = message
            .get_field_by_json_name(key)
            .or_else(|| message.get_field_by_name(key));
        let Some(field) = field else {
            let words = unknown_field(&path, key, message);
            found.push((path, words));
            continue;
        };
        let Kind::Message(inner) = field.kind() else {
            continue;
        };
        match value {
            Value::Mapping(values) if field.is_map() => {
                let Kind::Message(inner) = inner.map_entry_value_field().kind() else {
                    continue;
                };
                for (key, value) in values {
                    let key = key.as_str().unwrap_or_default();
                    find_unknown(value, &inner, &format!("{path}.{key}."), found);
                }
            }
            Value::Sequence(values) => {
                for (place, value) in values.iter().enumerate() {
                    find_unknown(value, &inner, &format!("{path}[{place}]."), found);
                }
            }
            value => find_unknown(value, &inner, &format!("{path}."), found),
        }
    }
}

fn unknown_field(path: &str, key: &str, message: &MessageDescriptor) -> String {
    let known: Vec<String> = message
        .fields()
        .map(|field| field.json_name().to_owned())
        .collect();
    let near = suggest::near(key, known.iter().map(String::as_str));
    if near.is_empty() {
        return format!("there is no field {path}; there is: {}", known.join(", "));
    }
    format!("there is no field {path}{}", suggest::question(&near))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json::Json;
    use crate::sample;

    const WEB: &str = "\
# A comment.
name: web
labels: {team: shop}
replicated: {replicas: 3}
template:
  process:
    command: [/bin/shop]
    env:
      WORKERS: \"2\"
  restart: {maxAttempts: 5, delay: 2s}
endpoint:
  ports:
    - {target: 80, published: 8080}
    - target: 53
      protocol: PROTOCOL_UDP
";

    #[test]
    fn a_spec_is_its_proto_json() {
        let spec = service_spec(WEB).unwrap();
        assert_eq!(spec.name, "web");
        assert_eq!(spec.template.unwrap().restart.unwrap().max_attempts, 5);
        assert_eq!(spec.endpoint.unwrap().ports.len(), 2);
        // A text need not be in quotes, even if it looks like a number.
        assert_eq!(service_spec(&WEB.replace("\"2\"", "2")), service_spec(WEB));

        let whole = sample::service().spec.unwrap();
        let yaml = serde_yaml_ng::to_string(&Json::of(&whole)).unwrap();
        assert_eq!(service_spec(&yaml).unwrap(), whole);
    }

    #[test]
    fn all_unknown_fields_are_named_with_their_lines() {
        let text = WEB
            .replace("maxAttempts", "maxAttemps")
            .replace("published", "publish")
            .replace("command:", "image:");
        assert_eq!(
            service_spec(&text).unwrap_err(),
            [
                "line 7: there is no field template.process.image; \
                 there is: command, args, env, dir, user, groups, ulimits",
                "line 10: there is no field template.restart.maxAttemps; \
                 did you mean maxAttempts?",
                "line 13: there is no field endpoint.ports[0].publish; did you mean published?",
            ]
        );
    }

    #[test]
    fn values_that_do_not_fit_are_named_with_their_line() {
        for (from, to, expected) in [
            ("target: 53", "target: many", "line 14: "),
            ("PROTOCOL_UDP", "UDP", "line 15: "),
            ("delay: 2s", "delay: 2", "line 10: "),
            ("name: web", "name: web\nname: web", "line "),
            ("labels: {", "labels: {{", "line 4: "),
        ] {
            let text = WEB.replace(from, to);
            assert_ne!(text, WEB, "{from}");
            let errors = service_spec(&text).unwrap_err();
            assert!(
                errors.len() == 1 && errors[0].starts_with(expected),
                "{to}: {errors:?}"
            );
        }
        assert!(service_spec("- a").unwrap_err()[0].starts_with("expected the fields"));
        assert!(service_spec("").unwrap_err()[0].starts_with("expected the fields"));
    }
}
