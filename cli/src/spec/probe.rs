// SPDX-License-Identifier: Apache-2.0
//! The line of a YAML file on which a field stands.
//!
//! The reader of YAML tells the line of the first error and of nothing else. So a visitor that
//! walks to the field and then refuses to go on finds its line, without another parser.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The line of the field at a path, such as `template.process.command[0]`, counted from 1. Names
/// of the contract (`max_attempts`) find the names of JSON (`maxAttempts`) too.
pub(crate) fn line_of(text: &str, path: &str) -> Option<usize> {
    let steps: Vec<&str> = path
        .split(['.', '[', ']'])
        .filter(|step| !step.is_empty())
        .collect();
    let probe = Probe { steps: &steps };
    let outcome = probe.deserialize(serde_yaml_ng::Deserializer::from_str(text));
    Some(outcome.err()?.location()?.line())
}

/// Walks along its steps and fails at the key or the entry that is the last of them.
#[derive(Clone, Copy)]
struct Probe<'a> {
    steps: &'a [&'a str],
}

impl<'de> DeserializeSeed<'de> for Probe<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Probe<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (wanted, rest) = self.steps.split_first().unwrap_or((&"", &[]));
        while let Some(is_wanted) = map.next_key_seed(Key {
            wanted,
            is_last: rest.is_empty(),
        })? {
            if is_wanted {
                map.next_value_seed(Probe { steps: rest })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let (wanted, rest) = self.steps.split_first().unwrap_or((&"", &[]));
        let wanted = wanted.parse::<usize>().ok();
        for place in 0.. {
            let entry = if wanted != Some(place) {
                list.next_element::<IgnoredAny>()?.map(|_| ())
            } else if rest.is_empty() {
                list.next_element_seed(Refuse)?
            } else {
                list.next_element_seed(Probe { steps: rest })?
            };
            if entry.is_none() {
                break;
            }
        }
        Ok(())
    }

    // A text, a number or nothing where steps remain: the field is not there.

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A key: is it the wanted one? If it is also the last step, reading it fails.
#[derive(Clone, Copy)]
struct Key<'a> {
    wanted: &'a str,
    is_last: bool,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<bool, E> {
        let is_wanted = key == self.wanted || plain(key) == plain(self.wanted);
        if is_wanted && self.is_last {
            Err(E::custom("here"))
        } else {
            Ok(is_wanted)
        }
    }
}

/// A name without what tells `max_attempts` from `maxAttempts`.
fn plain(name: &str) -> String {
    name.replace('_', "").to_ascii_lowercase()
}

/// Refuses whatever it is shown.
struct Refuse;

impl<'de> DeserializeSeed<'de> for Refuse {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Refuse {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}

#[cfg(test)]
mod tests {
    use super::line_of;

    const TEXT: &str = "\
# A comment.
name: web
replicated: {replicas: 3}
template:
  process:
    args:
      - --serve
      - \"2\"
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
    fn fields_are_found_by_path() {
        for (path, line) in [
            ("name", 2),
            ("replicated.replicas", 3),
            ("template.process.args", 6),
            ("template.process.args[1]", 8),
            ("template.process.env.WORKERS", 10),
            ("template.restart.max_attempts", 11),
            ("endpoint.ports[0].published", 14),
            ("endpoint.ports[1]", 15),
            ("endpoint.ports[1].protocol", 16),
        ] {
            assert_eq!(line_of(TEXT, path), Some(line), "{path}");
        }
    }

    #[test]
    fn what_is_not_there_has_no_line() {
        for path in [
            "template.stop.grace",
            "endpoint.ports[7]",
            "name.first",
            "",
            "endpoint.x",
        ] {
            assert_eq!(line_of(TEXT, path), None, "{path}");
        }
    }
}
