// SPDX-License-Identifier: Apache-2.0
//! Proto JSON to messages and back, and errors as the runner reads them.

use prost_reflect::DynamicMessage;
use serde_json::{Value, json};
use skep_sdk::{Code, Error, Name, reflect};

/// What a request of the runner ends with: an answer, or an error in its form.
pub(crate) type Answer = Result<Value, Value>;

/// Reads a message.
pub(crate) fn read<M: Name + Default>(value: &Value) -> Result<M, Value> {
    let message = DynamicMessage::deserialize(reflect::describe::<M>(), value);
    let message = message.map_err(|error| broken(&format!("{}: {error}", M::NAME)))?;
    message
        .transcode_to()
        .map_err(|error| broken(&error.to_string()))
}

/// Writes a message.
pub(crate) fn write<M: Name>(message: &M) -> Value {
    let value = serde_json::to_value(reflect::dynamic(message));
    value.expect("every message of the API can be written as JSON")
}

/// An error of the SDK.
pub(crate) fn failure(error: &Error) -> Value {
    let violations: Vec<_> = error
        .violations
        .iter()
        .map(|bad| json!({"field": bad.field, "description": bad.description}))
        .collect();
    json!({
        "code": code_name(error.code),
        "reason": error.reason,
        "message": error.message,
        "metadata": error.metadata,
        "violations": violations,
    })
}

/// How the runner's request was no request: never what an SDK says.
pub(crate) fn broken(why: &str) -> Value {
    json!({"code": "DRIVER", "reason": "", "message": why, "metadata": {}, "violations": []})
}

/// The name of a code as the contract writes it: `NotFound` is NOT_FOUND.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_uppercase());
    }
    name
}
