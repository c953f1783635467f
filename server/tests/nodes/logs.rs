// SPDX-License-Identifier: Apache-2.0
//! Logs gathered from nodes.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use skep_agent::executor::Executor;
use skep_agent::logs::{LogItem, LogQuery};
use skep_core::model::*;
use skep_core::state::Write;
use skep_manager::streams::Frames;
use skep_proto::v1;

use crate::swarm::{DEADLINE, Swarm, until};

type Messages = Frames<v1::StreamLogsResponse>;

async fn stream(swarm: &Swarm, request: v1::StreamLogsRequest) -> Messages {
    swarm.logs.stream(request).await.expect("a stream")
}

fn of_services(names: &[&str]) -> v1::StreamLogsRequest {
    v1::StreamLogsRequest {
        filter: Some(v1::TaskFilter {
            services: names.iter().map(|name| (*name).to_owned()).collect(),
            ..v1::TaskFilter::default()
        }),
        ..v1::StreamLogsRequest::default()
    }
}

fn following(request: v1::StreamLogsRequest) -> v1::StreamLogsRequest {
    v1::StreamLogsRequest {
        follow: true,
        ..request
    }
}

async fn next(messages: &mut Messages) -> Option<v1::StreamLogsResponse> {
    let next = tokio::time::timeout(DEADLINE, messages.next()).await;
    let next = next.expect("a message or the end");
    next.map(|message| message.expect("no error"))
}

/// All that comes until the stream ends.
async fn rest(mut messages: Messages) -> Vec<v1::StreamLogsResponse> {
    let mut all = Vec::new();
    while let Some(message) = next(&mut messages).await {
        all.push(message);
    }
    all
}

fn lines(messages: &[v1::StreamLogsResponse]) -> Vec<(String, u64)> {
    let lines = messages.iter().flat_map(|message| &message.lines);
    lines.map(|line| (line.task.clone(), line.seq)).collect()
}

fn gaps(messages: &[v1::StreamLogsResponse]) -> Vec<(String, String)> {
    let gaps = messages.iter().flat_map(|message| &message.gaps);
    gaps.map(|gap| {
        let node = gap.node.as_ref().map(|node| node.name.clone());
        (gap.reason.clone(), node.unwrap_or_default())
    })
    .collect()
}

/// Says one line and ends.
const ONE_LINE: &[(&str, &str)] = &[("SIM_LOG", "hello"), ("SIM_AFTER", "1m")];

#[tokio::test]
async fn lines_come_from_all_nodes_with_their_sources() {
    let swarm = Swarm::new(2).await;
    let service = swarm.service("web", 4, ONE_LINE, vec![]);
    let other = swarm.service("other", 1, ONE_LINE, vec![]);
    let tasks = swarm.running(service, 4).await;
    swarm.running(other, 1).await;
    let wanted: BTreeSet<String> = tasks.iter().map(|task| task.meta.id.to_string()).collect();
    printed(&swarm, &["web"], 4).await;

    let messages = rest(stream(&swarm, of_services(&["web"])).await).await;
    let said: BTreeSet<String> = lines(&messages).into_iter().map(|line| line.0).collect();
    assert_eq!(said, wanted);
    assert_eq!(gaps(&messages), []);
    let mut told = BTreeSet::new();
    for message in &messages {
        told.extend(
            message
                .sources
                .iter()
                .filter_map(|source| source.task.clone())
                .map(|t| t.id),
        );
        let known = |line: &v1::LogLine| told.contains(&line.task);
        assert!(
            message.lines.iter().all(known),
            "a source comes before its lines"
        );
    }
    assert_eq!(told, wanted);
    let source = &messages[0].sources[0];
    let service = source.service.as_ref().expect("a service");
    assert_eq!((&*service.name, service.id.get(..4)), ("web", Some("svc_")));
    assert!(
        source
            .node
            .as_ref()
            .is_some_and(|node| node.name.starts_with("node-"))
    );
}

/// Waits until so many lines can be read: what a task prints at its start comes a moment later.
async fn printed(swarm: &Swarm, services: &[&str], count: usize) {
    loop {
        let messages = rest(stream(swarm, of_services(services)).await).await;
        if lines(&messages).len() >= count {
            return;
        }
    }
}

#[tokio::test]
async fn who_follows_sees_new_tasks_too() {
    let swarm = Swarm::new(2).await;
    let service = swarm.service("web", 1, ONE_LINE, vec![]);
    swarm.running(service, 1).await;
    let mut messages = stream(&swarm, following(of_services(&["web"]))).await;
    next(&mut messages).await.expect("the first task's line");
    swarm.scale(service, 3);
    let mut tasks = BTreeSet::new();
    while tasks.len() < 2 {
        let message = next(&mut messages).await.expect("more lines");
        tasks.extend(lines(&[message]).into_iter().map(|line| line.0));
    }
}

#[tokio::test]
async fn only_the_last_lines_are_given_if_that_is_wanted() {
    let swarm = Swarm::new(1).await;
    let chatty = [
        ("SIM_LOG", "tick"),
        ("SIM_LOG_EVERY", "1ms"),
        ("SIM_AFTER", "40ms"),
    ];
    let service = swarm.service("web", 1, &chatty, vec![]);
    let task = swarm
        .until("it has ended", |swarm| {
            swarm
                .in_state(service, TaskState::Completed)
                .first()
                .cloned()
        })
        .await;
    let mut request = of_services(&[]);
    request.filter.as_mut().expect("it has one").tasks = vec![task.meta.id.to_string()];
    let all = lines(&rest(stream(&swarm, request.clone()).await).await);
    assert!(all.len() > 5, "{all:?}");
    request.tail = Some(3);
    let tail = lines(&rest(stream(&swarm, request.clone()).await).await);
    assert_eq!(tail, all[all.len() - 3..]);
    request.tail = Some(0);
    assert_eq!(rest(stream(&swarm, request.clone()).await).await, []);

    // To follow a task that has ended is to read it to its end.
    request.tail = None;
    request.follow = true;
    assert_eq!(lines(&rest(stream(&swarm, request).await).await), all);
}

#[tokio::test]
async fn lines_of_a_node_that_is_down_are_missed_by_name() {
    let swarm = Swarm::new(2).await;
    let service = swarm.service("web", 2, ONE_LINE, vec![]);
    swarm.running(service, 2).await;
    printed(&swarm, &["web"], 2).await;
    let down = &swarm.nodes[1];
    down.wire.set_silent(true);
    swarm.node_is(down.id, NodeState::Down).await;
    let messages = rest(stream(&swarm, of_services(&["web"])).await).await;
    assert_eq!(
        gaps(&messages),
        [("NODE_DOWN".to_owned(), "node-2".to_owned())]
    );
    assert!(!lines(&messages).is_empty());
}

#[tokio::test]
async fn a_reader_goes_on_when_the_node_comes_back() {
    let swarm = Swarm::new(1).await;
    let chatty = [("SIM_LOG", "tick"), ("SIM_LOG_EVERY", "10ms")];
    let service = swarm.service("web", 1, &chatty, vec![]);
    swarm.running(service, 1).await;
    let node = &swarm.nodes[0];
    let mut messages = stream(&swarm, following(of_services(&["web"]))).await;
    let mut last = 0;
    for round in 0..5 {
        let mut until_seq = last + 5;
        while last < until_seq {
            let message = next(&mut messages).await.expect("lines");
            let rotated = message.gaps.iter().map(|gap| gap.lines).sum::<u64>();
            for line in message.lines {
                let missing = line.seq - last - 1;
                assert!(line.seq > last, "none comes twice");
                assert!(
                    missing == 0 || rotated > 0 || round > 0,
                    "{missing} are missing"
                );
                last = line.seq;
            }
            until_seq = until_seq.max(1);
        }
        let connections = node.wire.connections();
        node.wire.set_silent(true);
        let session = swarm.dispatch.facts(node.id);
        until("the session is over", || {
            let now = swarm.dispatch.facts(node.id);
            (now != session && now.assigned_revision == Revision(0)).then_some(())
        })
        .await;
        node.wire.set_silent(false);
        until("there is another", || {
            (node.wire.connections() > connections).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn lines_that_went_with_their_task_are_missed() {
    let swarm = Swarm::new(1).await;
    let service = swarm.service("web", 1, ONE_LINE, vec![]);
    let tasks = swarm.running(service, 1).await;
    swarm.nodes[0]
        .executor
        .remove(tasks[0].meta.id)
        .await
        .expect("somebody removes it");
    let messages = rest(stream(&swarm, of_services(&["web"])).await).await;
    let missing = ("TASK_REMOVED".to_owned(), "node-1".to_owned());
    assert!(gaps(&messages).contains(&missing), "{messages:?}");
}

#[tokio::test]
async fn a_reader_who_stops_reading_stops_nobody_else() {
    let patient = SwarmSpec {
        heartbeat_period: Some(Duration::from_millis(500)),
        ..SwarmSpec::default()
    };
    let swarm = Swarm::with(1, patient).await;
    let line = "x".repeat(16_000);
    let chatty = [("SIM_LOG", &*line), ("SIM_LOG_EVERY", "1ms")];
    let service = swarm.service("web", 4, &chatty, vec![]);
    swarm.running(service, 4).await;
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut messages = stream(&swarm, following(of_services(&["web"]))).await;
        next(&mut messages).await.expect("a first line");
        slow.push(messages);
    }
    // Far more than all buffers on the way hold.
    let executor = swarm.nodes[0].executor.as_ref();
    for task in swarm.nodes[0].tasks() {
        until("it has printed a lot", || {
            (last_seq(executor, task)? > 3_000).then_some(())
        })
        .await;
    }
    let state = swarm.state().node(NodeId(1)).map(|node| node.status.state);
    assert_eq!(state, Some(NodeState::Ready));
    assert_eq!(swarm.nodes[0].wire.connections(), 1, "its session goes on");
    let mut quick = stream(&swarm, of_services(&["web"])).await;
    next(&mut quick).await.expect("others are served");
}

/// The number of the last line that a task printed.
fn last_seq(executor: &dyn Executor, task: TaskId) -> Option<u64> {
    let query = LogQuery {
        tail: Some(1),
        ..LogQuery::default()
    };
    let mut items = executor.logs(task, query).ok()?;
    match items.next().now_or_never()?? {
        Ok(LogItem::Line(line)) => Some(line.seq),
        _ => None,
    }
}

#[tokio::test]
async fn bad_requests_are_refused_by_field() {
    let swarm = Swarm::new(1).await;
    let request = v1::StreamLogsRequest {
        tail: Some(1_000_001),
        filter: Some(v1::TaskFilter {
            tasks: vec!["web".to_owned()],
            ..v1::TaskFilter::default()
        }),
        ..v1::StreamLogsRequest::default()
    };
    let Err(refused) = swarm.logs.stream(request).await else {
        panic!("it is refused");
    };
    let text = format!("{refused:?}");
    assert!(
        text.contains("tail") && text.contains("filter.tasks[0]"),
        "{text}"
    );
}

#[tokio::test]
async fn a_task_that_is_deleted_while_its_node_is_away_is_missed() {
    let mut swarm = Swarm::new(1).await;
    let service = swarm.service("web", 1, &[("SIM_EXIT", "0")], vec![]);
    let task = swarm
        .until("it has ended", |swarm| {
            swarm
                .in_state(service, TaskState::Completed)
                .first()
                .cloned()
        })
        .await;
    swarm.nodes[0].kill();
    let mut request = of_services(&[]);
    request.filter.as_mut().expect("it has one").tasks = vec![task.meta.id.to_string()];
    let mut messages = stream(&swarm, following(request)).await;
    let away = next(&mut messages).await.expect("its node is away");
    assert_eq!(
        gaps(&[away]),
        [("NODE_DOWN".to_owned(), "node-1".to_owned())]
    );
    swarm
        .cluster
        .write([Write::DeleteTask { task: task.meta.id }]);
    let messages = rest(messages).await;
    let missing = ("TASK_REMOVED".to_owned(), "node-1".to_owned());
    assert_eq!(gaps(&messages), [missing]);
}
