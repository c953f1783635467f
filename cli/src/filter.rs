// SPDX-License-Identifier: Apache-2.0
//! `--filter` in Docker's words to the filters of the API. The API answers them; only the
//! beginning of an id is matched here, which its filters do not take.

use skep_sdk::Identified;
use skep_sdk::v1::node_spec::Availability;
use skep_sdk::v1::node_status::State;
use skep_sdk::v1::requirement::Operator;
use skep_sdk::v1::{NodeFilter, NodeRole, Requirement, ServiceFilter, TaskFilter, TaskState};

use crate::output::words::parse_task_state;
use crate::suggest;

/// Beginnings of ids; none: every id.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Ids(Vec<String>);

impl Ids {
    /// Whether an object is meant.
    pub(crate) fn allows(&self, object: &impl Identified) -> bool {
        self.0.is_empty() || self.0.iter().any(|begin| object.id().starts_with(begin))
    }
}

/// A filter of the API, and what is left to do here.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Query<F> {
    /// What the API does.
    pub(crate) request: F,
    /// What is left.
    pub(crate) ids: Ids,
}

/// A query of tasks.
pub(crate) type TaskQuery = Query<TaskFilter>;

impl TaskQuery {
    /// The filter of a watch, which only the API can apply: ids must be whole there.
    pub(crate) fn into_watch_filter(self) -> TaskFilter {
        TaskFilter {
            tasks: self.ids.0,
            ..self.request
        }
    }
}

/// Values of one key are ORed, as in Docker; labels are ANDed.
pub(crate) fn services(pairs: &[(String, String)]) -> Result<Query<ServiceFilter>, String> {
    let mut query = Query::<ServiceFilter>::default();
    for (key, value) in pairs {
        let requirements = &mut query.request.requirements;
        match key.as_str() {
            "id" => query.ids.0.push(value.clone()),
            "name" => add(requirements, "name", Operator::Prefix, value),
            "label" => requirements.push(label("labels", value)),
            "mode" => add(requirements, "mode", Operator::In, mode(value)?),
            _ => return Err(unknown(key, &["id", "name", "label", "mode"])),
        }
    }
    Ok(query)
}

/// See [`services`].
pub(crate) fn nodes(pairs: &[(String, String)]) -> Result<Query<NodeFilter>, String> {
    const KEYS: [&str; 6] = ["id", "name", "node.label", "role", "availability", "status"];
    let mut query = Query::<NodeFilter>::default();
    for (key, value) in pairs {
        let request = &mut query.request;
        match key.as_str() {
            "id" => query.ids.0.push(value.clone()),
            "name" => add(&mut request.requirements, "name", Operator::Prefix, value),
            "node.label" => request.requirements.push(label("labels", value)),
            "role" => request.roles.push(role(value)?.into()),
            "availability" => request.availabilities.push(availability(value)?.into()),
            "status" => request.states.push(node_state(value)?.into()),
            "label" => return Err("labels of a node are node.label=KEY[=VALUE]".to_owned()),
            _ => return Err(unknown(key, &KEYS)),
        }
    }
    Ok(query)
}

/// See [`services`].
pub(crate) fn tasks(pairs: &[(String, String)]) -> Result<TaskQuery, String> {
    const KEYS: [&str; 7] = [
        "id",
        "name",
        "service",
        "node",
        "label",
        "state",
        "desired-state",
    ];
    let mut query = TaskQuery::default();
    for (key, value) in pairs {
        let request = &mut query.request;
        match key.as_str() {
            "id" => query.ids.0.push(value.clone()),
            "name" => add(&mut request.requirements, "name", Operator::Prefix, value),
            "service" => request.services.push(value.clone()),
            "node" => request.nodes.push(value.clone()),
            "label" => request.requirements.push(label("labels", value)),
            "state" => request.states.push(task_state(value)?.into()),
            "desired-state" => request.desired_states.push(task_state(value)?.into()),
            _ => return Err(unknown(key, &KEYS)),
        }
    }
    Ok(query)
}

/// Adds a value to the requirement of a key, so that its values are ORed.
fn add(requirements: &mut Vec<Requirement>, key: &str, operator: Operator, value: &str) {
    match requirements.iter_mut().find(|known| known.key == key) {
        Some(known) => known.values.push(value.to_owned()),
        None => requirements.push(Requirement {
            key: key.to_owned(),
            operator: operator.into(),
            values: vec![value.to_owned()],
        }),
    }
}

/// `KEY` is there, or `KEY=VALUE` holds.
fn label(prefix: &str, text: &str) -> Requirement {
    match text.split_once('=') {
        Some((key, value)) => Requirement {
            key: format!("{prefix}.{key}"),
            operator: Operator::In.into(),
            values: vec![value.to_owned()],
        },
        None => Requirement {
            key: format!("{prefix}.{text}"),
            operator: Operator::Exists.into(),
            values: Vec::new(),
        },
    }
}

fn unknown(key: &str, keys: &[&str]) -> String {
    let near = suggest::near(key, keys.iter().copied());
    let question = suggest::question(&near);
    format!(
        "there is no filter {key:?}{question}; filters: {}",
        keys.join(", ")
    )
}

fn bad(key: &str, value: &str, values: &str) -> String {
    format!("{key}={value}: expected {values}")
}

fn mode(value: &str) -> Result<&'static str, String> {
    match value {
        "replicated" => Ok("replicated"),
        "global" | "every-node" => Ok("every-node"),
        "replicated-job" | "global-job" => Err(format!("mode={value}: jobs are not there yet")),
        _ => Err(bad("mode", value, "replicated or global")),
    }
}

fn role(value: &str) -> Result<NodeRole, String> {
    match value {
        "worker" => Ok(NodeRole::Worker),
        "manager" => Ok(NodeRole::Manager),
        _ => Err(bad("role", value, "worker or manager")),
    }
}

fn availability(value: &str) -> Result<Availability, String> {
    match value {
        "active" => Ok(Availability::Active),
        "pause" => Ok(Availability::Pause),
        "drain" => Ok(Availability::Drain),
        _ => Err(bad("availability", value, "active, pause or drain")),
    }
}

fn node_state(value: &str) -> Result<State, String> {
    match value.to_ascii_lowercase().as_str() {
        "ready" => Ok(State::Ready),
        "down" => Ok(State::Down),
        "unknown" => Ok(State::Unknown),
        _ => Err(bad("status", value, "ready, down or unknown")),
    }
}

fn task_state(value: &str) -> Result<TaskState, String> {
    parse_task_state(value).ok_or_else(|| {
        format!("there is no state {value:?}; such as running, pending, complete, failed, shutdown")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn written(requirements: &[Requirement]) -> Vec<String> {
        requirements
            .iter()
            .map(crate::parse::constraint::format_requirement)
            .collect()
    }

    #[test]
    fn service_filters_reach_their_fields() {
        let given = [
            ("name", "web"),
            ("name", "api"),
            ("label", "team=shop"),
            ("label", "edge"),
            ("mode", "global"),
            ("id", "svc_00000001"),
        ];
        let query = services(&pairs(&given)).unwrap();
        assert_eq!(
            written(&query.request.requirements),
            [
                "name begins with web|api",
                "labels.team==shop",
                "labels.edge exists",
                "mode==every-node"
            ]
        );
        assert!(query.ids.allows(&sample::service()));
        assert!(!query.ids.allows(&sample::global_service()));
        assert!(services(&[]).unwrap().ids.allows(&sample::service()));
    }

    #[test]
    fn node_filters_reach_their_fields() {
        let given = [
            ("node.label", "zone=west"),
            ("role", "manager"),
            ("availability", "drain"),
            ("status", "Down"),
            ("name", "n"),
        ];
        let request = nodes(&pairs(&given)).unwrap().request;
        assert_eq!(
            written(&request.requirements),
            ["labels.zone==west", "name begins with n"]
        );
        assert_eq!(request.roles, [NodeRole::Manager as i32]);
        assert_eq!(request.availabilities, [Availability::Drain as i32]);
        assert_eq!(request.states, [State::Down as i32]);
    }

    #[test]
    fn task_filters_reach_their_fields() {
        let given = [
            ("service", "web"),
            ("node", "n1"),
            ("state", "failed"),
            ("desired-state", "shutdown"),
            ("label", "a"),
            ("name", "web.1"),
            ("id", "tsk_1"),
        ];
        let query = tasks(&pairs(&given)).unwrap();
        assert_eq!(query.request.services, ["web"]);
        assert_eq!(query.request.nodes, ["n1"]);
        assert_eq!(query.request.states, [TaskState::Failed as i32]);
        assert_eq!(query.request.desired_states, [TaskState::Stopped as i32]);
        assert_eq!(
            written(&query.request.requirements),
            ["labels.a exists", "name begins with web.1"]
        );
        assert_eq!(query.into_watch_filter().tasks, ["tsk_1"]);
    }

    #[test]
    fn what_is_no_filter_is_refused_with_those_there_are() {
        let error = services(&pairs(&[("lable", "x")])).unwrap_err();
        assert_eq!(
            error,
            "there is no filter \"lable\"; did you mean label?; filters: id, name, label, mode"
        );
        for (given, expected) in [
            (("mode", "x"), "mode=x: expected replicated or global"),
            (
                ("mode", "global-job"),
                "mode=global-job: jobs are not there yet",
            ),
        ] {
            assert_eq!(services(&pairs(&[given])).unwrap_err(), expected);
        }
        let error = tasks(&pairs(&[("state", "up")])).unwrap_err();
        assert!(error.starts_with("there is no state \"up\""), "{error}");
        let error = nodes(&pairs(&[("label", "a")])).unwrap_err();
        assert!(error.contains("node.label=KEY"), "{error}");
    }
}
