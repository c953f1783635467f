// SPDX-License-Identifier: Apache-2.0
//! Tasks that leave the traffic while a node cannot be asked.

use skep_core::control::CONFIRM_TIME_MAX;
use skep_core::model::*;
use skep_core::state::Write;
use std::time::Duration;

use crate::swarm::{Swarm, ingress};

/// A node that is silent and not down yet may still send connections to anybody, so each step of
/// a rollout waits for it: as long as is allowed, and then the rollout goes on.
#[tokio::test]
async fn a_rollout_goes_on_without_a_node_that_is_cut_off() {
    let patient = SwarmSpec {
        heartbeat_period: Some(Duration::from_millis(100)),
        down_after: Some(Duration::from_secs(600)),
        ..SwarmSpec::default()
    };
    let swarm = Swarm::with(3, patient).await;
    let service = swarm.service("web", 2, &[], vec![ingress()]);
    let before = swarm.running(service, 2).await;
    let is_idle = |node: &NodeId| before.iter().all(|task| task.occupies() != Some(*node));
    let mut nodes = swarm.nodes.iter();
    let idle = nodes.find(|node| is_idle(&node.id)).expect("one has none");
    let mut spec = NodeSpec::clone(&swarm.state().node(idle.id).expect("it is there").spec);
    spec.availability = Some(Availability::Pause);
    swarm.cluster.write([Write::PutNodeSpec {
        node: idle.id,
        spec: spec.into(),
    }]);
    idle.wire.set_silent(true);

    swarm.roll(service, "again");
    let revision = |swarm: &Swarm| Some(swarm.state().service(service)?.template_revision);
    let new = revision(&swarm).expect("it is there");
    let done = |swarm: &Swarm| {
        let running = swarm.in_state(service, TaskState::Running);
        let new = running.iter().filter(|task| task.template_revision == new);
        (new.count() == 2).then_some(())
    };
    swarm
        .until("both are made from the new template", done)
        .await;

    for task in before {
        let known = swarm.state().task(task.meta.id).cloned();
        let drain = known.and_then(|task| task.drain).expect("it has left");
        let released = drain.released.expect("it was released");
        let waited = released.time.since(drain.told);
        assert!(released.unconfirmed, "{drain:?}");
        assert!(
            (CONFIRM_TIME_MAX..CONFIRM_TIME_MAX * 3).contains(&waited),
            "{waited:?}"
        );
    }
    let state = swarm.state().node(idle.id).map(|node| node.status.state);
    assert_ne!(state, Some(NodeState::Down), "it was waited for");
}
