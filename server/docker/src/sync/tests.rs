// SPDX-License-Identifier: Apache-2.0
//! What is known of an engine that does not say everything.

use std::net::Ipv4Addr;

use skep_agent::executor::{Executor, Trouble};
use skep_core::model::{NodeId, SwarmId};

use super::*;
use crate::executor::{DockerExecutor, DockerOptions};
use crate::fake::FakeEngine;

const OWNER: Owner = Owner {
    swarm: SwarmId(1),
    node: NodeId(2),
};
const DEADLINE: Duration = Duration::from_secs(30);

/// An engine that has no containers.
fn empty() -> FakeEngine {
    let answers = vec![
        ("/info", 200, info("inactive")),
        ("/containers/json", 200, "[]".to_owned()),
    ];
    FakeEngine::new("1.44", answers)
}

fn info(swarm: &str) -> String {
    format!("{{\"MemoryLimit\": true, \"Swarm\": {{\"LocalNodeState\": \"{swarm}\"}}}}")
}

/// An executor that looks every so often without an event.
async fn executor(fake: &FakeEngine, look_every: Duration) -> DockerExecutor {
    let options = DockerOptions {
        engine: fake.engine(),
        owner: OWNER,
        address: Ipv4Addr::LOCALHOST.into(),
        registry_config: None,
    };
    let pace = Pace {
        look_every,
        pauses: (Duration::from_millis(10), Duration::from_millis(10)),
    };
    DockerExecutor::open_at(options, pace).await
}

async fn until<T>(executor: &DockerExecutor, look: impl Fn() -> Option<T>) -> T {
    let mut hints = executor.hints();
    let waiting = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            hints.next().await;
        }
    };
    let waited = tokio::time::timeout(DEADLINE, waiting).await;
    waited.unwrap_or_else(|_| panic!("in vain: {:?}", executor.list()))
}

#[tokio::test]
async fn the_engines_own_swarm_mode_is_a_trouble_that_comes_and_goes() {
    let fake = empty();
    fake.set("/info", 200, info("active"));
    let executor = executor(&fake, Duration::from_millis(20)).await;
    let troubles = executor.troubles();
    let [Trouble { kind, message }] = &troubles[..] else {
        panic!("{troubles:?}")
    };
    assert_eq!(*kind, "ENGINE_IN_SWARM_MODE");
    for named in [
        "2377/tcp",
        "7946/tcp",
        "7946/udp",
        "4789/udp",
        "docker swarm leave",
    ] {
        assert!(message.contains(named), "{message}");
    }
    // It keeps nobody from running tasks.
    let can = ["workload.container", "container.limits.memory"];
    assert_eq!(executor.capabilities(), can);
    // No event tells that it ended, or began anew.
    for (state, wanted) in [("inactive", 0), ("pending", 1), ("inactive", 0)] {
        fake.set("/info", 200, info(state));
        until(&executor, || {
            (executor.troubles().len() == wanted).then_some(())
        })
        .await;
    }
}
