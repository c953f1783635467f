// SPDX-License-Identifier: Apache-2.0
//! `--format`: table, json, yaml, or a template.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use skep_sdk::Name;

use super::json::Json;
use super::template::{Scope, Template};
use crate::failure::Failure;

/// How something is shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// Proto JSON.
    Json,
    /// The same as YAML.
    Yaml,
    /// A line for each object.
    Template(Template),
    /// Lines in columns, under headings.
    TableOf(Template),
}

impl Format {
    /// Reads a format.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            "yaml" => Ok(Self::Yaml),
            text if text.starts_with("table ") => {
                Template::parse(text["table ".len()..].trim_start()).map(Self::TableOf)
            }
            text if text.contains("{{") => Template::parse(text).map(Self::Template),
            _ => Err("expected table, json, yaml or a template such as '{{.Name}}'".to_owned()),
        }
    }
}

/// A value as JSON for people to read, or as YAML.
pub(crate) fn write_value(value: &impl Serialize, format: &Format) -> Result<String, Failure> {
    let broken = |error: String| Failure::refused(format!("cannot write the result: {error}"));
    match format {
        Format::Yaml => serde_yaml_ng::to_string(value).map_err(|error| broken(error.to_string())),
        _ => serde_json::to_string_pretty(value)
            .map(|text| text + "\n")
            .map_err(|error| broken(error.to_string())),
    }
}

/// Objects as `inspect` shows them: one array, or a line of a template for each.
pub(crate) fn render_objects<M: Name>(objects: &[M], format: &Format) -> Result<String, Failure> {
    let objects: Vec<Json> = objects.iter().map(Json::of).collect();
    match format {
        Format::Json | Format::Yaml => write_value(&objects, format),
        Format::Template(template) => {
            let line = |object| {
                template.render(Scope {
                    columns: &[],
                    object,
                })
            };
            let lines: Result<Vec<String>, String> = objects.iter().map(line).collect();
            Ok(lines
                .map_err(Failure::usage)?
                .iter()
                .map(|line| format!("{line}\n"))
                .collect())
        }
        Format::Table | Format::TableOf(_) => Err(Failure::usage(
            "--format table is for lists; here: json, yaml or a template",
        )),
    }
}

/// Named parts as one object. In a template the first step of a path names the part.
pub(crate) fn render_parts(
    parts: &[(&'static str, Json)],
    format: &Format,
) -> Result<String, Failure> {
    match format {
        Format::Json | Format::Yaml => write_value(&Parts(parts), format),
        Format::Template(template) => {
            let text = template.render_parts(parts).map_err(Failure::usage)?;
            Ok(format!("{text}\n"))
        }
        Format::Table | Format::TableOf(_) => Err(Failure::usage(
            "--format table is for lists; here: json, yaml or a template",
        )),
    }
}

struct Parts<'a>(&'a [(&'static str, Json)]);

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, part) in self.0 {
            map.serialize_entry(name, part)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn formats_are_named_or_templates() {
        assert_eq!(Format::parse("table"), Ok(Format::Table));
        assert_eq!(Format::parse("json"), Ok(Format::Json));
        assert_eq!(Format::parse("yaml"), Ok(Format::Yaml));
        assert!(matches!(Format::parse("{{.ID}}"), Ok(Format::Template(_))));
        assert!(matches!(
            Format::parse("table {{.ID}}"),
            Ok(Format::TableOf(_))
        ));
        assert!(
            Format::parse("jsn")
                .unwrap_err()
                .starts_with("expected table, json, yaml")
        );
    }

    #[test]
    fn objects_are_one_array_or_a_line_each() {
        let objects = [sample::service(), sample::global_service()];
        let lines = Format::parse("{{.spec.name}}").unwrap();
        assert_eq!(render_objects(&objects, &lines).unwrap(), "web\nagent\n");
        let yaml = render_objects(&objects, &Format::Yaml).unwrap();
        assert!(yaml.starts_with("- meta:\n    id: svc_"), "{yaml}");
        assert_eq!(
            render_objects(&objects[..0], &Format::Json).unwrap(),
            "[]\n"
        );
        assert!(render_objects(&objects, &Format::Table).is_err());
    }

    #[test]
    fn parts_are_one_object() {
        let parts = [
            ("daemon", Json::of(&sample::daemon())),
            ("swarm", Json::of(&sample::swarm())),
        ];
        let template = Format::parse("{{.daemon.version}} {{.swarm.spec.name}}").unwrap();
        assert_eq!(render_parts(&parts, &template).unwrap(), "0.1.0 default\n");
        let json = render_parts(&parts, &Format::Json).unwrap();
        assert!(
            json.starts_with("{\n  \"daemon\": {\n    \"version\": \"0.1.0\""),
            "{json}"
        );
        let template = Format::parse("{{.node}}").unwrap();
        let Failure::Plain { message, .. } = render_parts(&parts, &template).unwrap_err() else {
            panic!()
        };
        assert_eq!(message, "there is no field .node; there is: .daemon .swarm");
    }
}
