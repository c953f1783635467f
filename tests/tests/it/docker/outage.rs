// SPDX-License-Identifier: Apache-2.0
//! Engines that go and come back.

use skep_agent::logs::{LogItem, LogQuery};

use super::*;

async fn until_trouble(node: &Node<'_>, wanted: bool) {
    let mut hints = node.executor.hints();
    let waiting = async {
        while node.executor.troubles().is_empty() == wanted {
            hints.next().await;
        }
    };
    let waited = tokio::time::timeout(DEADLINE, waiting).await;
    waited.unwrap_or_else(|_| panic!("trouble: {:?}", node.executor.troubles()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_goes_takes_nothing_with_it() {
    let Some(engine) = Engine::start(&["--live-restore"]) else {
        return;
    };
    let node = Node::new(&engine).await;
    let task = node.run(hello(&["--print-every=50ms"])).await;
    let short = node.run(hello(&["--exit-after=4s", "--exit-code=5"])).await;
    let container = node.seen(task).container;
    let query = LogQuery {
        follow: true,
        ..LogQuery::default()
    };
    let mut lines = node.executor.logs(task, query).expect("it is there");
    let first = lines.next().await.expect("a line").expect("it can be read");

    engine.stop();
    until_trouble(&node, true).await;
    let trouble = node.executor.troubles().pop().expect("it is gone");
    assert_eq!(trouble.kind, "ENGINE_UNREACHABLE");
    assert!(
        trouble.message.contains(&engine.host()) && trouble.message.contains("--docker-host"),
        "{}",
        trouble.message
    );
    // What runs is not taken for gone, and no more comes here.
    assert!(node.executor.capabilities().is_empty());
    assert!(is_running(&node.seen(task)).is_some());
    let error = node.prepare(hello(&[])).await.expect_err("no engine");
    assert!(!error.is_refusal(), "{error}");

    // An agent that begins while it is away says that it has seen nothing.
    let owner = node.owner;
    let late = Node::of(&engine, owner, None).await;
    assert_eq!(late.executor.unseen(), ["workload.container"]);
    assert!(late.executor.list().is_empty() && !late.executor.troubles().is_empty());

    engine.start_again();
    until_trouble(&node, false).await;
    until_trouble(&late, false).await;
    assert!(late.executor.unseen().is_empty());
    assert_eq!(
        (late.seen(task).container, node.seen(task).container),
        (container.clone(), container)
    );
    assert!(node.executor.capabilities().contains(&"workload.container"));
    // What ended meanwhile has ended.
    let exit = node.exit(short).await;
    assert_eq!(exit.cause, ExitCause::Exited);

    // Lines go on where they were, none twice.
    let mut last = number(&first);
    for _ in 0..200 {
        let waited = tokio::time::timeout(DEADLINE, lines.next()).await;
        let line = waited
            .expect("lines go on")
            .expect("a line")
            .expect("it can be read");
        assert!(number(&line) > last);
        last = number(&line);
        if last > number(&first) + 8_000_000_000 {
            break;
        }
    }
    drop((lines, late));
    node.executor.remove(task).await.expect("removed");
    node.executor.remove(short).await.expect("removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_restarts_ends_what_ran() {
    let Some(engine) = Engine::start(&[]) else {
        return;
    };
    let node = Node::new(&engine).await;
    let task = node.run(hello(&[])).await;
    let prepared = node.prepare(hello(&[])).await.expect("prepared");
    engine.stop();
    engine.start_again();
    let exit = node.exit(task).await;
    assert_eq!(exit.cause, ExitCause::EngineLost);
    // Nobody but the managers begins it again.
    node.executor.start(task).await.expect("it has ended");
    assert_eq!(node.inspect(task, "{{.State.Running}}"), "false");
    node.executor.start(prepared).await.expect("started");
    node.until(prepared, is_running).await;
}

fn number(item: &LogItem) -> u64 {
    match item {
        LogItem::Line(line) => line.seq,
        gap => panic!("{gap:?}"),
    }
}
