// SPDX-License-Identifier: Apache-2.0
//! What people do to the containers of tasks by hand.

use super::*;

/// How many containers the engine has of a node.
fn count(node: &Node<'_>) -> usize {
    let label = format!("label=skep.node={}", node.owner.node);
    let listed = node.engine.docker_ok(&["ps", "-aq", "--filter", &label]);
    listed.lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_was_renamed_is_still_the_tasks() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;
    let work = hello(&[]);
    let task = node.run(work.clone()).await;
    let container = node.seen(task).container;
    let another = format!("renamed-{task}");
    engine.docker_ok(&["rename", &container, &another]);
    // Whoever asks again gets no second one, also in a later life of the agent, which only knows
    // the name that it was made with and the id that was written down.
    node.run(work.clone()).await;
    let node = node.again().await;
    assert!(
        node.executor.get(task).is_none(),
        "it is known by its id only"
    );
    let written = vec![(task, container.clone())];
    node.executor.recall(written).await;
    assert_eq!(node.seen(task).container, container);
    node.run(work).await;
    assert_eq!(count(&node), 1);

    // A copy of it is nobody's, whatever name it has meanwhile.
    engine.docker_ok(&["commit", &container, "renamed:1"]);
    let copy = engine.docker_ok(&["run", "-d", "renamed:1"]);
    let grace = Duration::from_secs(30);
    node.executor
        .stop(task, signal::OWN, grace)
        .await
        .expect("told to stop");
    assert_eq!(node.exit(task).await.cause, ExitCause::Stopped);
    node.executor.remove(task).await.expect("removed");
    assert!(node.executor.list().is_empty());
    let state = engine.docker_ok(&["inspect", "-f", "{{.State.Running}}", &copy]);
    assert_eq!((state.as_str(), count(&node)), ("true", 1));
    engine.docker_ok(&["rm", "-f", &copy]);
    engine.docker_ok(&["rmi", "-f", "renamed:1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_paused_is_there_and_can_be_stopped() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;
    let task = node.run(hello(&[])).await;
    engine.docker_ok(&["pause", &node.seen(task).container]);
    // The daemon begins anew and finds it so.
    let node = node.again().await;
    assert_eq!(node.inspect(task, "{{.State.Status}}"), "paused");
    assert!(is_running(&node.seen(task)).is_some());
    let grace = Duration::from_secs(1);
    node.executor
        .stop(task, signal::OWN, grace)
        .await
        .expect("told to stop");
    assert_eq!(node.exit(task).await.cause, ExitCause::Stopped);
    node.executor.remove(task).await.expect("removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_was_restarted_is_seen_as_it_runs() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;
    let task = node.run(hello(&[])).await;
    let pid = |seen: &Observed| match seen.phase {
        Phase::Running { pid, .. } if pid > 0 => Some(pid),
        _ => None,
    };
    let before = node.until(task, pid).await;
    let container = node.seen(task).container;
    engine.docker_ok(&["restart", "-t", "0", &container]);
    let after = node
        .until(task, |seen| pid(seen).filter(|pid| *pid != before))
        .await;
    assert_eq!(node.inspect(task, "{{.State.Pid}}"), after.to_string());
    assert_eq!((node.seen(task).container, count(&node)), (container, 1));
    let grace = Duration::from_secs(30);
    node.executor
        .stop(task, signal::OWN, grace)
        .await
        .expect("told to stop");
    assert_eq!(node.exit(task).await.cause, ExitCause::Stopped);
    node.executor.remove(task).await.expect("removed");
}
