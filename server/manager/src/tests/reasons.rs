// SPDX-License-Identifier: Apache-2.0
//! Every reason for which a call can fail is met once, with what it tells programs.
//!
//! Reasons that other tests here meet are named in the table too; together they are all of the
//! contract's.

use std::collections::BTreeSet;
use std::time::Duration;

use skep_core::testing::World;
use skep_proto::v1;
use skep_proto::v1::ErrorReason;
use tonic::Request;

use super::desk::{Desk, failed, id_of, refused, spec, with_port};
use super::{listing, nodes, reading, repeats, rollouts, services, swarm, transport, waits};
use crate::cluster::ClusterError;

/// The test that meets each reason.
const MET: [(ErrorReason, fn()); 37] = [
    (ErrorReason::InvalidField, bad_fields_are_named),
    (
        ErrorReason::BadPageToken,
        listing::a_token_holds_for_its_query_and_as_long_as_the_history,
    ),
    (
        ErrorReason::AmbiguousReference,
        a_beginning_of_two_ids_is_not_enough,
    ),
    (
        ErrorReason::ObjectNotFound,
        services::what_is_missing_is_deleted_if_allowed,
    ),
    (ErrorReason::NameTaken, a_name_is_taken),
    (ErrorReason::PortTaken, a_port_is_taken),
    (
        ErrorReason::SpecRevisionMismatch,
        services::the_revision_of_the_spec_is_compared,
    ),
    (ErrorReason::RequestIdReused, repeats::services),
    (
        ErrorReason::ObjectDeleting,
        what_is_being_deleted_is_left_alone,
    ),
    (ErrorReason::RolloutState, rollouts::a_rollout_is_steered),
    (
        ErrorReason::NoEarlierRevision,
        rollouts::there_must_be_a_revision_to_go_back_to,
    ),
    (
        ErrorReason::NodeNotDown,
        nodes::a_node_that_is_there_is_only_forgotten_by_force,
    ),
    (
        ErrorReason::NodeIsManager,
        nodes::a_node_that_is_there_is_only_forgotten_by_force,
    ),
    (
        ErrorReason::QuorumAtRisk,
        swarm::the_last_manager_leaves_by_force_only,
    ),
    (
        ErrorReason::WrongSwarmState,
        outside_of_a_swarm_there_is_nothing_to_list,
    ),
    (
        ErrorReason::RevisionCompacted,
        listing::a_token_holds_for_its_query_and_as_long_as_the_history,
    ),
    (
        ErrorReason::RevisionUnknown,
        listing::a_token_of_a_revision_that_never_was_is_refused,
    ),
    (ErrorReason::NoQuorum, without_a_leader_nothing_is_changed),
    (
        ErrorReason::ManagerNotReady,
        reading::a_read_does_not_wait_longer_than_its_caller,
    ),
    (
        ErrorReason::LimitExceeded,
        transport::a_request_that_is_too_large_is_refused,
    ),
    (
        ErrorReason::PoolExhausted,
        there_are_so_many_ports_and_no_more,
    ),
    (
        ErrorReason::RoleRequired,
        transport::a_foreign_page_gets_nothing,
    ),
    (
        ErrorReason::FeatureNotEnabled,
        transport::an_unknown_method_is_a_missing_feature,
    ),
    (
        ErrorReason::DeadlineExceeded,
        a_change_that_takes_too_long_is_given_up,
    ),
    (
        ErrorReason::Internal,
        transport::a_panic_is_a_fault_of_the_server,
    ),
    (ErrorReason::StorageFailed, a_full_disk_is_named),
    (
        ErrorReason::RolloutPaused,
        waits::what_stalls_is_not_waited_for,
    ),
    (
        ErrorReason::RolledBack,
        waits::every_stall_is_a_reason_of_the_contract,
    ),
    (
        ErrorReason::RollbackPaused,
        waits::every_stall_is_a_reason_of_the_contract,
    ),
    (
        ErrorReason::NodePaused,
        waits::every_stall_is_a_reason_of_the_contract,
    ),
    (
        ErrorReason::AttemptsExhausted,
        waits::every_stall_is_a_reason_of_the_contract,
    ),
    (
        ErrorReason::CrashLoop,
        waits::every_stall_is_a_reason_of_the_contract,
    ),
    (
        ErrorReason::PortInUse,
        waits::every_stall_is_a_reason_of_the_contract,
    ),
    (
        ErrorReason::Unplaced,
        waits::tasks_without_a_node_are_told_with_their_causes,
    ),
    (
        ErrorReason::NotConverged,
        waits::the_time_is_over_with_what_the_service_says,
    ),
    (
        ErrorReason::NotDeleted,
        waits::what_is_deleted_is_gone_with_its_last_task,
    ),
    (ErrorReason::Unspecified, the_table_has_all_reasons),
];

#[test]
fn the_table_has_all_reasons() {
    let pool = super::raw::pool();
    let all = pool
        .get_enum_by_name("skep.v1.ErrorReason")
        .expect("it is there");
    let all: BTreeSet<_> = all.values().map(|value| value.name().to_owned()).collect();
    let met: BTreeSet<_> = MET
        .iter()
        .map(|(reason, _)| reason.as_str_name().to_owned())
        .collect();
    assert_eq!(met, all);
}

fn create(spec: v1::ServiceSpec) -> v1::CreateServiceRequest {
    v1::CreateServiceRequest {
        spec: Some(spec),
        request_id: String::new(),
    }
}

#[tokio::test]
async fn bad_fields_are_named() {
    let desk = Desk::new().await;
    let nothing = desk
        .services()
        .create_service(v1::CreateServiceRequest::default())
        .await;
    refused(nothing, &["spec"]);
    let bad = desk
        .services()
        .create_service(create(with_port("-web", 70_000)))
        .await;
    let fields = ["spec.name", "spec.endpoint.ports[0].published"];
    let told = failed(bad, ErrorReason::InvalidField, &[]);
    assert_eq!(told.fields, fields);
    assert_eq!(
        told.message,
        "the request has 2 bad fields: spec.name, spec.endpoint.ports[0].published"
    );
}

#[tokio::test]
async fn a_fixed_field_is_a_bad_field() {
    let desk = Desk::new().await;
    desk.create(spec("web")).await;
    let request = v1::UpdateServiceRequest {
        spec: Some(v1::ServiceSpec {
            mode: Some(v1::service_spec::Mode::EveryNode(v1::EveryNode {})),
            ..spec("web")
        }),
        ..v1::UpdateServiceRequest::default()
    };
    refused(
        desk.services().update_service(request).await,
        &["spec.every_node"],
    );
}

#[tokio::test]
async fn a_beginning_of_two_ids_is_not_enough() {
    let mut world = World::with_nodes(1);
    let ids = ["a", "b"].map(|name| world.create_service(skep_core::testing::replicated(name, 1)));
    let desk = Desk::of(world).await;
    let request = v1::GetServiceRequest {
        service: ids[0].to_string()[..10].to_owned(),
        consistency: None,
    };
    let candidates = format!("{},{}", ids[0], ids[1]);
    let metadata = [("count", "2"), ("candidates", &*candidates)];
    let told = desk.services().get_service(request).await;
    failed(told, ErrorReason::AmbiguousReference, &metadata);
}

#[tokio::test]
async fn a_name_is_taken() {
    let desk = Desk::new().await;
    let web = desk.create(spec("web")).await;
    let taken = desk.services().create_service(create(spec("Web"))).await;
    let metadata = [("kind", "service"), ("name", "web"), ("id", id_of(&web))];
    failed(taken, ErrorReason::NameTaken, &metadata);
}

#[tokio::test]
async fn a_port_is_taken() {
    let desk = Desk::new().await;
    desk.create(with_port("web", 8_080)).await;
    let taken = desk
        .services()
        .create_service(create(with_port("api", 8_080)))
        .await;
    let metadata = [("port", "8080"), ("protocol", "tcp"), ("service", "web")];
    failed(taken, ErrorReason::PortTaken, &metadata);
}

#[tokio::test]
async fn what_is_being_deleted_is_left_alone() {
    let desk = Desk::new().await;
    desk.create(spec("web")).await;
    let delete = v1::DeleteServiceRequest {
        service: "web".to_owned(),
        ..v1::DeleteServiceRequest::default()
    };
    desk.services()
        .delete_service(delete)
        .await
        .expect("it may go");
    let update = v1::UpdateServiceRequest {
        spec: Some(spec("web")),
        ..v1::UpdateServiceRequest::default()
    };
    failed(
        desk.services().update_service(update).await,
        ErrorReason::ObjectDeleting,
        &[],
    );
}

#[tokio::test]
async fn outside_of_a_swarm_there_is_nothing_to_list() {
    let desk = Desk::new().await;
    desk.membership.leave();
    let list = async || {
        let request = v1::ListServicesRequest::default();
        desk.services().list_services(request).await
    };
    let metadata = [("state", "OUTSIDE")];
    let told = failed(list().await, ErrorReason::WrongSwarmState, &metadata);
    assert!(told.message.contains("skep swarm init"), "{}", told.message);
    desk.membership.fail("its log is damaged".to_owned());
    let told = failed(
        list().await,
        ErrorReason::WrongSwarmState,
        &[("state", "ERROR")],
    );
    assert!(
        told.message.contains("its log is damaged"),
        "{}",
        told.message
    );
}

#[tokio::test]
async fn without_a_leader_nothing_is_changed() {
    let desk = Desk::new().await;
    desk.cluster.fail_next(ClusterError::NoQuorum);
    let told = desk.services().create_service(create(spec("web"))).await;
    failed(told, ErrorReason::NoQuorum, &[]);
    desk.create(spec("web")).await;
    desk.cluster.set_leaderless(true);
    let taken = desk.services().create_service(create(spec("web"))).await;
    failed(taken, ErrorReason::NoQuorum, &[]);
}

#[tokio::test]
async fn there_are_so_many_ports_and_no_more() {
    let desk = Desk::new().await;
    let ports = skep_core::admit::INGRESS_POOL.map(|number| v1::Port {
        target: 80,
        published: number.into(),
        ..v1::Port::default()
    });
    let ports: Vec<_> = ports.collect();
    for (number, ports) in ports.chunks(128).enumerate() {
        let mut all = spec(&format!("s{number}"));
        all.endpoint = Some(v1::EndpointSpec {
            ports: ports.to_vec(),
        });
        desk.create(all).await;
    }
    let told = desk
        .services()
        .create_service(create(with_port("web", 0)))
        .await;
    let metadata = [("pool", "ingress ports, tcp")];
    failed(told, ErrorReason::PoolExhausted, &metadata);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_takes_too_long_is_given_up() {
    let desk = Desk::new().await;
    desk.cluster.set_stuck(true);
    let mut request = Request::new(create(spec("web")));
    request.set_timeout(Duration::from_millis(200));
    let told = desk.services().create_service(request).await;
    failed(told, ErrorReason::DeadlineExceeded, &[]);
}

#[tokio::test]
async fn a_full_disk_is_named() {
    let desk = Desk::new().await;
    desk.cluster.fail_next(ClusterError::StorageFailed {
        path: "/var/lib/skep/log/1".into(),
        cause: "No space left on device".to_owned(),
    });
    let told = desk.services().create_service(create(spec("web"))).await;
    let metadata = [
        ("path", "/var/lib/skep/log/1"),
        ("cause", "No space left on device"),
    ];
    failed(told, ErrorReason::StorageFailed, &metadata);
}

#[tokio::test]
async fn a_change_that_is_too_large_is_refused() {
    let desk = Desk::new().await;
    desk.cluster
        .fail_next(ClusterError::TooLarge { size: 9, limit: 8 });
    let told = desk.services().create_service(create(spec("web"))).await;
    failed(told, ErrorReason::LimitExceeded, &[("limit", "8")]);
}
