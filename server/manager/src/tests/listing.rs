// SPDX-License-Identifier: Apache-2.0
//! Lists: pages at one revision, and filters.

use skep_core::model::{NodeId, NodeState, TaskId, TaskState};
use skep_core::state::{Observation, Write};
use skep_proto::v1;
use skep_proto::v1::ErrorReason;
use skep_proto::v1::requirement::Operator;

use super::desk::{Desk, failed, id_of, spec};
use super::samples::local;

fn page(size: u32, token: &str) -> v1::ListServicesRequest {
    v1::ListServicesRequest {
        page_size: size,
        page_token: token.to_owned(),
        ..v1::ListServicesRequest::default()
    }
}

async fn list(desk: &Desk, request: v1::ListServicesRequest) -> v1::ListServicesResponse {
    let response = desk.services().list_services(request).await;
    response.expect("nothing is wrong").into_inner()
}

fn names(response: &v1::ListServicesResponse) -> Vec<String> {
    let services = response.services.iter();
    services
        .filter_map(|service| service.spec.as_ref().map(|spec| spec.name.clone()))
        .collect()
}

async fn desk_with(services: usize) -> Desk {
    let desk = Desk::new().await;
    for number in 0..services {
        desk.create(spec(&format!("s{number}"))).await;
    }
    desk
}

#[tokio::test]
pub(super) async fn all_pages_show_one_revision() {
    let desk = desk_with(7).await;
    let whole = list(&desk, page(0, "")).await;
    assert_eq!(
        (whole.services.len(), whole.next_page_token.as_str()),
        (7, "")
    );
    let first = list(&desk, page(3, "")).await;
    assert_eq!((first.revision, first.services.len()), (whole.revision, 3));

    desk.create(spec("late")).await;
    let gone = id_of(&whole.services[4]).parse().unwrap();
    desk.cluster.write([Write::DeleteService { service: gone }]);

    let mut services = first.services.clone();
    let mut token = first.next_page_token;
    while !token.is_empty() {
        let next = list(&desk, page(3, &token)).await;
        assert_eq!(next.revision, whole.revision);
        services.extend(next.services);
        token = next.next_page_token;
    }
    assert_eq!(services, whole.services);
    let ids: Vec<_> = services
        .iter()
        .map(|service| id_of(service).to_owned())
        .collect();
    assert!(ids.is_sorted());
}

#[tokio::test]
pub(super) async fn a_token_holds_for_its_query_and_as_long_as_the_history() {
    let desk = desk_with(3).await;
    let first = list(&desk, page(1, "")).await;
    let token = first.next_page_token.as_str();
    let other = v1::ListServicesRequest {
        filter: Some(v1::ServiceFilter {
            services: vec!["s1".to_owned()],
            ..v1::ServiceFilter::default()
        }),
        ..page(1, token)
    };
    failed(
        desk.services().list_services(other).await,
        ErrorReason::BadPageToken,
        &[],
    );
    let damaged = desk.services().list_services(page(1, &token[1..])).await;
    failed(damaged, ErrorReason::BadPageToken, &[]);
    let elsewhere = v1::ListNodesRequest {
        page_token: token.to_owned(),
        ..v1::ListNodesRequest::default()
    };
    failed(
        desk.nodes().list_nodes(elsewhere).await,
        ErrorReason::BadPageToken,
        &[],
    );
    let fresh = v1::ListServicesRequest {
        consistency: local(),
        ..page(1, token)
    };
    let told = desk.services().list_services(fresh).await;
    assert_eq!(
        failed(told, ErrorReason::InvalidField, &[]).fields,
        ["consistency"]
    );

    let other_size = list(&desk, page(9, token)).await;
    assert_eq!(other_size.services.len(), 2);
    let compacted = desk.cluster.write([]);
    desk.cluster.compact();
    let late = desk.services().list_services(page(1, token)).await;
    let told = [("compact_revision", &*compacted.to_string())];
    failed(late, ErrorReason::RevisionCompacted, &told);
}

#[tokio::test]
pub(super) async fn a_token_of_a_revision_that_never_was_is_refused() {
    let desk = desk_with(3).await;
    let token = list(&desk, page(1, "")).await.next_page_token;
    let younger = desk_with(0).await;
    let told = [("head_revision", &*younger.head().to_string())];
    let refused = younger.services().list_services(page(1, &token)).await;
    failed(refused, ErrorReason::RevisionUnknown, &told);
}

#[tokio::test]
pub(super) async fn a_page_is_cut_by_its_bytes() {
    let desk = Desk::new().await;
    for number in 0..5 {
        let mut large = spec(&format!("large{number}"));
        if let Some(v1::task_template::Workload::Process(process)) = large
            .template
            .as_mut()
            .and_then(|template| template.workload.as_mut())
        {
            process.args = vec!["x".repeat(100_000); 10];
        }
        desk.create(large).await;
    }
    let first = list(&desk, page(0, "")).await;
    assert_eq!(first.services.len(), 3);
    let second = list(&desk, page(0, &first.next_page_token)).await;
    assert_eq!(
        (second.services.len(), second.next_page_token.as_str()),
        (2, "")
    );
}

#[tokio::test]
pub(super) async fn nodes_and_tasks_have_pages_too() {
    let desk = Desk::new().await;
    let web = desk.create(spec("web")).await;
    for slot in 1..=3 {
        desk.task(&web, slot, NodeId(2));
    }
    let mut request = v1::ListNodesRequest {
        page_size: 2,
        ..v1::ListNodesRequest::default()
    };
    let first = desk
        .nodes()
        .list_nodes(request.clone())
        .await
        .unwrap()
        .into_inner();
    request.page_token = first.next_page_token;
    let second = desk.nodes().list_nodes(request).await.unwrap().into_inner();
    assert_eq!((first.nodes.len(), second.nodes.len()), (2, 1));
    assert_eq!(second.revision, first.revision);
    let mut request = v1::ListTasksRequest {
        page_size: 2,
        ..v1::ListTasksRequest::default()
    };
    let first = desk
        .tasks()
        .list_tasks(request.clone())
        .await
        .unwrap()
        .into_inner();
    request.page_token = first.next_page_token;
    let second = desk.tasks().list_tasks(request).await.unwrap().into_inner();
    assert_eq!((first.tasks.len(), second.tasks.len()), (2, 1));
    assert_eq!(second.next_page_token, "");
}

fn requirement(key: &str, operator: Operator, values: &[&str]) -> v1::Requirement {
    v1::Requirement {
        key: key.to_owned(),
        operator: operator.into(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    }
}

/// Filters of services, and what they let through.
fn service_filters(web: String) -> Vec<(v1::ServiceFilter, Vec<&'static str>)> {
    let by = |requirement| v1::ServiceFilter {
        requirements: vec![requirement],
        ..v1::ServiceFilter::default()
    };
    let references = v1::ServiceFilter {
        services: vec![web, "API".to_owned(), "none".to_owned()],
        ..v1::ServiceFilter::default()
    };
    vec![
        (references, vec!["api", "web"]),
        (
            by(requirement("labels.team", Operator::Unspecified, &["a"])),
            vec!["web"],
        ),
        (
            by(requirement("labels.team", Operator::Exists, &[])),
            vec!["api", "web"],
        ),
        (
            by(requirement("labels.team", Operator::NotExists, &[])),
            vec!["job"],
        ),
        (
            by(requirement("labels.team", Operator::NotIn, &["a"])),
            vec!["api", "job"],
        ),
        (
            by(requirement("name", Operator::Prefix, &["w"])),
            vec!["web"],
        ),
        (
            by(requirement("mode", Operator::In, &["every-node"])),
            vec![],
        ),
    ]
}

#[tokio::test]
pub(super) async fn services_are_filtered() {
    let desk = Desk::new().await;
    let team = |name: &str, team: &str| v1::ServiceSpec {
        labels: [("team".to_owned(), team.to_owned())].into(),
        ..spec(name)
    };
    for spec in [team("web", "a"), team("api", "b"), spec("job")] {
        desk.create(spec).await;
    }
    let web = id_of(&desk.get("web").await).to_owned();
    for (filter, wanted) in service_filters(web) {
        let what = format!("{filter:?}");
        let request = v1::ListServicesRequest {
            filter: Some(filter),
            ..page(0, "")
        };
        let mut got = names(&list(&desk, request).await);
        got.sort();
        assert_eq!(got, wanted, "{what}");
    }
}

/// Filters of nodes, and what they let through.
fn node_filters() -> Vec<(v1::NodeFilter, Vec<&'static str>)> {
    let any = v1::NodeFilter::default;
    vec![
        (any(), vec!["node-1", "node-2", "node-3"]),
        (
            v1::NodeFilter {
                nodes: vec!["node-2".to_owned()],
                ..any()
            },
            vec!["node-2"],
        ),
        (
            v1::NodeFilter {
                roles: vec![v1::NodeRole::Manager.into()],
                ..any()
            },
            vec!["node-1"],
        ),
        (
            v1::NodeFilter {
                states: vec![v1::node_status::State::Down.into()],
                ..any()
            },
            vec!["node-3"],
        ),
        (
            v1::NodeFilter {
                availabilities: vec![v1::node_spec::Availability::Drain.into()],
                ..any()
            },
            vec!["node-2"],
        ),
        (
            v1::NodeFilter {
                requirements: vec![requirement("node.ip", Operator::In, &["127.0.0.2/31"])],
                ..any()
            },
            vec!["node-2", "node-3"],
        ),
    ]
}

#[tokio::test]
pub(super) async fn nodes_are_filtered() {
    let desk = Desk::new().await;
    desk.cluster.write([Write::SetNodeState {
        node: NodeId(3),
        state: NodeState::Down,
        message: "silent".into(),
    }]);
    let request = v1::UpdateNodeRequest {
        node: "node-2".to_owned(),
        spec: Some(v1::NodeSpec {
            availability: v1::node_spec::Availability::Drain.into(),
            ..v1::NodeSpec::default()
        }),
        ..v1::UpdateNodeRequest::default()
    };
    desk.nodes()
        .update_node(request)
        .await
        .expect("nothing is wrong");
    for (filter, wanted) in node_filters() {
        let what = format!("{filter:?}");
        let request = v1::ListNodesRequest {
            filter: Some(filter),
            ..v1::ListNodesRequest::default()
        };
        let response = desk
            .nodes()
            .list_nodes(request)
            .await
            .expect("nothing is wrong");
        let nodes = response.into_inner().nodes.into_iter();
        let got: Vec<_> = nodes
            .filter_map(|node| node.spec.map(|spec| spec.name))
            .collect();
        assert_eq!(got, wanted, "{what}");
    }
}

/// A desk with one task of each of two services on its own node, of which the second failed.
async fn desk_with_tasks() -> (Desk, [TaskId; 2]) {
    let desk = Desk::new().await;
    let web = v1::ServiceSpec {
        labels: [("team".to_owned(), "a".to_owned())].into(),
        ..spec("web")
    };
    let web = desk.create(web).await;
    let first = desk.task(&web, 1, NodeId(2));
    let api = desk.create(spec("api")).await;
    let second = desk.task(&api, 2, NodeId(3));
    let request = v1::StopTaskRequest {
        task: second.to_string(),
        request_id: String::new(),
    };
    desk.tasks().stop_task(request).await.expect("it runs");
    let failed = Observation::of(TaskState::Failed, desk.view().time());
    desk.cluster.write([Write::ObserveTask {
        task: second,
        observation: failed,
    }]);
    (desk, [first, second])
}

/// Filters of tasks, and what they let through.
fn task_filters([first, second]: [TaskId; 2]) -> Vec<(v1::TaskFilter, Vec<TaskId>)> {
    let any = v1::TaskFilter::default;
    let state = |state: v1::TaskState| vec![state.into()];
    let by = |requirement| v1::TaskFilter {
        requirements: vec![requirement],
        ..any()
    };
    vec![
        (any(), vec![first, second]),
        (
            v1::TaskFilter {
                tasks: vec![second.to_string()],
                ..any()
            },
            vec![second],
        ),
        (
            v1::TaskFilter {
                services: vec!["Web".to_owned()],
                ..any()
            },
            vec![first],
        ),
        (
            v1::TaskFilter {
                nodes: vec!["node-3".to_owned()],
                ..any()
            },
            vec![second],
        ),
        (
            v1::TaskFilter {
                states: state(v1::TaskState::Running),
                ..any()
            },
            vec![first],
        ),
        (
            v1::TaskFilter {
                desired_states: state(v1::TaskState::Stopped),
                ..any()
            },
            vec![second],
        ),
        (
            by(requirement("name", Operator::In, &["web.1"])),
            vec![first],
        ),
        (
            by(requirement("labels.team", Operator::NotExists, &[])),
            vec![second],
        ),
    ]
}

#[tokio::test]
pub(super) async fn tasks_are_filtered() {
    let (desk, tasks) = desk_with_tasks().await;
    for (filter, wanted) in task_filters(tasks) {
        let what = format!("{filter:?}");
        let request = v1::ListTasksRequest {
            filter: Some(filter),
            ..v1::ListTasksRequest::default()
        };
        let response = desk
            .tasks()
            .list_tasks(request)
            .await
            .expect("nothing is wrong");
        let tasks = response.into_inner().tasks.into_iter();
        let got: Vec<_> = tasks
            .filter_map(|task| task.meta.map(|meta| meta.id))
            .collect();
        let wanted: Vec<_> = wanted.iter().map(TaskId::to_string).collect();
        assert_eq!(got, wanted, "{what}");
    }
}
