// SPDX-License-Identifier: Apache-2.0
//! Filters of lists and watches.

use std::str::FromStr;

use skep_core::filter::{
    NodeFilter, NodeFilterKey, ObjectKey, Reference, ServiceFilter, ServiceFilterKey, TaskFilter,
};
use skep_core::model::{DesiredState, NodeRole, NodeState, TaskId, TaskState};
use skep_proto::v1;

use super::Fields;
use super::common::{requirements, unknown};
use super::spec::availability;

const REFERENCES_MAX: usize = 100;
const STATES_MAX: usize = 16;
const NODE_ENUMS_MAX: usize = 8;
const REQUIREMENTS_MAX: usize = 32;

/// A filter of tasks.
pub fn tasks(fields: &mut Fields, message: v1::TaskFilter) -> TaskFilter {
    let key = ObjectKey::parse;
    TaskFilter {
        tasks: task_ids(fields, &message.tasks),
        services: references(fields, "services", &message.services),
        nodes: references(fields, "nodes", &message.nodes),
        states: enums(
            fields,
            "states",
            &message.states,
            STATES_MAX,
            |_, _, value| task_state(value),
        ),
        desired_states: enums(
            fields,
            "desired_states",
            &message.desired_states,
            STATES_MAX,
            |_, _, value| desired_state(value),
        ),
        requirements: requirements(
            fields,
            message.requirements,
            REQUIREMENTS_MAX,
            "name and labels.KEY",
            key,
        ),
    }
}

/// A filter of services.
pub fn services(fields: &mut Fields, message: v1::ServiceFilter) -> ServiceFilter {
    ServiceFilter {
        services: references(fields, "services", &message.services),
        requirements: requirements(
            fields,
            message.requirements,
            REQUIREMENTS_MAX,
            ServiceFilterKey::KNOWN,
            ServiceFilterKey::parse,
        ),
    }
}

/// A filter of nodes.
pub fn nodes(fields: &mut Fields, message: v1::NodeFilter) -> NodeFilter {
    let most = NODE_ENUMS_MAX;
    let (known, key) = (NodeFilterKey::KNOWN, NodeFilterKey::parse);
    NodeFilter {
        nodes: references(fields, "nodes", &message.nodes),
        roles: enums(fields, "roles", &message.roles, most, |_, _, value| {
            role(value)
        }),
        states: enums(fields, "states", &message.states, most, |_, _, value| {
            node_state(value)
        }),
        availabilities: enums(
            fields,
            "availabilities",
            &message.availabilities,
            most,
            availability,
        ),
        requirements: requirements(fields, message.requirements, REQUIREMENTS_MAX, known, key),
    }
}

fn references<I: FromStr + PartialEq>(
    fields: &mut Fields,
    name: &str,
    texts: &[String],
) -> Vec<Reference<I>> {
    fields.count(name, texts.len(), REFERENCES_MAX);
    for (index, text) in texts.iter().enumerate() {
        fields.length(&format!("{name}[{index}]"), text, 1, 64);
    }
    texts.iter().map(|text| Reference::parse(text)).collect()
}

fn task_ids(fields: &mut Fields, texts: &[String]) -> Vec<TaskId> {
    fields.count("tasks", texts.len(), REFERENCES_MAX);
    let mut ids = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match text.parse() {
            Ok(id) => ids.push(id),
            Err(why) => fields.wrong(&format!("tasks[{index}]"), why),
        }
    }
    ids
}

/// The values of a list of enums; one that is not set or not known is refused.
fn enums<T>(
    fields: &mut Fields,
    name: &str,
    values: &[i32],
    most: usize,
    parse: impl Fn(&mut Fields, &str, i32) -> Option<T>,
) -> Vec<T> {
    fields.count(name, values.len(), most);
    let mut parsed = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let place = format!("{name}[{index}]");
        match parse(&mut Fields::new(), &place, *value) {
            Some(value) => parsed.push(value),
            None => unknown(fields, &place, *value),
        }
    }
    parsed
}

/// A state of a task; nothing if there is no such state.
pub fn task_state(value: i32) -> Option<TaskState> {
    TaskState::ALL
        .into_iter()
        .find(|state| *state as i32 == value)
}

/// A desired state of a task; nothing if there is no such state.
pub fn desired_state(value: i32) -> Option<DesiredState> {
    use DesiredState::{Ready, Removed, Running, Stopped};
    [Ready, Running, Stopped, Removed]
        .into_iter()
        .find(|state| *state as i32 == value)
}

/// A role of a node; nothing if it is not set or not known.
pub fn role(value: i32) -> Option<NodeRole> {
    match v1::NodeRole::try_from(value) {
        Ok(v1::NodeRole::Worker) => Some(NodeRole::Worker),
        Ok(v1::NodeRole::Manager) => Some(NodeRole::Manager),
        Ok(v1::NodeRole::Unspecified) | Err(_) => None,
    }
}

/// A state of a node; nothing if it is not set or not known.
pub fn node_state(value: i32) -> Option<NodeState> {
    use v1::node_status::State as Message;
    match Message::try_from(value) {
        Ok(Message::Ready) => Some(NodeState::Ready),
        Ok(Message::Down) => Some(NodeState::Down),
        Ok(Message::Unknown) => Some(NodeState::Unknown),
        Ok(Message::Unspecified) | Err(_) => None,
    }
}
