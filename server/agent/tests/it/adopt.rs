// SPDX-License-Identifier: Apache-2.0
//! Daemons that go and come back, supervisors that are killed, machines that restart.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use skep_agent::executor::{Executor, ExitCause, Phase};
use skep_agent::logs::LogQuery;

use crate::support::*;

#[tokio::test]
async fn a_running_task_is_adopted_with_what_it_runs() {
    let node = Node::new();
    let executor = node.executor().await;
    let work = command(&["/bin/sleep", "1000"]);
    let task = run(&executor, work.clone()).await;
    let before = executor.get(task).expect("a task");
    drop(executor);

    let executor = node.executor().await;
    assert_eq!(executor.list(), [before]);
    executor.prepare(work.into()).await.expect("known already");
    executor.start(task).await.expect("started already");
    assert_eq!(processes_of(task).len(), 1);
    executor
        .stop(task, SIGTERM, Duration::from_secs(600))
        .await
        .expect("an order");
    assert_eq!(end_of(&executor, task).await.signal, Some(15));
    assert_gone(task);
}

#[tokio::test]
async fn an_end_that_happened_meanwhile_is_found_with_its_last_line() {
    let node = Node::new();
    let executor = node.executor().await;
    let (go, count) = (node.shared("go"), node.shared("count"));
    let text = format!(
        "echo run >> {}; while [ ! -e {} ]; do sleep 0.01; done; echo cannot go on; exit 3",
        count.display(),
        go.display()
    );
    let task = run(&executor, script(&text)).await;
    drop(executor);
    std::fs::write(&go, "").expect("a file");
    let record = node.task_dir(task).join("exit.json");
    until("a record of the end", || record.exists()).await;

    let executor = node.executor().await;
    let exit = end_of(&executor, task).await;
    assert_eq!((exit.cause, exit.code), (ExitCause::Exited, Some(3)));
    assert_eq!(
        exit.message,
        "exited with code 3; last output:\ncannot go on"
    );
    let last = LogQuery {
        tail: Some(1),
        ..LogQuery::default()
    };
    assert_eq!(output(&executor, task, last).await, ["cannot go on"]);
    executor.start(task).await.expect("nothing to do");
    assert_eq!(std::fs::read_to_string(&count).expect("a count"), "run\n");
}

#[tokio::test]
async fn an_order_to_stop_is_carried_out_without_the_daemon() {
    let node = Node::new();
    let executor = node.executor().await;
    let ready = node.shared("ready");
    let text = format!(
        "trap '' TERM; echo > {}; while :; do sleep 0.01; done",
        ready.display()
    );
    let task = run(&executor, script(&text)).await;
    text_of(&ready).await;
    executor
        .stop(task, SIGTERM, Duration::from_millis(500))
        .await
        .expect("an order");
    drop(executor);
    let record = node.task_dir(task).join("exit.json");
    until("a record of the end", || record.exists()).await;

    let exit = end_of(&node.executor().await, task).await;
    assert_eq!((exit.cause, exit.signal), (ExitCause::Stopped, Some(9)));
    assert_eq!(
        exit.message,
        "killed: it did not end within 0.5 s of SIGTERM"
    );
    assert_gone(task);
}

#[tokio::test]
async fn an_order_written_by_a_daemon_that_died_before_its_call_is_found() {
    let node = Node::new();
    let executor = node.executor().await;
    let task = run(&executor, command(&["/bin/sleep", "1000"])).await;
    drop(executor);
    let order = r#"{"signal":15,"grace":{"secs":600,"nanos":0},"ordered":4000000000000000000}"#;
    std::fs::write(node.task_dir(task).join("stop.json"), order).expect("an order");
    assert_eq!(
        end_of(&node.executor().await, task).await.cause,
        ExitCause::Stopped
    );
}

#[tokio::test]
async fn tasks_outlive_a_daemon_that_is_interrupted_and_killed() {
    let node = Node::new();
    let work = script("trap 'echo interrupted' INT; echo up; while :; do sleep 0.01; done");
    let task = work.task;
    let work = serde_json::to_string(&work).expect("JSON");
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_skep-test-shim"))
        .arg("daemon")
        .arg(node.dir())
        .arg(work)
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("a daemon");
    let mut line = String::new();
    let words = daemon.stdout.take().expect("its words");
    BufReader::new(words).read_line(&mut line).expect("a line");
    assert_eq!(line, "started\n");

    // As Ctrl-C does: to all processes of the daemon's group.
    let group = i32::try_from(daemon.id()).expect("a process id");
    kill(-group, Signal::SIGINT);
    kill(group, Signal::SIGKILL);
    daemon.wait().expect("its end");

    let executor = node.executor().await;
    assert!(matches!(executor.list()[..], [ref known] if known.task == task));
    pid_of(&executor, task);
    executor
        .stop(task, Signal::SIGKILL as i32, Duration::ZERO)
        .await
        .expect("an order");
    end_of(&executor, task).await;
    assert_eq!(output(&executor, task, LogQuery::default()).await, ["up"]);
    assert_gone(task);
}

#[tokio::test]
async fn a_second_shim_for_a_task_starts_nothing() {
    let node = Node::new();
    let executor = node.executor().await;
    let count = node.shared("count");
    let text = format!(
        "echo run >> {}; while :; do sleep 0.01; done",
        count.display()
    );
    let task = run(&executor, script(&text)).await;
    let second = || {
        let mut shim = Command::new(shim().program);
        let said = shim
            .args(shim_arguments())
            .arg(node.task_dir(task))
            .output();
        String::from_utf8(said.expect("its words").stdout).expect("text")
    };
    assert_eq!(second(), "\"taken\"", "while it runs");
    executor
        .stop(task, SIGTERM, Duration::from_secs(600))
        .await
        .expect("an order");
    end_of(&executor, task).await;
    assert_eq!(second(), "\"taken\"", "after its end");
    std::fs::remove_file(node.task_dir(task).join("exit.json")).expect("removed");
    assert_eq!(second(), "\"taken\"", "even if nobody knows how it ended");
    assert_eq!(std::fs::read_to_string(&count).expect("a count"), "run\n");
}

fn shim_arguments() -> Vec<std::ffi::OsString> {
    shim().arguments
}

#[tokio::test]
async fn a_task_whose_supervisor_is_killed_is_lost_and_nothing_of_it_is_left() {
    let node = Node::new();
    let executor = node.executor().await;
    let escaped = node.shared("escaped");
    let text = format!(
        "(setsid sh -c 'echo $$ > {}; while :; do sleep 0.01; done' &) ; sleep 1000",
        escaped.display()
    );
    let task = run(&executor, script(&text)).await;
    text_of(&escaped).await;
    kill(shim_pid(&node, task), Signal::SIGKILL);
    let exit = end_of(&executor, task).await;
    assert_eq!(
        (exit.cause, exit.code, exit.signal),
        (ExitCause::Lost, None, None)
    );
    assert!(
        exit.message.starts_with("the task's supervisor was killed"),
        "{}",
        exit.message
    );
    assert_gone(task);
    drop(executor);
    assert_eq!(
        end_of(&node.executor().await, task).await,
        exit,
        "it is written down"
    );
}

/// Changes what the shim wrote about itself.
fn forge(node: &Node, task: skep_core::model::TaskId, key: &str, value: serde_json::Value) {
    let mut record = started(node, task);
    record[key] = value;
    let path = node.task_dir(task).join("started.json");
    std::fs::write(path, record.to_string()).expect("a record");
}

#[tokio::test]
async fn a_process_that_only_has_the_same_number_is_not_adopted() {
    let node = Node::new();
    let executor = node.executor().await;
    let task = run(&executor, command(&["/bin/sleep", "1000"])).await;
    drop(executor);
    kill(shim_pid(&node, task), Signal::SIGKILL);
    until("the end of the task", || processes_of(task).is_empty()).await;
    // Its number now belongs to somebody else, which must be left alone.
    let mut other = Command::new("/bin/sleep")
        .arg("1000")
        .spawn()
        .expect("a process");
    forge(&node, task, "pid", other.id().into());

    let executor = node.executor().await;
    assert_eq!(end_of(&executor, task).await.cause, ExitCause::Lost);
    executor.remove(task).await.expect("removed");
    assert!(
        other.try_wait().expect("a look").is_none(),
        "the other one still runs"
    );
    other.kill().expect("killed");
    other.wait().expect("its end");
}

#[tokio::test]
async fn a_task_from_before_a_restart_of_the_machine_is_lost() {
    let node = Node::new();
    let executor = node.executor().await;
    let task = run(&executor, command(&["/bin/sleep", "1000"])).await;
    drop(executor);
    let shim = shim_pid(&node, task);
    forge(
        &node,
        task,
        "boot_id",
        "11111111-2222-3333-4444-555555555555".into(),
    );

    let executor = node.executor().await;
    let exit = end_of(&executor, task).await;
    assert_eq!(exit.cause, ExitCause::Lost);
    assert_eq!(exit.message, "the machine was restarted while the task ran");
    // What only the test has made of a task that still runs.
    kill(shim, Signal::SIGKILL);
    until("the end of the task", || processes_of(task).is_empty()).await;
    executor.remove(task).await.expect("removed");
}

#[tokio::test]
async fn a_prepared_task_is_adopted_and_half_a_preparation_is_tidied_up() {
    let node = Node::new();
    let executor = node.executor().await;
    let work = command(&["/bin/true"]);
    let task = work.task;
    executor.prepare(work.into()).await.expect("prepared");
    drop(executor);
    let half = node.task_dir(new_task());
    std::fs::create_dir_all(half.join("log")).expect("a directory");
    let foreign = node.dir().join("notes");
    std::fs::write(&foreign, "not a task").expect("a file");

    let executor = node.executor().await;
    let phases: Vec<Phase> = executor
        .list()
        .into_iter()
        .map(|known| known.phase)
        .collect();
    assert_eq!(phases, [Phase::Prepared]);
    assert!(!half.exists());
    assert!(foreign.exists(), "what is no task is left alone");
    executor.start(task).await.expect("started");
    assert_eq!(end_of(&executor, task).await.code, Some(0));
}

#[tokio::test]
async fn a_damaged_record_costs_one_task_and_not_the_daemon() {
    let node = Node::new();
    let executor = node.executor().await;
    let bad = run(&executor, command(&["/bin/true"])).await;
    end_of(&executor, bad).await;
    let good = run(&executor, command(&["/bin/true"])).await;
    let exit = end_of(&executor, good).await;
    drop(executor);
    std::fs::write(node.task_dir(bad).join("exit.json"), "{").expect("damage");

    let executor = node.executor().await;
    let lost = end_of(&executor, bad).await;
    assert_eq!(lost.cause, ExitCause::Lost, "never left in limbo");
    assert!(lost.message.contains("exit.json"), "{}", lost.message);
    assert_eq!(end_of(&executor, good).await, exit);
}

#[tokio::test]
async fn a_running_task_that_cannot_be_taken_over_is_lost_and_leaves_nothing() {
    let node = Node::new();
    let executor = node.executor().await;
    let task = run(&executor, command(&["/bin/sleep", "1000"])).await;
    drop(executor);
    std::fs::write(node.task_dir(task).join("spec.json"), "{").expect("damage");

    let executor = node.executor().await;
    let lost = end_of(&executor, task).await;
    assert_eq!(lost.cause, ExitCause::Lost);
    let message = &lost.message;
    assert!(
        message.starts_with("this node cannot follow the task any more: "),
        "{message}"
    );
    assert!(message.contains("spec.json"), "{message}");
    assert_gone(task);
    executor.remove(task).await.expect("removed");
    assert!(!node.task_dir(task).exists());
    assert_eq!(executor.list(), []);
}
