// SPDX-License-Identifier: Apache-2.0
//! `SwarmService` and `DaemonService`.

use skep_core::model::{Availability, NodeId, NodeState, SwarmId};
use skep_core::state::Write;
use skep_proto::v1;
use skep_proto::v1::ErrorReason;

use super::desk::{Desk, failed, refused};
use super::samples::{full_swarm, mask};

async fn get(desk: &Desk) -> v1::Swarm {
    let response = desk.swarm().get_swarm(v1::GetSwarmRequest::default()).await;
    response
        .expect("there is one")
        .into_inner()
        .swarm
        .expect("the answer shows it")
}

fn update(spec: v1::SwarmSpec) -> v1::UpdateSwarmRequest {
    v1::UpdateSwarmRequest {
        spec: Some(spec),
        ..v1::UpdateSwarmRequest::default()
    }
}

#[tokio::test]
pub(super) async fn the_settings_are_kept_as_they_were_written() {
    let desk = Desk::new().await;
    let updated = desk.swarm().update_swarm(update(full_swarm())).await;
    let updated = updated.expect("nothing is wrong").into_inner();
    let swarm = updated.swarm.expect("the answer shows it");
    assert_eq!(swarm.spec, Some(full_swarm()));
    assert_eq!(get(&desk).await, swarm);
    let again = desk.swarm().update_swarm(update(full_swarm())).await;
    assert_eq!(
        again.expect("it is so").into_inner().revision,
        desk.head().0
    );
    refused(
        desk.swarm()
            .update_swarm(v1::UpdateSwarmRequest::default())
            .await,
        &["spec"],
    );
}

#[tokio::test]
pub(super) async fn a_mask_changes_one_setting() {
    let desk = Desk::new().await;
    desk.swarm()
        .update_swarm(update(full_swarm()))
        .await
        .expect("nothing is wrong");
    let one = v1::UpdateSwarmRequest {
        update_mask: Some(mask(&["task_history"])),
        ..update(v1::SwarmSpec {
            task_history: Some(7),
            ..v1::SwarmSpec::default()
        })
    };
    desk.swarm()
        .update_swarm(one)
        .await
        .expect("nothing is wrong");
    let wanted = v1::SwarmSpec {
        task_history: Some(7),
        ..full_swarm()
    };
    assert_eq!(get(&desk).await.spec, Some(wanted));
}

#[tokio::test]
pub(super) async fn the_revision_of_the_settings_is_compared() {
    let desk = Desk::new().await;
    let present = get(&desk).await.meta.expect("it has one").spec_revision;
    let request = |seen| v1::UpdateSwarmRequest {
        if_spec_revision: seen,
        ..update(full_swarm())
    };
    let stale = desk.swarm().update_swarm(request(present + 1)).await;
    let told = [("spec_revision", &*present.to_string())];
    failed(stale, ErrorReason::SpecRevisionMismatch, &told);
    desk.swarm()
        .update_swarm(request(present))
        .await
        .expect("it is the present one");
}

#[tokio::test]
pub(super) async fn the_status_counts_nodes_and_what_they_have() {
    let desk = Desk::new().await;
    desk.cluster.write([Write::SetNodeState {
        node: NodeId(3),
        state: NodeState::Down,
        message: "silent".into(),
    }]);
    let status = get(&desk).await.status.expect("it has one");
    let counts = v1::NodeCounts {
        total: 3,
        ready: 2,
        down: 1,
        unknown: 0,
    };
    assert_eq!(status.nodes, Some(counts));
    assert_eq!(status.capacity.map(|all| all.cpu_millis), Some(8_000));
    assert_eq!(status.reserved, Some(v1::Resources::default()));
    assert_eq!((status.term, status.feature_version.as_str()), (3, "0.1.0"));
    let manager = &status.managers[0];
    assert_eq!(
        manager.node.as_ref().map(|node| node.name.as_str()),
        Some("node-1")
    );
    assert_eq!(
        manager.status.as_ref().map(|status| status.match_revision),
        Some(4)
    );
}

#[tokio::test]
pub(super) async fn a_daemon_says_what_it_is() {
    let desk = Desk::new().await;
    let daemon = desk.daemon().get_daemon(v1::GetDaemonRequest {}).await;
    let daemon = daemon
        .expect("it answers")
        .into_inner()
        .daemon
        .expect("the answer shows it");
    assert_eq!(daemon.state(), v1::daemon::State::Member);
    assert_eq!(daemon.role(), v1::NodeRole::Manager);
    assert_eq!(daemon.node, NodeId(1).to_string());
    assert_eq!(daemon.swarm, SwarmId(1).to_string());
    assert_eq!((daemon.version.as_str(), daemon.revision), ("0.1.0", 4));
    assert_eq!(daemon.address, "127.0.0.1");
}

#[tokio::test]
pub(super) async fn a_swarm_is_founded_as_was_asked_for() {
    let desk = Desk::new().await;
    let request = v1::InitSwarmRequest {
        spec: Some(full_swarm()),
        node_name: "first".to_owned(),
        availability: v1::node_spec::Availability::Drain.into(),
    };
    let founded = desk
        .daemon()
        .init_swarm(request.clone())
        .await
        .expect("it is in none");
    let founded = founded.into_inner();
    assert_eq!(founded.node, NodeId(7).to_string());
    assert_eq!(founded.swarm, SwarmId(8).to_string());
    let founding = desk
        .daemon
        .founded
        .lock()
        .unwrap()
        .clone()
        .expect("it was told");
    assert_eq!(founding.node_name.expect("it was named").as_str(), "first");
    assert_eq!(founding.availability, Some(Availability::Drain));
    assert_eq!(founding.spec.task_history(), 2);
    assert_eq!(founding.spec.name(), "bees");
    let twice = desk.daemon().init_swarm(request).await;
    failed(twice, ErrorReason::WrongSwarmState, &[("state", "MEMBER")]);
}

#[tokio::test]
pub(super) async fn a_swarm_is_founded_with_good_settings_only() {
    let desk = Desk::new().await;
    let bad = v1::InitSwarmRequest {
        spec: Some(v1::SwarmSpec {
            task_history: Some(101),
            ..v1::SwarmSpec::default()
        }),
        node_name: "no name".to_owned(),
        availability: 9,
    };
    let told = ["spec.task_history", "node_name", "availability"];
    refused(desk.daemon().init_swarm(bad).await, &told);
    assert_eq!(*desk.daemon.founded.lock().unwrap(), None);
    let plain = desk
        .daemon()
        .init_swarm(v1::InitSwarmRequest::default())
        .await;
    plain.expect("all defaults");
    let founding = desk
        .daemon
        .founded
        .lock()
        .unwrap()
        .clone()
        .expect("it was told");
    assert_eq!((founding.node_name, founding.availability), (None, None));
}

#[tokio::test]
pub(super) async fn the_last_manager_leaves_by_force_only() {
    let desk = Desk::new().await;
    let leave = async |force| {
        desk.daemon()
            .leave_swarm(v1::LeaveSwarmRequest { force })
            .await
    };
    let metadata = [("managers", "1"), ("reachable", "1")];
    failed(leave(false).await, ErrorReason::QuorumAtRisk, &metadata);
    leave(true).await.expect("it is forced");
    assert_eq!(*desk.daemon.forced.lock().unwrap(), Some(true));
}
