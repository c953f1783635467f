// SPDX-License-Identifier: Apache-2.0
//! Placeholders in the environment of a task: "{{.Node.Name}}".

use std::fmt;

/// What a placeholder stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placeholder<'a> {
    /// `{{.Service.ID}}`
    ServiceId,
    /// `{{.Service.Name}}`
    ServiceName,
    /// `{{.Service.Labels.KEY}}`
    ServiceLabel(&'a str),
    /// `{{.Node.ID}}`
    NodeId,
    /// `{{.Node.Name}}`
    NodeName,
    /// `{{.Node.Hostname}}`
    NodeHostname,
    /// `{{.Node.Platform.OS}}`
    NodeOs,
    /// `{{.Node.Platform.Architecture}}`
    NodeArchitecture,
    /// `{{.Node.Labels.KEY}}`
    NodeLabel(&'a str),
    /// `{{.Task.ID}}`
    TaskId,
    /// `{{.Task.Name}}`
    TaskName,
    /// `{{.Task.Slot}}`
    TaskSlot,
}

/// A text with "{{" that is not a placeholder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadPlaceholder {
    /// From "{{" on.
    pub text: String,
}

impl fmt::Display for BadPlaceholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\" is not a placeholder; there are {{{{.Service.ID}}}}, {{{{.Service.Name}}}}, \
             {{{{.Service.Labels.KEY}}}}, {{{{.Node.ID}}}}, {{{{.Node.Name}}}}, \
             {{{{.Node.Hostname}}}}, {{{{.Node.Platform.OS}}}}, \
             {{{{.Node.Platform.Architecture}}}}, {{{{.Node.Labels.KEY}}}}, {{{{.Task.ID}}}}, \
             {{{{.Task.Name}}}} and {{{{.Task.Slot}}}}",
            self.text
        )
    }
}

impl std::error::Error for BadPlaceholder {}

impl<'a> Placeholder<'a> {
    /// Takes what stands between the braces.
    fn of(text: &'a str) -> Option<Placeholder<'a>> {
        let label = |prefix| {
            let key: Option<&str> = text.strip_prefix(prefix);
            key.filter(|key| !key.is_empty())
        };
        Some(match text {
            ".Service.ID" => Placeholder::ServiceId,
            ".Service.Name" => Placeholder::ServiceName,
            ".Node.ID" => Placeholder::NodeId,
            ".Node.Name" => Placeholder::NodeName,
            ".Node.Hostname" => Placeholder::NodeHostname,
            ".Node.Platform.OS" => Placeholder::NodeOs,
            ".Node.Platform.Architecture" => Placeholder::NodeArchitecture,
            ".Task.ID" => Placeholder::TaskId,
            ".Task.Name" => Placeholder::TaskName,
            ".Task.Slot" => Placeholder::TaskSlot,
            _ => match label(".Service.Labels.") {
                Some(key) => Placeholder::ServiceLabel(key),
                None => Placeholder::NodeLabel(label(".Node.Labels.")?),
            },
        })
    }
}

/// The placeholders of a text, in order.
///
/// # Errors
/// At the first "{{" that does not begin a placeholder there is.
pub fn parse(text: &str) -> Result<Vec<Placeholder<'_>>, BadPlaceholder> {
    let mut found = Vec::new();
    walk(text, |_| {}, |placeholder| found.push(placeholder))?;
    Ok(found)
}

/// The text with every placeholder replaced by what it stands for.
///
/// # Errors
/// As [`parse`].
pub fn expand(
    text: &str,
    value: impl Fn(Placeholder<'_>) -> String,
) -> Result<String, BadPlaceholder> {
    let out = std::cell::RefCell::new(String::with_capacity(text.len()));
    walk(
        text,
        |literal| out.borrow_mut().push_str(literal),
        |placeholder| out.borrow_mut().push_str(&value(placeholder)),
    )?;
    Ok(out.into_inner())
}

fn walk<'a>(
    text: &'a str,
    literal: impl Fn(&'a str),
    mut placeholder: impl FnMut(Placeholder<'a>),
) -> Result<(), BadPlaceholder> {
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        literal(&rest[..start]);
        let begin = &rest[start..];
        let end = begin.find("}}").map(|end| end + 2);
        let whole = &begin[..end.unwrap_or(begin.len())];
        let inner = end.and_then(|end| Placeholder::of(begin[2..end - 2].trim()));
        placeholder(inner.ok_or_else(|| BadPlaceholder {
            text: whole.to_owned(),
        })?);
        rest = &begin[whole.len()..];
    }
    literal(rest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, BadPlaceholder> {
        expand(text, |placeholder| format!("<{placeholder:?}>"))
    }

    #[test]
    fn placeholders_are_replaced_and_the_rest_stays() {
        for (text, want) in [
            ("", ""),
            ("plain } text {", "plain } text {"),
            ("{{.Node.Name}}", "<NodeName>"),
            ("a {{ .Task.Slot }}b", "a <TaskSlot>b"),
            (
                "{{.Service.Labels.a.b}}{{.Node.Labels.zone}}",
                "<ServiceLabel(\"a.b\")><NodeLabel(\"zone\")>",
            ),
        ] {
            assert_eq!(shown(text).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn other_texts_in_braces_are_refused() {
        for (text, bad) in [
            ("x {{.Node.Nam}} y", "{{.Node.Nam}}"),
            ("{{.Node.Labels.}}", "{{.Node.Labels.}}"),
            ("{{.Task.ID", "{{.Task.ID"),
            ("{{}}", "{{}}"),
        ] {
            assert_eq!(
                parse(text),
                Err(BadPlaceholder {
                    text: bad.to_owned()
                })
            );
        }
        let message = shown("{{.X}}").expect_err("it is none").to_string();
        assert!(message.starts_with("\"{{.X}}\" is not a placeholder; there are {{.Service.ID}},"));
    }
}
