// SPDX-License-Identifier: Apache-2.0
//! From the image to the end, and what must never happen on the way.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_a_container_from_first_to_last() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;
    assert!(node.executor.capabilities().contains(&"workload.container"));
    assert!(node.executor.unseen().is_empty() && node.executor.troubles().is_empty());

    let mut work = hello(&[]);
    let number = free_port();
    work.ports = vec![port(8_080, number)];
    let task = node.prepare(work.clone()).await.expect("prepared");
    assert_eq!(node.seen(task).phase, Phase::Prepared);
    node.prepare(work.clone()).await.expect("prepared already");
    node.executor.start(task).await.expect("started");
    let pid = node
        .until(task, |seen| match seen.phase {
            Phase::Running { pid, .. } => Some(pid),
            _ => None,
        })
        .await;
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
    node.executor.start(task).await.expect("started already");
    assert_eq!(node.seen(task).ports, work.ports);

    // Whose it is stands on it, and its name is made from its id.
    let label =
        |name: &str| node.inspect(task, &format!("{{{{index .Config.Labels \"{name}\"}}}}"));
    assert_eq!(label("skep.task"), task.to_string());
    assert_eq!(label("skep.node"), node.owner.node.to_string());
    assert_eq!(label("skep.swarm"), node.owner.swarm.to_string());
    assert_eq!(label("skep.template_revision"), "5");
    assert_eq!(node.inspect(task, "{{.Name}}"), format!("/web.1.{task}"));
    // The engine starts nothing again by itself, and clears nothing away.
    assert_eq!(
        node.inspect(task, "{{.HostConfig.RestartPolicy.Name}}"),
        "no"
    );
    assert_eq!(node.inspect(task, "{{.HostConfig.AutoRemove}}"), "false");
    assert_eq!(
        node.inspect(task, "{{.HostConfig.LogConfig.Config}}"),
        "map[max-file:3 max-size:10m]"
    );

    // It is reached through the node's own address.
    let mut stream = TcpStream::connect((HERE, number)).expect("it listens");
    stream
        .write_all(b"GET /task HTTP/1.0\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.0 200"),
        "{answer}"
    );

    let grace = Duration::from_secs(30);
    node.executor
        .stop(task, signal::OWN, grace)
        .await
        .expect("told to stop");
    let exit = node.exit(task).await;
    assert_eq!((exit.cause, exit.code), (ExitCause::Stopped, Some(0)));
    // What has ended is never started again.
    node.executor.start(task).await.expect("it ran already");
    assert!(matches!(node.seen(task).phase, Phase::Exited(_)));

    node.executor.remove(task).await.expect("removed");
    node.executor.remove(task).await.expect("removed already");
    assert!(node.executor.list().is_empty());
    let left = format!("name={task}");
    assert_eq!(engine.docker_ok(&["ps", "-aq", "--filter", &left]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_say_how_they_came() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;

    let failed = node
        .run(hello(&["--exit-after=1ms", "--exit-code=3"]))
        .await;
    let exit = node.exit(failed).await;
    assert_eq!((exit.cause, exit.code), (ExitCause::Exited, Some(3)));
    assert!(
        exit.message
            .starts_with("exited with code 3; last output:\n"),
        "{}",
        exit.message
    );
    assert!(exit.message.contains("exiting with 3"), "{}", exit.message);

    // What comes late is not lost, see the tests of `sync`. But an engine that has too much to do
    // may lose the cause for good, so that neither an event nor the container ever says it: the
    // kernel tells containerd's shim of it through the control group, which is gone, with its
    // counters, as soon as the last program in it is.
    let mut exit = None;
    for _ in 0..10 {
        let mut greedy = hello(&["--eat-memory=64M"]);
        greedy.limits.memory_bytes = 16 << 20;
        let greedy = node.run(greedy).await;
        let end = node.exit(greedy).await;
        assert_eq!(end.code, Some(137), "{}", end.message);
        if end.cause == ExitCause::OutOfMemory {
            exit = Some(end);
            break;
        }
    }
    let exit = exit.expect("one that took too much is told so");
    assert!(
        exit.message.contains("limit of 16777216 bytes"),
        "{}",
        exit.message
    );

    // A signal that does not come from us.
    let killed = node.run(hello(&[])).await;
    node.engine
        .docker_ok(&["kill", "-s", "KILL", &node.seen(killed).container]);
    let exit = node.exit(killed).await;
    assert_eq!((exit.cause, exit.code), (ExitCause::Exited, Some(137)));
    assert!(
        exit.message.contains("stands for SIGKILL"),
        "{}",
        exit.message
    );

    // A removal by somebody else is seen too, and stays known until it is removed here.
    let removed = node.run(hello(&[])).await;
    node.engine
        .docker_ok(&["rm", "-f", &node.seen(removed).container]);
    let exit = node.exit(removed).await;
    assert_eq!((exit.cause, exit.code), (ExitCause::Lost, None));
    assert!(exit.message.contains("docker rm -f"), "{}", exit.message);
    node.executor.remove(removed).await.expect("removed");
    node.gone(removed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_takes_no_longer_than_its_grace() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;
    let deaf = node.run(hello(&["--ignore-sigterm"])).await;
    // The engine's own call would wait for the whole grace; an order comes back at once.
    let asked = std::time::Instant::now();
    let long = Duration::from_secs(86_400);
    node.executor
        .stop(deaf, TERM, long)
        .await
        .expect("told to stop");
    assert!(
        asked.elapsed() < Duration::from_secs(20),
        "{:?}",
        asked.elapsed()
    );
    // A further order only brings the end nearer.
    let short = Duration::from_millis(100);
    node.executor
        .stop(deaf, TERM, short)
        .await
        .expect("told again");
    let exit = node.exit(deaf).await;
    assert_eq!((exit.cause, exit.code), (ExitCause::Stopped, Some(137)));

    // One that never started ends at once.
    let never = node.prepare(hello(&[])).await.expect("prepared");
    node.executor
        .stop(never, TERM, long)
        .await
        .expect("stopped");
    let exit = node.exit(never).await;
    assert_eq!((exit.cause, exit.code), (ExitCause::Stopped, None));
    node.executor.start(never).await.expect("it has ended");
    assert_eq!(node.inspect(never, "{{.State.Status}}"), "created");
    let unknown = node.executor.stop(TaskId(1), TERM, long).await;
    assert!(matches!(unknown, Err(ExecutorError::UnknownTask(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_start_says_why() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;
    let mut missing = hello(&[]);
    missing.launch.container.command = vec!["/no/such/program".to_owned()];
    let missing = node.prepare(missing).await.expect("prepared");
    let error = node.executor.start(missing).await.expect_err("no program");
    assert!(error.is_refusal(), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("/no/such/program") && text.contains("container.command"),
        "{text}"
    );
    let exit = node.exit(missing).await;
    assert_eq!((exit.cause, exit.code), (ExitCause::NotStarted, None));

    // The engine takes ports when a container starts, not when it is made.
    let taken = TcpListener::bind((HERE, 0)).expect("a port");
    let number = taken.local_addr().expect("it has one").port();
    let mut work = hello(&[]);
    work.ports = vec![port(8_080, number)];
    let task = node.prepare(work).await.expect("prepared");
    let text = node
        .executor
        .start(task)
        .await
        .expect_err("taken")
        .to_string();
    let want = format!("port {number}/tcp of the node is held by another program");
    assert!(text.starts_with(&want), "{text}");
    node.executor.remove(task).await.expect("removed");
    node.executor.remove(missing).await.expect("removed");
    assert!(node.executor.list().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_made_once_whoever_asks_again() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;
    let (prepared, running, ended) = (hello(&[]), hello(&[]), hello(&["--exit-after=1ms"]));
    let tasks = [prepared.task, running.task, ended.task];
    node.prepare(prepared.clone()).await.expect("prepared");
    node.run(running.clone()).await;
    node.run(ended.clone()).await;
    node.exit(ended.task).await;
    let before: Vec<_> = tasks
        .iter()
        .map(|task| node.seen(*task).container)
        .collect();

    let node = node.again().await;
    let after: Vec<_> = tasks
        .iter()
        .map(|task| node.seen(*task).container)
        .collect();
    assert_eq!(before, after);
    assert_eq!(node.seen(tasks[0]).phase, Phase::Prepared);
    assert!(matches!(node.seen(tasks[1]).phase, Phase::Running { .. }));
    let exit = node.exit(tasks[2]).await;
    assert_eq!((exit.cause, exit.code), (ExitCause::Exited, Some(0)));
    for work in [prepared, running, ended] {
        node.run(work).await;
    }
    assert_eq!(node.inspect(tasks[2], "{{.State.Status}}"), "exited");
    let count = format!("label=skep.node={}", node.owner.node);
    assert_eq!(
        engine
            .docker_ok(&["ps", "-aq", "--filter", &count])
            .lines()
            .count(),
        3
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_never_touched() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let (one, other) = (Node::new(&engine).await, Node::new(&engine).await);
    let task = one.run(hello(&[])).await;
    // Another node on the same engine does not see it.
    assert!(other.executor.list().is_empty());
    other.executor.remove(task).await.expect("not its task");
    one.until(task, is_running).await;

    // Nor is what has its labels, because it was made from an image of it.
    let container = one.seen(task).container;
    engine.docker_ok(&["commit", &container, "copy:1"]);
    engine.docker_ok(&["run", "-d", "--name", "hopper", "copy:1"]);
    let one = one.again().await;
    assert_eq!(one.executor.list().len(), 1);
    assert_eq!(one.seen(task).container, container);
    one.executor.remove(task).await.expect("removed");
    let one = one.again().await;
    assert!(one.executor.list().is_empty());
    assert_eq!(
        engine.docker_ok(&["inspect", "-f", "{{.State.Running}}", "hopper"]),
        "true"
    );

    // A name that somebody else has taken is named, and left alone.
    let work = hello(&[]);
    let name = format!("web.1.{}", work.task);
    engine.docker_ok(&["create", "--name", &name, "skep-hello:1"]);
    let text = one.refusal(work).await;
    assert!(
        text.contains(&name) && text.contains("is not of this node"),
        "{text}"
    );
    assert!(one.executor.list().is_empty());
    engine.docker_ok(&["rm", "-f", "hopper", &name]);
}
