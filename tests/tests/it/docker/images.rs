// SPDX-License-Identifier: Apache-2.0
//! Where images come from.

use std::path::Path;

use skep_core::node_agent::Note;
use skep_tests::Registry;
use skep_tests::registry::{PASSWORD, USER};

use super::*;

/// A registry that has `skep-hello` as `name:1`, and the settings of somebody who may use it.
pub(super) fn stocked(engine: &Engine, home: &Path) -> Option<(Registry, PathBuf, String)> {
    let registry = Registry::start()?;
    let address = registry.address();
    signed_in(
        engine,
        home,
        &["login", "-u", USER, "-p", PASSWORD, &address],
    );
    let image = format!("{address}/bees/hello");
    push(engine, home, "skep-hello:1", &format!("{image}:1"));
    Some((registry, home.join("config.json"), image))
}

/// Runs `docker` with the settings of somebody who may use the registry.
pub(super) fn signed_in(engine: &Engine, home: &Path, arguments: &[&str]) -> String {
    let home = home.display().to_string();
    engine.docker_ok(&[&["--config", &home], arguments].concat())
}

/// Gives the registry an image by another name, under which the engine then has none.
pub(super) fn push(engine: &Engine, home: &Path, image: &str, name: &str) {
    engine.docker_ok(&["tag", image, name]);
    signed_in(engine, home, &["push", name]);
    engine.docker_ok(&["rmi", name]);
}

pub(super) fn pulled(reference: &str, policy: Option<PullPolicy>) -> ContainerWork {
    let mut work = image(reference, &[]);
    work.launch.container.pull = policy;
    work
}

pub(super) fn owner() -> Owner {
    Owner {
        swarm: SwarmId(rand::random()),
        node: NodeId(rand::random()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_pulled_with_the_daemons_credentials() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let home = tempfile::tempdir().expect("a directory");
    let Some((mut registry, settings, name)) = stocked(&engine, home.path()) else {
        return;
    };
    let tag = format!("{name}:1");

    // Without them the registry's refusal is told as it is.
    let stranger = Node::new(&engine).await;
    let text = stranger.refusal(pulled(&tag, None)).await;
    assert!(
        text.contains("no basic auth credentials; run \"docker login 127.0.0.1:"),
        "{text}"
    );
    assert!(text.contains("--registry-config"), "{text}");
    assert!(text.ends_with("(field container.image)"), "{text}");

    // The password has letters that the engine takes in one alphabet only.
    let node = Node::of(&engine, owner(), Some(settings)).await;
    let task = node.prepare(pulled(&tag, None)).await.expect("pulled");
    let image = node.seen(task).image.to_string();
    assert!(image.starts_with(&format!("{name}@sha256:")), "{image}");
    assert_eq!(node.seen(task).note, None);
    assert!(!image.contains(PASSWORD));
    let missing = format!("{name}:no-such-tag");
    let text = node.refusal(pulled(&missing, None)).await;
    assert!(text.contains("no-such-tag"), "{text}");

    // An image that is named by its digest cannot change: the registry is not asked again.
    registry.kill();
    let by_digest = node
        .prepare(pulled(&image, None))
        .await
        .expect("it is here");
    assert_eq!(
        (&*node.seen(by_digest).image, node.seen(by_digest).note),
        (&*image, None)
    );
    // A tag may have, so that is said.
    let by_tag = node
        .prepare(pulled(&tag, None))
        .await
        .expect("the local one");
    let Some(Note { reason, message }) = node.seen(by_tag).note else {
        panic!("nothing is said")
    };
    assert_eq!(reason, "LOCAL_IMAGE");
    assert!(message.contains("refused"), "{message}");
    let missing = pulled(&tag, Some(PullPolicy::IfMissing));
    let missing = node.prepare(missing).await.expect("it is here");
    assert_eq!(node.seen(missing).note, None);

    // One that is nowhere may be there later: that is no refusal.
    let away = format!("{}/bees/away:1", registry.address());
    let error = node
        .prepare(pulled(&away, None))
        .await
        .expect_err("nobody has it");
    assert!(!error.is_refusal(), "{error}");
    assert!(error.to_string().contains("cannot pull"), "{error}");
    engine.docker_ok(&["rmi", "-f", &tag]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_ends_when_nobody_wants_it_any_more() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;
    // A registry that takes connections and never answers.
    let silent = std::net::TcpListener::bind((HERE, 0)).expect("a port");
    let address = silent.local_addr().expect("it has one");
    let work = pulled(&format!("{address}/bees/slow:1"), None);
    let task = work.task;
    let preparing = node.prepare(work);
    let (prepared, ()) = tokio::join!(preparing, async {
        let note = node.until(task, |seen| seen.note.clone()).await;
        assert_eq!(note.reason, "PULLING");
        assert_eq!(node.seen(task).phase, Phase::Preparing);
        node.executor.remove(task).await.expect("removed");
    });
    assert!(prepared.is_err());
    assert!(node.executor.list().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_no_registry_has_no_digest() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;
    let id = engine.docker_ok(&["inspect", "-f", "{{.Id}}", "skep-hello:2"]);
    for reference in ["skep-hello:2", &id] {
        let task = node.prepare(image(reference, &[])).await.expect("prepared");
        assert_eq!(&*node.seen(task).image, "");
        assert_eq!(node.inspect(task, "{{.Image}}"), id);
    }
    let unknown = format!("sha256:{}", "0".repeat(64));
    let text = node.refusal(image(&unknown, &[])).await;
    assert!(text.contains("no image with this id"), "{text}");
}
