// SPDX-License-Identifier: Apache-2.0
//! What is known of an engine that does not say everything.

use std::net::Ipv4Addr;

use serde_json::json;
use skep_agent::executor::ExitCause;
use skep_agent::executor::{Executor, Trouble};
use skep_core::model::{NodeId, SwarmId};

use super::*;
use crate::executor::{DockerExecutor, DockerOptions};
use crate::fake::FakeEngine;
use crate::labels::{Owner, container_name};
use crate::testing::work;
use crate::version::ApiVersion;

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

/// How the container of the task of [`work`] stands, as an engine says it.
struct Stand {
    status: &'static str,
    code: i32,
    oom: bool,
    health: &'static str,
}

const RUNNING: Stand = Stand {
    status: "running",
    code: 0,
    oom: false,
    health: "healthy",
};

const KILLED: Stand = Stand {
    status: "exited",
    code: 137,
    ..RUNNING
};

/// Whose it is stands on it: the container's id.
const ID: &str = "c0ffee";

impl Stand {
    /// Says so from now on, and tells nobody.
    fn put(&self, fake: &FakeEngine) {
        let work = work("web:1");
        let (name, labels) = (format!("/{}", container_name(&work)), OWNER.labels(&work));
        let listed = json!([{
            "Id": ID, "Names": [name], "Labels": labels, "State": self.status,
            "Status": format!("Up 2 minutes ({})", self.health),
        }]);
        let inspected = json!({
            "Id": ID, "Name": name, "Image": format!("sha256:{}", "0".repeat(64)),
            "Config": {"Image": format!("sha256:{}", "0".repeat(64)), "Labels": labels},
            "State": {
                "Status": self.status, "ExitCode": self.code, "OOMKilled": self.oom, "Pid": 7,
                "StartedAt": "2023-11-14T22:13:20Z", "FinishedAt": "2023-11-14T22:13:21Z",
                "Health": {"Status": self.health},
            },
        });
        fake.set("/containers/c0ffee/json", 200, inspected.to_string());
        fake.set("/containers/json", 200, listed.to_string());
    }
}

/// What an engine tells of that container.
fn event(action: &str) -> String {
    let attributes = OWNER.labels(&work("web:1"));
    let actor = json!({"ID": ID, "Attributes": attributes});
    json!({"Type": "container", "Action": action, "Actor": actor}).to_string()
}

/// The phase of that task.
fn phase(executor: &DockerExecutor) -> Option<Phase> {
    Some(executor.get(work("web:1").task)?.phase)
}

async fn until_ended(executor: &DockerExecutor) -> skep_agent::executor::Exit {
    until(executor, || match phase(executor) {
        Some(Phase::Exited(exit)) => Some(exit),
        _ => None,
    })
    .await
}

/// So long that no test sees it.
const NEVER: Duration = Duration::from_secs(86_400);
const SOON: Duration = Duration::from_millis(20);

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
    let executor = executor(&fake, SOON).await;
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

#[tokio::test]
async fn events_are_listened_to_before_everything_is_looked_at() {
    let fake = empty();
    RUNNING.put(&fake);
    // An engine whose list comes late, and that keeps no events for those who listen later.
    fake.let_lists_wait();
    let executor = executor(&fake, NEVER).await;
    until(&executor, || executor.unseen().is_empty().then_some(())).await;
    assert!(matches!(phase(&executor), Some(Phase::Running { .. })));
    KILLED.put(&fake);
    fake.tell(event("die"));
    assert_eq!(until_ended(&executor).await.code, Some(137));
}

#[tokio::test]
async fn what_no_event_told_is_found_by_looking() {
    let fake = empty();
    RUNNING.put(&fake);
    let executor = executor(&fake, SOON).await;
    fake.heard().await;
    let health = || {
        executor
            .get(work("web:1").task)
            .map(|seen| seen.health.state())
    };
    assert_eq!(health(), Some(HealthState::Healthy));
    let sick = Stand {
        health: "unhealthy",
        ..RUNNING
    };
    sick.put(&fake);
    until(&executor, || {
        (health() == Some(HealthState::Unhealthy)).then_some(())
    })
    .await;
    KILLED.put(&fake);
    assert_eq!(until_ended(&executor).await.code, Some(137));
    // What is not listed any more is gone.
    fake.set("/containers/json", 200, "[]");
    fake.set("/containers/c0ffee/json", 404, "{}");
    until(&executor, || executor.list().is_empty().then_some(())).await;
}

#[tokio::test]
async fn what_is_not_new_is_not_asked_for_again() {
    let fake = empty();
    RUNNING.put(&fake);
    let executor = executor(&fake, SOON).await;
    let count = |what: &str| {
        let asked = fake.asked();
        asked.iter().filter(|head| head.contains(what)).count()
    };
    let waiting = async {
        while count("/containers/json") < 5 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting)
        .await
        .expect("it looks");
    assert_eq!(count("/containers/c0ffee/json"), 1);
    assert!(matches!(phase(&executor), Some(Phase::Running { .. })));
}

#[tokio::test]
async fn an_engine_that_comes_back_may_be_another_version() {
    let fake = empty();
    RUNNING.put(&fake);
    let engine = fake.engine();
    let options = DockerOptions {
        engine: engine.clone(),
        owner: OWNER,
        address: Ipv4Addr::LOCALHOST.into(),
        registry_config: None,
    };
    let pace = Pace {
        look_every: NEVER,
        pauses: (SOON, SOON),
    };
    let executor = DockerExecutor::open_at(options, pace).await;
    for (version, minor) in [("1.41", 41), ("1.44", 44)] {
        fake.heard().await;
        fake.set_version(version);
        fake.hang_up();
        let wanted = ApiVersion::new(1, minor);
        until(&executor, || (engine.version() == wanted).then_some(())).await;
        until(&executor, || executor.troubles().is_empty().then_some(())).await;
        assert!(matches!(phase(&executor), Some(Phase::Running { .. })));
    }
    // One that is too old now is as good as none, and takes nothing with it.
    fake.heard().await;
    fake.set_version("1.40");
    fake.hang_up();
    let words = until(&executor, || {
        let mut troubles = executor.troubles().into_iter();
        troubles.find(|it| it.message.contains("1.40"))
    })
    .await;
    assert_eq!(words.kind, "ENGINE_UNREACHABLE");
    assert!(matches!(phase(&executor), Some(Phase::Running { .. })));
}

#[tokio::test]
async fn an_end_for_want_of_memory_may_be_told_after_it() {
    // By an event, and by the container itself.
    for late in ["oom", ""] {
        let fake = empty();
        RUNNING.put(&fake);
        let executor = executor(&fake, NEVER).await;
        fake.heard().await;
        KILLED.put(&fake);
        fake.tell(event("die"));
        if late.is_empty() {
            let looked = async {
                let looks = |head: &String| head.contains("/containers/c0ffee/json");
                while fake.asked().iter().filter(|head| looks(head)).count() < 2 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(DEADLINE, looked)
                .await
                .expect("it looks");
            Stand {
                oom: true,
                ..KILLED
            }
            .put(&fake);
        } else {
            fake.tell(event(late));
        }
        assert_eq!(until_ended(&executor).await.cause, ExitCause::OutOfMemory);
    }
    // Whoever was killed by somebody ends so, if nothing else is told.
    let fake = empty();
    RUNNING.put(&fake);
    let executor = executor(&fake, NEVER).await;
    fake.heard().await;
    KILLED.put(&fake);
    fake.tell(event("die"));
    assert_eq!(until_ended(&executor).await.cause, ExitCause::Exited);
}

#[tokio::test]
async fn an_end_with_the_engine_is_no_end_by_itself() {
    for unseen in [true, false] {
        let fake = empty();
        RUNNING.put(&fake);
        let executor = executor(&fake, NEVER).await;
        fake.heard().await;
        if unseen {
            // It is away, and what ran is found ended once it is back.
            fake.set("/version", 503, "{}");
            fake.hang_up();
            until(&executor, || {
                (!executor.troubles().is_empty()).then_some(())
            })
            .await;
            KILLED.put(&fake);
            fake.set_version("1.44");
        } else {
            // It stops: it still tells what ends, but takes no new connections.
            fake.set("/_ping", 503, "{}");
            KILLED.put(&fake);
            fake.tell(event("die"));
        }
        let exit = until_ended(&executor).await;
        assert_eq!((exit.cause, exit.code), (ExitCause::EngineLost, Some(137)));
        assert!(exit.message.contains("went away"), "{}", exit.message);
    }
}

#[tokio::test]
async fn what_ends_after_the_engine_came_back_ends_by_itself() {
    let fake = empty();
    RUNNING.put(&fake);
    let executor = executor(&fake, NEVER).await;
    fake.heard().await;
    fake.set("/version", 503, "{}");
    fake.hang_up();
    until(&executor, || {
        (!executor.troubles().is_empty()).then_some(())
    })
    .await;
    fake.set_version("1.44");
    until(&executor, || executor.troubles().is_empty().then_some(())).await;
    fake.heard().await;
    KILLED.put(&fake);
    fake.tell(event("die"));
    assert_eq!(until_ended(&executor).await.cause, ExitCause::Exited);
}
