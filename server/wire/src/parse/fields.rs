// SPDX-License-Identifier: Apache-2.0
//! Gathering everything that is wrong with a request, each field by its path.

use std::fmt::Display;

/// A field that breaks its rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Its path in the request: `spec.endpoint.ports[0].target`.
    pub field: String,
    /// What is wrong and what would be right.
    pub description: String,
}

/// Most violations that are reported at once.
pub const VIOLATIONS_MAX: usize = 100;

/// Where in a request the parser is, and what it found wrong so far.
#[derive(Default, Debug)]
pub struct Fields {
    path: String,
    violations: Vec<Violation>,
}

impl Fields {
    /// At the top of a request.
    #[must_use]
    pub fn new() -> Fields {
        Fields::default()
    }

    /// What is wrong, if anything is.
    ///
    /// # Errors
    /// All violations found, up to [`VIOLATIONS_MAX`].
    pub fn finish(self) -> Result<(), Vec<Violation>> {
        if self.violations.is_empty() {
            Ok(())
        } else {
            Err(self.violations)
        }
    }

    /// `value` if nothing is wrong.
    ///
    /// # Errors
    /// All violations found, up to [`VIOLATIONS_MAX`].
    pub fn finish_with<T>(self, value: Option<T>) -> Result<T, Vec<Violation>> {
        match value {
            Some(value) if self.violations.is_empty() => Ok(value),
            _ => Err(self.violations),
        }
    }

    /// Says that the field `name`, below the present place, is wrong.
    pub fn wrong(&mut self, name: &str, description: impl Display) {
        if self.violations.len() < VIOLATIONS_MAX {
            let field = joined(&self.path, name);
            self.violations.push(Violation {
                field,
                description: description.to_string(),
            });
        }
    }

    /// Parses the field `name`, below the present place.
    pub fn at<T>(&mut self, name: &str, parse: impl FnOnce(&mut Fields) -> T) -> T {
        let length = self.path.len();
        self.path = joined(&self.path, name);
        let value = parse(self);
        self.path.truncate(length);
        value
    }

    /// Parses the entry `index` of the list `name`.
    pub fn item<T>(&mut self, name: &str, index: usize, parse: impl FnOnce(&mut Fields) -> T) -> T {
        self.at(&format!("{name}[{index}]"), parse)
    }

    // === rules that many fields share ===

    /// Refuses a text of fewer or more characters than allowed.
    pub fn length(&mut self, name: &str, text: &str, least: usize, most: usize) {
        let count = text.chars().count();
        if count < least && count == 0 {
            self.wrong(name, format!("is required: {least} to {most} characters"));
        } else if count < least || count > most {
            let range = if least == 0 {
                format!("at most {most}")
            } else {
                format!("{least} to {most}")
            };
            self.wrong(name, format!("has {count} characters, allowed are {range}"));
        }
    }

    /// Refuses a list of more entries than allowed.
    pub fn count(&mut self, name: &str, count: usize, most: usize) {
        if count > most {
            self.wrong(
                name,
                format!("has {count} entries, allowed are at most {most}"),
            );
        }
    }

    /// Refuses a number outside a range.
    pub fn range(&mut self, name: &str, value: u64, least: u64, most: u64) {
        if !(least..=most).contains(&value) {
            self.wrong(name, format!("is {value}, allowed are {least} to {most}"));
        }
    }

    /// Refuses a message that must be set and is not.
    pub fn required<T>(&mut self, name: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.wrong(name, "is required");
        }
        value
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_follow_the_nesting() {
        let mut fields = Fields::new();
        fields.at("spec", |fields| {
            fields.item("ports", 2, |fields| fields.wrong("target", "is required"));
            fields.wrong("name", "is odd");
        });
        let violations = fields.finish().expect_err("two are wrong");
        let paths: Vec<_> = violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(paths, ["spec.ports[2].target", "spec.name"]);
    }

    #[test]
    fn not_more_than_the_limit_are_kept() {
        let mut fields = Fields::new();
        for _ in 0..VIOLATIONS_MAX + 5 {
            fields.wrong("name", "is odd");
        }
        assert_eq!(fields.finish().map_err(|v| v.len()), Err(VIOLATIONS_MAX));
    }
}
