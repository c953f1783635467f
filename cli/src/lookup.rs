// SPDX-License-Identifier: Apache-2.0
//! From what people call an object to the object, and to names that are like one that is none.

use skep_sdk::v1::{
    ErrorReason, GetDaemonRequest, GetNodeRequest, GetServiceRequest, GetTaskRequest, Node,
    NodeFilter, Service, ServiceFilter, Task, TaskFilter, TaskState,
};
use skep_sdk::{Client, Error};

use crate::failure::Failure;
use crate::pages;
use crate::suggest;

/// What stands for the node of the daemon that is asked.
pub(crate) const SELF: &str = "self";

/// Finds one object after the other, each by its reference: those that are there, and why the
/// others are not.
pub(crate) async fn each<'a, T, F>(
    references: &'a [String],
    find: impl Fn(&'a str) -> F,
) -> (Vec<T>, Vec<Failure>)
where
    F: Future<Output = Result<T, Failure>>,
{
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for reference in references {
        match find(reference).await {
            Ok(object) => found.push(object),
            Err(failure) => failures.push(failure),
        }
    }
    (found, failures)
}

/// A service by name, id or the beginning of an id.
pub(crate) async fn service(client: &Client, reference: &str) -> Result<Service, Failure> {
    let request = GetServiceRequest {
        service: reference.to_owned(),
        consistency: None,
    };
    let answer = client
        .services()
        .get_service(request)
        .await
        .map_err(Error::from)?;
    Ok(answer.into_inner().service.unwrap_or_default())
}

/// A task by id or the beginning of one.
pub(crate) async fn task(client: &Client, reference: &str) -> Result<Task, Failure> {
    let request = GetTaskRequest {
        task: reference.to_owned(),
        consistency: None,
    };
    let answer = client
        .tasks()
        .get_task(request)
        .await
        .map_err(Error::from)?;
    Ok(answer.into_inner().task.unwrap_or_default())
}

/// A node by name, id or the beginning of an id, or `self`.
pub(crate) async fn node(client: &Client, reference: &str) -> Result<Node, Failure> {
    let request = GetNodeRequest {
        node: node_reference(client, reference).await?,
        consistency: None,
    };
    let answer = client
        .nodes()
        .get_node(request)
        .await
        .map_err(Error::from)?;
    Ok(answer.into_inner().node.unwrap_or_default())
}

/// A reference that the API understands: the id for `self`, all else as it is.
pub(crate) async fn node_reference(client: &Client, reference: &str) -> Result<String, Failure> {
    if reference != SELF {
        return Ok(reference.to_owned());
    }
    let answer = client
        .daemon()
        .get_daemon(GetDaemonRequest {})
        .await
        .map_err(Error::from)?;
    let own = answer.into_inner().daemon.unwrap_or_default().node;
    if own.is_empty() {
        return Err(Failure::refused(
            "this node is in no swarm; found one: skep swarm init",
        ));
    }
    Ok(own)
}

/// For an object that was not found, a question after names that are like its own; else nothing.
pub(crate) async fn did_you_mean(client: &Client, error: &Error) -> String {
    if !error.is(ErrorReason::ObjectNotFound) {
        return String::new();
    }
    let Some(unknown) = error.metadata.get("name") else {
        return String::new();
    };
    let unknown = unknown.as_str();
    let kind = error
        .metadata
        .get("kind")
        .map(|kind| kind.to_ascii_lowercase());
    let names = match kind.as_deref() {
        Some("service") => service_names(client).await,
        Some("node") => node_names(client).await,
        Some("task") => return tasks_called(client, unknown).await,
        _ => Vec::new(),
    };
    suggest::question(&suggest::near(unknown, names.iter().map(String::as_str)))
}

/// The tasks of a name that `ps` shows, for those who take it for a reference: a slot has had
/// many tasks, so only an id says which one is meant.
async fn tasks_called(client: &Client, name: &str) -> String {
    let wanted = TaskFilter {
        desired_states: vec![TaskState::Running.into()],
        ..TaskFilter::default()
    };
    let tasks = pages::tasks(client, wanted).await.unwrap_or_default();
    let ids: Vec<String> = tasks
        .into_iter()
        .filter(|task| task.name == name)
        .map(|task| task.meta.unwrap_or_default().id)
        .collect();
    suggest::question(&ids.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Names for a suggestion: without them the error is still said, so a failure counts as none.
async fn service_names(client: &Client) -> Vec<String> {
    let services = pages::services(client, ServiceFilter::default()).await;
    services
        .unwrap_or_default()
        .into_iter()
        .map(|service| service.spec.unwrap_or_default().name)
        .collect()
}

async fn node_names(client: &Client) -> Vec<String> {
    let nodes = pages::nodes(client, NodeFilter::default()).await;
    nodes
        .unwrap_or_default()
        .into_iter()
        .map(|node| node.spec.unwrap_or_default().name)
        .collect()
}
