// SPDX-License-Identifier: Apache-2.0
//! Editing by paths of proto JSON: the runner cannot send a closure.

use serde_json::{Map, Value, json};
use skep_sdk::{Client, Edited, Error, Name};

use crate::json::{Answer, broken, failure, read, write};

/// Edits the object that an order names.
pub(crate) async fn edit(client: &Client, order: &Value) -> Answer {
    let name = order["name"].as_str().unwrap_or_default();
    let empty = Map::new();
    let set = order["set"].as_object().unwrap_or(&empty);
    let mut bad = None;
    let answer = match order["kind"].as_str() {
        Some("service") => {
            let edited = client.edit_service(name, |spec| change(spec, set, &mut bad));
            answer(edited.await)
        }
        Some("node") => {
            let edited = client.edit_node(name, |spec| change(spec, set, &mut bad));
            answer(edited.await)
        }
        Some("swarm") => {
            let edited = client.edit_swarm(|spec| change(spec, set, &mut bad));
            answer(edited.await)
        }
        other => Err(broken(&format!("there is no kind {other:?}"))),
    };
    bad.map_or(answer, Err)
}

fn answer<T: Name>(edited: Result<Edited<T>, Error>) -> Answer {
    let edited = edited.map_err(|error| failure(&error))?;
    Ok(json!({
        "changed": edited.changed,
        "revision": edited.revision.to_string(),
        "object": write(&edited.object),
    }))
}

/// Sets each path of a spec, by way of its proto JSON.
fn change<M: Name + Default>(spec: &mut M, set: &Map<String, Value>, bad: &mut Option<Value>) {
    let mut json = write(spec);
    for (path, value) in set {
        let mut place = &mut json;
        for part in path.split('.') {
            place = &mut place[part];
        }
        *place = value.clone();
    }
    match read(&json) {
        Ok(changed) => *spec = changed,
        Err(error) => *bad = Some(error),
    }
}
