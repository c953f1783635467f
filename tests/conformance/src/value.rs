// SPDX-License-Identifier: Apache-2.0
//! JSON of scenarios: variables filled in, paths followed, and what was expected compared with
//! what came.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail};
use regex::Regex;
use serde_json::{Map, Value};

/// What a scenario has saved, by name.
pub(crate) type Variables = BTreeMap<String, Value>;

/// Replaces "$name" by the value saved under it, and "${name}" within a text.
pub(crate) fn fill(value: &Value, variables: &Variables) -> Result<Value> {
    Ok(match value {
        Value::String(text) => fill_text(text, variables)?,
        Value::Array(items) => {
            let filled = items.iter().map(|item| fill(item, variables));
            Value::Array(filled.collect::<Result<_>>()?)
        }
        Value::Object(entries) => {
            let filled = entries.iter().map(|(key, value)| {
                let key = match fill_text(key, variables) {
                    Ok(Value::String(key)) if !key.is_empty() => key,
                    _ => key.clone(),
                };
                Ok((key, fill(value, variables)?))
            });
            Value::Object(filled.collect::<Result<_>>()?)
        }
        other => other.clone(),
    })
}

fn fill_text(text: &str, variables: &Variables) -> Result<Value> {
    let find = |name: &str| {
        let found = variables.get(name);
        found.ok_or_else(|| anyhow!("nothing was saved as ${name}"))
    };
    if let Some(name) = text.strip_prefix('$').filter(|name| is_name(name)) {
        return Ok(find(name)?.clone());
    }
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| anyhow!("{text:?} has no closing brace"))?;
        filled.push_str(before);
        match find(name)? {
            Value::String(text) => filled.push_str(text),
            other => filled.push_str(&other.to_string()),
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(Value::String(filled))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// What lies at a path such as "service.meta.id" or "tasks.0.name".
pub(crate) fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, part| match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        other => other.get(part),
    })
}

/// A number as proto JSON writes it: of 64 bits as text.
pub(crate) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// How what came differs from what was expected: an object may have more entries than expected,
/// a list may not. An object with one key that begins with "$" is a question, see the README.
pub(crate) fn differences(expected: &Value, actual: Option<&Value>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    compare(expected, actual, "", &mut found)?;
    Ok(found)
}

/// Whether it is as expected.
pub(crate) fn matches(expected: &Value, actual: Option<&Value>) -> Result<bool> {
    Ok(differences(expected, actual)?.is_empty())
}

fn compare(
    expected: &Value,
    actual: Option<&Value>,
    path: &str,
    found: &mut Vec<String>,
) -> Result<()> {
    let tell = |what: String| format!("{}: {what}", if path.is_empty() { "it" } else { path });
    match (expected, actual) {
        (Value::Object(entries), _) if question(entries).is_some() => {
            let (name, argument) = question(entries).unwrap_or_default();
            if !ask(name, argument, actual)? {
                found.push(tell(format!("{} does not meet {expected}", show(actual))));
            }
        }
        (Value::Object(entries), Some(Value::Object(actual))) => {
            for (key, expected) in entries {
                compare(expected, actual.get(key), &join(path, key), found)?;
            }
        }
        (Value::Array(items), Some(Value::Array(actual))) if items.len() == actual.len() => {
            for (place, (expected, actual)) in items.iter().zip(actual).enumerate() {
                compare(
                    expected,
                    Some(actual),
                    &join(path, &place.to_string()),
                    found,
                )?;
            }
        }
        (expected, Some(actual)) if expected == actual => {}
        (expected, actual) => {
            found.push(tell(format!("{} instead of {expected}", show(actual))));
        }
    }
    Ok(())
}

fn join(path: &str, part: &str) -> String {
    if path.is_empty() {
        part.to_owned()
    } else {
        format!("{path}.{part}")
    }
}

fn show(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Value::to_string)
}

fn question(entries: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (key, argument) = entries.iter().next()?;
    let name = key.strip_prefix('$').filter(|_| entries.len() == 1)?;
    Some((name, argument))
}

fn ask(name: &str, argument: &Value, actual: Option<&Value>) -> Result<bool> {
    let items = || actual.and_then(Value::as_array);
    Ok(match name {
        "absent" => actual.is_none_or(Value::is_null),
        "any" => actual.is_some(),
        "not" => !matches(argument, actual)?,
        "count" => matches(argument, items().map(|items| items.len().into()).as_ref())?,
        "has" => {
            let mut has = false;
            for item in items().into_iter().flatten() {
                has |= matches(argument, Some(item))?;
            }
            has
        }
        "each" => {
            let mut each = items().is_some();
            for item in items().into_iter().flatten() {
                each &= matches(argument, Some(item))?;
            }
            each
        }
        "between" => {
            let bound = |place: usize| argument.get(place).and_then(number);
            let bounds = bound(0).zip(bound(1));
            let (low, high) = bounds.ok_or_else(|| anyhow!("$between takes two numbers"))?;
            let actual = actual.and_then(number);
            actual.is_some_and(|actual| (low..=high).contains(&actual))
        }
        "like" => {
            let pattern = Regex::new(argument.as_str().unwrap_or_default())?;
            let text = actual.and_then(Value::as_str);
            text.is_some_and(|text| pattern.is_match(text))
        }
        other => bail!("there is no question ${other}"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn variables_are_filled_in() {
        let variables = Variables::from([("id".into(), json!("x")), ("n".into(), json!(3))]);
        let filled = fill(
            &json!({"a": "$id", "b": ["$n", "web-${n}", "$5.00"]}),
            &variables,
        );
        assert_eq!(
            filled.unwrap(),
            json!({"a": "x", "b": [3, "web-3", "$5.00"]})
        );
        assert!(fill(&json!("$other"), &variables).is_err());
    }

    #[test]
    fn objects_may_have_more_and_lists_may_not() {
        let actual = json!({"a": {"b": "7", "c": 1}, "list": [1, 2]});
        let same = |expected: Value| matches(&expected, Some(&actual)).unwrap();
        assert!(same(json!({"a": {"b": "7"}})));
        assert!(!same(json!({"a": {"b": 7}})));
        assert!(!same(json!({"list": [1]})));
        assert!(same(json!({"list": {"$has": 2}})) && !same(json!({"list": {"$has": 3}})));
        assert!(same(json!({"list": {"$count": 2}, "d": {"$absent": true}})));
        assert!(same(
            json!({"a": {"b": {"$between": [7, 8]}, "c": {"$not": 2}}})
        ));
        assert!(!same(json!({"a": {"b": {"$like": "^8"}}})));
        assert!(matches(&json!({"$other": 1}), Some(&actual)).is_err());
        let told = differences(&json!({"a": {"c": 2, "e": 1}}), Some(&actual)).unwrap();
        assert_eq!(told, ["a.c: 1 instead of 2", "a.e: nothing instead of 1"]);
    }

    #[test]
    fn paths_lead_through_lists() {
        let value = json!({"tasks": [{"id": "t"}]});
        assert_eq!(at(&value, "tasks.0.id"), Some(&json!("t")));
        assert_eq!(at(&value, "tasks.1.id"), None);
    }
}
