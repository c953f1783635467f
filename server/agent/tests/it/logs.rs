// SPDX-License-Identifier: Apache-2.0
//! What tasks print, from their pipes to a reader.

use std::time::Duration;

use futures::StreamExt;
use skep_agent::executor::Executor;
use skep_agent::logs::{LINE_BYTES, LogItem, LogLimits, LogQuery, LogSource};

use crate::support::*;

fn follow() -> LogQuery {
    LogQuery {
        follow: true,
        ..LogQuery::default()
    }
}

#[tokio::test]
async fn lines_have_numbers_times_and_sources() {
    let node = Node::new();
    let executor = node.executor().await;
    let task = run(&executor, script("echo out; echo err >&2; printf last")).await;
    end_of(&executor, task).await;
    let items = executor
        .logs(task, LogQuery::default())
        .expect("a log")
        .collect::<Vec<_>>()
        .await;
    let mut lines = Vec::new();
    for item in items {
        match item.expect("an item") {
            LogItem::Line(line) => lines.push(line),
            gap @ LogItem::Gap { .. } => panic!("{gap:?}"),
        }
    }
    assert_eq!(
        lines.iter().map(|line| line.seq).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert_eq!(lines[0].data, b"out");
    assert_eq!(lines[0].source, LogSource::Stdout);
    assert!(
        lines
            .iter()
            .any(|line| line.source == LogSource::Stderr && line.data == b"err")
    );
    assert!(
        lines.iter().any(|line| line.data == b"last"),
        "without a newline"
    );
    assert!(lines.windows(2).all(|pair| pair[0].time <= pair[1].time));

    let moment = lines[1].time;
    let since = LogQuery {
        since: Some(moment),
        ..LogQuery::default()
    };
    let want = lines.iter().filter(|line| line.time >= moment).count();
    assert_eq!(output(&executor, task, since).await.len(), want);
}

#[tokio::test]
async fn bytes_that_are_no_text_and_long_lines_come_as_they_were() {
    let node = Node::new();
    let executor = node.executor().await;
    let text = format!(
        "printf 'a\\000b\\377c\\n'; head -c {} /dev/zero; echo",
        LINE_BYTES + 10
    );
    let task = run(&executor, script(&text)).await;
    end_of(&executor, task).await;
    let items = executor
        .logs(task, LogQuery::default())
        .expect("a log")
        .collect::<Vec<_>>()
        .await;
    let lines: Vec<(usize, bool)> = items
        .into_iter()
        .map(|item| match item.expect("an item") {
            LogItem::Line(line) => (line.data.len(), line.partial),
            gap @ LogItem::Gap { .. } => panic!("{gap:?}"),
        })
        .collect();
    assert_eq!(lines, [(5, false), (LINE_BYTES, true), (10, false)]);
}

#[tokio::test]
async fn a_follower_sees_every_line_over_rotation_and_the_end() {
    let logs = LogLimits {
        segment_bytes: 2_000,
        segments: 10_000,
        ..LogLimits::default()
    };
    let node = Node::with_logs(logs);
    let executor = node.executor().await;
    let text = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; done";
    let task = run(&executor, script(text)).await;
    let lines = output(&executor, task, follow()).await;
    assert_eq!(lines.len(), 3_000);
    assert!(
        lines
            .iter()
            .enumerate()
            .all(|(at, line)| *line == format!("line {}", at + 1))
    );
    let segments = std::fs::read_dir(node.task_dir(task).join("log"))
        .expect("a log")
        .count();
    assert!(segments > 20, "{segments} segments");
}

#[tokio::test]
async fn a_follower_gets_lines_as_they_come_and_a_tail_first() {
    let node = Node::new();
    let executor = node.executor().await;
    let (one, go) = (node.shared("one"), node.shared("go"));
    let text = format!(
        "echo a; echo b; echo c; echo > {}; while [ ! -e {} ]; do sleep 0.01; done; echo d",
        one.display(),
        go.display()
    );
    let task = run(&executor, script(&text)).await;
    text_of(&one).await;
    let lines = || {
        let last = std::fs::read_dir(node.task_dir(task).join("log"))
            .into_iter()
            .flatten();
        last.flatten()
            .any(|file| std::fs::read(file.path()).is_ok_and(|text| text.ends_with(b"c\n")))
    };
    until("three lines", lines).await;
    let query = LogQuery {
        tail: Some(2),
        ..follow()
    };
    let mut items = executor.logs(task, query).expect("a log");
    let mut next = async || {
        let item = tokio::time::timeout(DEADLINE, items.next())
            .await
            .expect("in time");
        item.map(|item| shown(&item.expect("an item")))
    };
    assert_eq!(next().await.as_deref(), Some("b"));
    assert_eq!(next().await.as_deref(), Some("c"));
    std::fs::write(&go, "").expect("a file");
    assert_eq!(next().await.as_deref(), Some("d"));
    assert_eq!(next().await, None, "the task has ended");
}

#[tokio::test]
async fn a_flood_is_capped_and_every_line_is_accounted_for() {
    let logs = LogLimits {
        segment_bytes: 64 << 10,
        segments: 3,
        bytes_per_second: 1 << 10,
        burst_bytes: 512 << 10,
    };
    let node = Node::with_logs(logs);
    let executor = node.executor().await;
    let task = run(
        &executor,
        script("yes this is a line | head -n 200000; echo the end >&2"),
    )
    .await;
    assert_eq!(end_of(&executor, task).await.code, Some(0));

    let files = std::fs::read_dir(node.task_dir(task).join("log"))
        .expect("a log")
        .flatten();
    let bytes: u64 = files
        .map(|file| file.metadata().expect("a size").len())
        .sum();
    assert!(bytes <= 3 * (64 << 10), "{bytes} bytes");

    let items = executor
        .logs(task, LogQuery::default())
        .expect("a log")
        .collect::<Vec<_>>()
        .await;
    let (mut kept, mut rotated, mut limited) = (0, 0, 0);
    for item in items {
        match item.expect("an item") {
            LogItem::Line(_) => kept += 1,
            LogItem::Gap { reason, lines } if reason.as_str() == "ROTATED" => rotated += lines,
            LogItem::Gap { lines, .. } => limited += lines,
        }
    }
    assert!(
        kept > 0 && rotated > 0 && limited > 0,
        "{kept} {rotated} {limited}"
    );
    assert_eq!(kept + rotated + limited, 200_001);
}

#[tokio::test]
async fn following_a_task_that_is_removed_comes_to_an_end() {
    let node = Node::new();
    let executor = node.executor().await;
    let task = run(&executor, script("echo here; sleep 1000")).await;
    let mut items = executor.logs(task, follow()).expect("a log");
    let first = tokio::time::timeout(DEADLINE, items.next())
        .await
        .expect("in time");
    assert_eq!(shown(&first.expect("an item").expect("a line")), "here");
    executor.remove(task).await.expect("removed");
    let rest = tokio::time::timeout(DEADLINE, items.count()).await;
    assert_eq!(rest.expect("in time"), 0);
}

#[tokio::test]
async fn following_a_task_that_has_not_begun_waits_for_it() {
    let node = Node::new();
    let executor = node.executor().await;
    let work = script("echo at last");
    let task = work.task;
    executor.prepare(work.into()).await.expect("prepared");
    let lines = output(&executor, task, follow());
    let start = async {
        tokio::task::yield_now().await;
        executor.start(task).await.expect("started");
    };
    let (lines, ()) = tokio::join!(lines, start);
    assert_eq!(lines, ["at last"]);
    executor
        .stop(task, SIGTERM, Duration::ZERO)
        .await
        .expect("it may be ended or about to");
}
