// SPDX-License-Identifier: Apache-2.0
//! Proto JSON in the order of the contract: fields as they are numbered, maps by key. Equal
//! objects give equal texts, which the general writer does not promise of maps.

use prost_reflect::{Kind, MessageDescriptor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Value;
use skep_sdk::{Name, reflect};

/// A message as it is written.
#[derive(Debug, Clone)]
pub(crate) struct Json {
    value: Value,
    descriptor: MessageDescriptor,
}

impl Json {
    /// Of a message of the API.
    pub(crate) fn of<M: Name>(message: &M) -> Self {
        let value = serde_json::to_value(reflect::dynamic(message))
            .expect("proto JSON has only texts as keys");
        Self {
            value,
            descriptor: reflect::describe::<M>(),
        }
    }

    /// The type of the message.
    pub(crate) fn descriptor(&self) -> &MessageDescriptor {
        &self.descriptor
    }

    /// The value, to look into.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Ordered {
            value: &self.value,
            message: Some(&self.descriptor),
        }
        .serialize(serializer)
    }
}

/// A value with the type of its fields; none: its own order will do.
struct Ordered<'a> {
    value: &'a Value,
    message: Option<&'a MessageDescriptor>,
}

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.value, self.message) {
            (Value::Array(values), _) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(&Ordered { value, ..*self })?;
                }
                list.end()
            }
            (Value::Object(members), Some(message)) if message.is_map_entry() => {
                let kind = message.map_entry_value_field().kind();
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    map.serialize_entry(
                        key,
                        &Ordered {
                            value,
                            message: message_of(&kind),
                        },
                    )?;
                }
                map.end()
            }
            (Value::Object(members), Some(message)) => {
                let mut fields: Vec<_> = message.fields().collect();
                fields.sort_by_key(prost_reflect::FieldDescriptor::number);
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for field in fields {
                    if let Some(value) = members.get(field.json_name()) {
                        let kind = field.kind();
                        let value = Ordered {
                            value,
                            message: message_of(&kind),
                        };
                        map.serialize_entry(field.json_name(), &value)?;
                    }
                }
                map.end()
            }
            (value, _) => value.serialize(serializer),
        }
    }
}

fn message_of(kind: &Kind) -> Option<&MessageDescriptor> {
    kind.as_message()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{golden, sample};

    #[test]
    fn fields_come_in_the_order_of_the_contract_and_maps_by_key() {
        let text = serde_json::to_string_pretty(&Json::of(&sample::service())).unwrap();
        golden::check("service.json", &format!("{text}\n"));
    }

    #[test]
    fn nothing_is_lost_by_ordering() {
        for json in [
            Json::of(&sample::service()),
            Json::of(&sample::node("node-1")),
        ] {
            assert_eq!(serde_json::to_value(&json).unwrap(), *json.value());
        }
    }
}
