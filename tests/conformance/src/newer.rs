// SPDX-License-Identifier: Apache-2.0
//! What a later release adds to messages: fields that nobody here knows.

use anyhow::Result;
use prost::Message;
use prost_reflect::{DynamicMessage, ReflectMessage, Value};

/// A text in field 20,000, which no message has.
const LATER_FIELD: [u8; 9] = [0x82, 0xe2, 0x09, 5, b'l', b'a', b't', b'e', b'r'];

/// Adds a field to a message of ours and to every one in it.
pub(crate) fn add_unknown_fields(message: &mut DynamicMessage) -> Result<()> {
    let fields: Vec<_> = message.descriptor().fields().collect();
    for field in fields {
        if !message.has_field(&field) {
            continue;
        }
        match message.get_field_mut(&field) {
            Value::Message(inner) => add_unknown_fields(inner)?,
            Value::List(items) => {
                for item in items {
                    if let Value::Message(inner) = item {
                        add_unknown_fields(inner)?;
                    }
                }
            }
            _ => {}
        }
    }
    if message.descriptor().package_name() == "skep.v1" {
        message.merge(LATER_FIELD.as_slice())?;
    }
    Ok(())
}

/// How many fields in a message nobody here knows.
pub(crate) fn unknown_fields(message: &DynamicMessage) -> usize {
    let inner: usize = message
        .fields()
        .map(|(_, value)| match value {
            Value::Message(inner) => unknown_fields(inner),
            Value::List(items) => items
                .iter()
                .filter_map(Value::as_message)
                .map(unknown_fields)
                .sum(),
            _ => 0,
        })
        .sum();
    inner + message.unknown_fields().count()
}

#[cfg(test)]
mod tests {
    use skep_proto::{reflect, v1};

    use super::*;

    #[test]
    fn fields_are_added_everywhere_and_counted() {
        let service = v1::Service {
            meta: Some(v1::Meta::default()),
            spec: Some(v1::ServiceSpec {
                template: Some(v1::TaskTemplate::default()),
                ..v1::ServiceSpec::default()
            }),
            ..v1::Service::default()
        };
        let mut message = reflect::dynamic(&service);
        assert_eq!(unknown_fields(&message), 0);
        add_unknown_fields(&mut message).unwrap();
        let bytes = message.encode_to_vec();
        let read = DynamicMessage::decode(message.descriptor(), bytes.as_slice()).unwrap();
        assert_eq!(unknown_fields(&read), 4);
    }
}
