// SPDX-License-Identifier: Apache-2.0
//! Templates of named fields: `{{.ID}}\t{{.Name}}`, `{{.spec.labels.zone}}`, `{{json .spec}}`.
//!
//! A field that begins with a capital is a column of the table, as Docker names it. One that
//! does not is a path in the proto JSON of the object. There is nothing else in the language.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Value;

use super::json::Json;

/// A template that was understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    /// A path, empty for the whole; as JSON or as text.
    Field {
        path: Vec<String>,
        json: bool,
    },
}

/// What a template is filled in from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// Columns with their values.
    pub(crate) columns: &'a [(&'static str, String)],
    /// The object.
    pub(crate) object: &'a Json,
}

impl Template {
    /// Reads a template. `\t`, `\n` and `\\` stand for what they do elsewhere.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (inside, after) = after
                .split_once("}}")
                .ok_or_else(|| "{{ in the template is not closed by }}".to_owned())?;
            pieces.push(Piece::Text(unescape(before)));
            pieces.push(parse_field(inside)?);
            rest = after;
        }
        if rest.contains("}}") {
            return Err("}} in the template has no {{ before it".to_owned());
        }
        pieces.push(Piece::Text(unescape(rest)));
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        Ok(Self(pieces))
    }

    /// Fills it in.
    pub(crate) fn render(&self, scope: Scope<'_>) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Field { path, json } => text.push_str(&scope.look_up(path, *json)?),
            }
        }
        Ok(text)
    }

    /// Fills it in from several objects: the first step of a path names one.
    pub(crate) fn render_parts(&self, parts: &[(&'static str, Json)]) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.0 {
            let (path, json) = match piece {
                Piece::Text(piece) => {
                    text.push_str(piece);
                    continue;
                }
                Piece::Field { path, json } => (path, *json),
            };
            let part = path
                .first()
                .and_then(|name| parts.iter().find(|part| part.0 == name));
            let Some((_, object)) = part else {
                let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
                return Err(no_such(&path.join("."), &names));
            };
            text.push_str(
                &Scope {
                    columns: &[],
                    object,
                }
                .look_up(&path[1..], json)?,
            );
        }
        Ok(text)
    }

    /// The line above a table of this template: the heading of each field in its place.
    pub(crate) fn headings(&self, heading: impl Fn(&str) -> Option<&'static str>) -> String {
        let part = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Field { path, .. } => {
                let name = path.last().map_or("", String::as_str);
                heading(name).map_or_else(|| name.to_uppercase(), ToOwned::to_owned)
            }
        };
        self.0.iter().map(part).collect()
    }
}

fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (c, c == '\\') {
            (_, true) => match rest.next() {
                Some('t') => plain.push('\t'),
                Some('n') => plain.push('\n'),
                Some('\\') => plain.push('\\'),
                other => {
                    plain.push('\\');
                    plain.extend(other);
                }
            },
            (c, false) => plain.push(c),
        }
    }
    plain
}

fn parse_field(inside: &str) -> Result<Piece, String> {
    let words: Vec<&str> = inside.split_whitespace().collect();
    let (field, json) = match words.as_slice() {
        [field] => (*field, false),
        ["json", field] => (*field, true),
        _ => return Err(not_understood(inside)),
    };
    let path = field
        .strip_prefix('.')
        .ok_or_else(|| not_understood(inside))?;
    if path.split('.').any(str::is_empty) && !path.is_empty() {
        return Err(not_understood(inside));
    }
    let path = path
        .split('.')
        .filter(|step| !step.is_empty())
        .map(ToOwned::to_owned)
        .collect();
    Ok(Piece::Field { path, json })
}

fn not_understood(inside: &str) -> String {
    format!(
        "{{{{{inside}}}}} is not understood; a template has {{{{.Field}}}} and {{{{json .Field}}}}"
    )
}

impl Scope<'_> {
    fn look_up(&self, path: &[String], json: bool) -> Result<String, String> {
        let Some(first) = path.first() else {
            return Ok(to_json(self.object));
        };
        if first.starts_with(|c: char| c.is_ascii_uppercase()) {
            let column = self.columns.iter().find(|(name, _)| name == first);
            return match column {
                Some((_, value)) if path.len() == 1 && json => Ok(to_json(value)),
                Some((_, value)) if path.len() == 1 => Ok(value.clone()),
                _ => Err(self.no_column(path)),
            };
        }
        let found = walk(self.object, path)?;
        Ok(if json { to_json(&found) } else { plain(&found) })
    }

    fn no_column(&self, path: &[String]) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        if names.is_empty() {
            return format!(
                "there is no field .{}; fields are those of the JSON",
                path.join(".")
            );
        }
        no_such(&path.join("."), &names)
    }
}

fn no_such(path: &str, names: &[&str]) -> String {
    format!("there is no field .{path}; there is: .{}", names.join(" ."))
}

fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("proto JSON has only texts as keys")
}

/// A value as text: texts without quotes, nothing for what is not set, the rest as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Follows a path in an object. A field that is not set gives what it then means; one that is
/// not in the contract is an error.
fn walk(object: &Json, path: &[String]) -> Result<Value, String> {
    let mut value = Some(object.value());
    let mut message = Some(object.descriptor().clone());
    let mut default = Value::Null;
    for (depth, step) in path.iter().enumerate() {
        let kind = message
            .take()
            .filter(|kind| kind.package_name() != "google.protobuf");
        let Some(kind) = kind else {
            return Err(no_field(path, depth, None));
        };
        if kind.is_map_entry() {
            value = value.and_then(|value| value.get(step));
            let inner = kind.map_entry_value_field();
            default = default_of(&inner);
            message = inner.kind().as_message().cloned();
            continue;
        }
        let field = kind
            .fields()
            .find(|field| field.json_name() == step || field.name() == step);
        let field = field.ok_or_else(|| no_field(path, depth, Some(&kind)))?;
        value = value.and_then(|value| value.get(field.json_name()));
        default = default_of(&field);
        // Lists have no names to go on with.
        message = field
            .kind()
            .as_message()
            .filter(|_| !field.is_list())
            .cloned();
    }
    Ok(value.cloned().unwrap_or(default))
}

fn no_field(path: &[String], depth: usize, message: Option<&MessageDescriptor>) -> String {
    let wrong = path[..=depth].join(".");
    match message {
        Some(message) => {
            let known: Vec<String> = message.fields().map(|f| f.json_name().to_owned()).collect();
            format!("there is no field .{wrong}; there is: {}", known.join(", "))
        }
        None => format!("there is nothing below .{}", path[..depth].join(".")),
    }
}

/// What a field means when it is not set.
fn default_of(field: &FieldDescriptor) -> Value {
    if field.is_list() || field.is_map() || field.supports_presence() {
        return Value::Null;
    }
    match field.kind() {
        Kind::Bool => Value::Bool(false),
        Kind::String | Kind::Bytes => Value::String(String::new()),
        Kind::Enum(kind) => Value::String(kind.default_value().name().to_owned()),
        Kind::Message(_) => Value::Null,
        _ => Value::from(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn render(template: &str) -> Result<String, String> {
        let object = Json::of(&sample::service());
        let columns = [("ID", "svc_1".to_owned()), ("Name", "we\"b".to_owned())];
        Template::parse(template)?.render(Scope {
            columns: &columns,
            object: &object,
        })
    }

    #[test]
    fn fields_are_filled_in() {
        for (template, text) in [
            ("{{.ID}}: {{ .Name }}\\t|\\n\\\\", "svc_1: we\"b\t|\n\\"),
            ("{{json .Name}}", "\"we\\\"b\""),
            ("{{.spec.name}}", "web"),
            ("{{.spec.labels.team}}", "shop"),
            ("{{.spec.labels.none}}|", "|"),
            ("{{.spec.replicated.replicas}}", "3"),
            (
                "{{.spec.template.restart.condition}}",
                "CONDITION_ON_FAILURE",
            ),
            ("{{.spec.template.restart.max_attempts}}", "5"),
            ("{{.spec.template.process.ulimits.nofile.hard}}", "4096"),
            ("{{.status.failedTasks}}", "0"),
            (
                "{{.spec.template.process.command}}",
                "[\"/usr/local/bin/shop\"]",
            ),
            (
                "{{json .spec.template.stop}}",
                "{\"drain\":\"3s\",\"grace\":\"20s\",\"signal\":\"SIGQUIT\"}",
            ),
            ("{{.meta.deleteTime}}|{{.spec.everyNode}}|", "||"),
            ("no field", "no field"),
        ] {
            assert_eq!(render(template).unwrap(), text, "{template}");
        }
        assert!(
            render("{{json .}}")
                .unwrap()
                .starts_with("{\"meta\":{\"id\":\"svc_")
        );
    }

    #[test]
    fn what_is_no_field_is_refused_with_those_there_are() {
        for (template, message) in [
            ("{{.Id}}", "there is no field .Id; there is: .ID .Name"),
            (
                "{{.spec.nam}}",
                "there is no field .spec.nam; there is: \
                 name, labels, replicated, everyNode, template, update, rollback, endpoint",
            ),
            ("{{.spec.name.first}}", "there is nothing below .spec.name"),
            (
                "{{.meta.createTime.day}}",
                "there is nothing below .meta.createTime",
            ),
            ("{{range .x}}", "{{range .x}} is not understood"),
            ("{{ID}}", "{{ID}} is not understood"),
            ("{{.a..b}}", "{{.a..b}} is not understood"),
            ("{{.ID", "{{ in the template is not closed by }}"),
            ("x}}", "}} in the template has no {{ before it"),
        ] {
            let outcome = render(template);
            assert!(
                outcome.clone().unwrap_err().starts_with(message),
                "{template}: {outcome:?}"
            );
        }
    }

    #[test]
    fn headings_stand_where_the_fields_do() {
        let template = Template::parse("{{.ID}}\\t{{.spec.name}}").unwrap();
        let headings = template.headings(|name| (name == "ID").then_some("THE ID"));
        assert_eq!(headings, "THE ID\tNAME");
    }
}
