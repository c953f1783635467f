// SPDX-License-Identifier: Apache-2.0
//! What containers print, read back.

use std::path::Path;

use skep_agent::logs::{LogItem, LogLine, LogQuery, LogSource};
use skep_core::model::LogDriver;

use super::*;

async fn lines(node: &Node<'_>, task: TaskId, query: LogQuery) -> Vec<LogLine> {
    let items = node.executor.logs(task, query).expect("the task is there");
    let items = items.map(|item| match item.expect("it can be read") {
        LogItem::Line(line) => line,
        gap => panic!("{gap:?}"),
    });
    let collected = tokio::time::timeout(DEADLINE, items.collect()).await;
    collected.expect("the log ends")
}

fn texts(lines: &[LogLine]) -> Vec<String> {
    lines
        .iter()
        .map(|line| String::from_utf8_lossy(&line.data).into_owned())
        .collect()
}

fn follow() -> LogQuery {
    LogQuery {
        follow: true,
        ..LogQuery::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_come_in_order_until_the_end() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;
    let arguments = ["--print-every=20ms", "--exit-after=500ms"];
    let work = hello(&arguments);
    let task = node.prepare(work).await.expect("prepared");
    // Who asks before it starts waits for it.
    let (all, _) = tokio::join!(lines(&node, task, follow()), async {
        node.executor.start(task).await.expect("started");
    });
    let read = texts(&all);
    assert!(read[0].contains("serving http"), "{read:?}");
    assert!(read.iter().any(|line| line.contains("line 5")), "{read:?}");
    assert!(
        read.last()
            .is_some_and(|line| line.contains("exiting with 0")),
        "{read:?}"
    );
    assert!(
        all.iter()
            .all(|line| line.source == LogSource::Stdout && !line.partial)
    );
    assert!(
        all.windows(2)
            .all(|pair| pair[0].seq < pair[1].seq && pair[0].time <= pair[1].time)
    );

    node.exit(task).await;
    let again = lines(&node, task, LogQuery::default()).await;
    assert_eq!(
        again, all,
        "numbers and moments are the same for every reader"
    );
    let tail = LogQuery {
        tail: Some(2),
        ..follow()
    };
    assert_eq!(lines(&node, task, tail).await, all[all.len() - 2..]);
    let since = LogQuery {
        since: Some(all[3].time),
        ..LogQuery::default()
    };
    assert_eq!(lines(&node, task, since).await, all[3..]);
    let none = LogQuery {
        tail: Some(0),
        ..LogQuery::default()
    };
    assert_eq!(lines(&node, task, none).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_go_on_when_the_engine_begins_another_file() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;
    let mut work = hello(&["--print-every=1ms", "--exit-after=2s"]);
    let options = [("max-size", "20k"), ("max-file", "20")];
    work.launch.log_driver = Some(LogDriver {
        name: "json-file".to_owned(),
        options: options
            .map(|(name, value)| (name.into(), value.into()))
            .into(),
    });
    let task = node.run(work).await;
    let followed = lines(&node, task, follow()).await;
    let path = node.inspect(task, "{{.LogPath}}");
    assert!(
        Path::new(&format!("{path}.1")).exists(),
        "it is the second file"
    );
    // Those who followed have seen each line once, and so does who asks later.
    node.exit(task).await;
    let later = lines(&node, task, LogQuery::default()).await;
    assert_eq!(texts(&followed), texts(&later));
    assert_eq!(followed, later);
    let last = texts(&later).pop().unwrap_or_default();
    assert!(last.contains("exiting with 0"), "{last}");
    let numbered = texts(&later).into_iter().filter_map(|text| {
        let (_, number) = text.rsplit_once("line ")?;
        number.parse().ok()
    });
    let numbered: Vec<usize> = numbered.collect();
    assert!(numbered.len() > 300, "{numbered:?}");
    assert!(
        numbered.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{numbered:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_line_comes_in_pieces() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;
    let long = format!("--{}", "long".repeat(10_000));
    let task = node.run(hello(&[&long])).await;
    node.exit(task).await;
    let read = lines(&node, task, LogQuery::default()).await;
    let first = read.iter().take_while(|line| line.partial).count();
    assert!(first >= 2, "{first} pieces that go on");
    let whole: String = texts(&read[..=first]).concat();
    assert!(whole.ends_with(&long), "{} characters", whole.len());
    assert!(read[first + 1..].iter().all(|line| !line.partial));
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_error_is_told_apart_but_for_a_terminal() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;
    let mut work = hello(&["--no-such-option"]);
    let plain = node.run(work.clone()).await;
    node.exit(plain).await;
    let read = lines(&node, plain, follow()).await;
    assert!(
        read.iter().all(|line| line.source == LogSource::Stderr),
        "{read:?}"
    );
    assert!(texts(&read)[0].contains("unknown option --no-such-option"));

    work.task = TaskId(rand::random());
    work.launch.container.tty = true;
    let terminal = node.run(work).await;
    node.exit(terminal).await;
    let seen = lines(&node, terminal, LogQuery::default()).await;
    assert!(
        seen.iter().all(|line| line.source == LogSource::Stdout),
        "{seen:?}"
    );
    assert_eq!(texts(&seen), texts(&read));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_cannot_be_read_says_so() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let node = Node::new(&engine).await;
    let driver = |name: &str| {
        let mut work = hello(&["--exit-after=1ms", "--exit-code=1"]);
        work.launch.log_driver = Some(LogDriver {
            name: name.to_owned(),
            options: Default::default(),
        });
        work
    };
    let local = node.run(driver("local")).await;
    node.exit(local).await;
    assert!(!lines(&node, local, LogQuery::default()).await.is_empty());

    let none = node.run(driver("none")).await;
    assert_eq!(node.exit(none).await.message, "exited with code 1");
    let items: Vec<_> = node
        .executor
        .logs(none, follow())
        .expect("it is there")
        .collect()
        .await;
    let [Err(error)] = &items[..] else {
        panic!("{items:?}")
    };
    let text = error.to_string();
    assert!(text.contains("does not support reading"), "{text}");
}
