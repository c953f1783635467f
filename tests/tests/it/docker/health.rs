// SPDX-License-Identifier: Apache-2.0
//! What the checks of containers say.

use skep_core::model::{HealthCheck, Probe};
use skep_core::node_agent::Health;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_image_with_a_check_is_healthy_or_not() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;
    let good = node.run(image("skep-hello:good", &[])).await;
    let bad = node.run(image("skep-hello:bad", &["--unhealthy"])).await;
    let plain = node.run(hello(&[])).await;
    node.until(plain, is_running).await;
    assert_eq!(node.seen(plain).health, Health::Unchecked);
    node.until(good, |seen| {
        matches!(seen.health, Health::Healthy(_)).then_some(())
    })
    .await;
    let said = node
        .until(bad, |seen| match &seen.health {
            Health::Unhealthy(said) => Some(said.clone()),
            _ => None,
        })
        .await;
    assert!(
        said.contains("503") && said.contains("unhealthy, as told"),
        "{said}"
    );
    // The engine leaves it running: what follows is for those who decide.
    assert!(is_running(&node.seen(bad)).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_says_what_is_checked() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;
    let quick = HealthCheck {
        interval: Some(Duration::from_millis(200)),
        retries: 1,
        ..HealthCheck::default()
    };
    let with = |base: &str, probe| {
        let mut work = image(base, &["--unhealthy"]);
        work.launch.health_check = Some(HealthCheck {
            probe: Some(probe),
            ..quick.clone()
        });
        work
    };
    let off = node.run(with("skep-hello:bad", Probe::Disabled)).await;
    let command = vec!["/skep-hello".to_owned(), "--check".to_owned()];
    let own = node
        .run(with("skep-hello:1", Probe::Exec { command }))
        .await;
    // What is asked from outside is not the engine's to ask.
    let outside = node
        .run(with("skep-hello:bad", Probe::Tcp { port: 1 }))
        .await;
    node.until(own, |seen| {
        matches!(seen.health, Health::Unhealthy(_)).then_some(())
    })
    .await;
    for task in [off, outside] {
        node.until(task, is_running).await;
        assert_eq!(node.seen(task).health, Health::Unchecked);
    }
}
