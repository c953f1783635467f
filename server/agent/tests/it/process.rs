// SPDX-License-Identifier: Apache-2.0
//! Ends, stops and removals of real processes.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use skep_agent::executor::{Executor, ExecutorError, ExitCause, Phase, TaskWork};
use skep_agent::logs::LogQuery;

use crate::support::*;

#[tokio::test]
async fn a_task_that_ends_well_has_code_0_and_no_words() {
    let node = Node::new();
    let executor = node.executor().await;
    let task = run(&executor, command(&["/bin/true"])).await;
    let exit = end_of(&executor, task).await;
    assert_eq!(
        (exit.cause, exit.code, exit.signal),
        (ExitCause::Exited, Some(0), None)
    );
    assert_eq!(exit.message, "");
}

#[tokio::test]
async fn a_task_that_fails_tells_its_code_and_its_last_lines() {
    let node = Node::new();
    let executor = node.executor().await;
    let task = run(
        &executor,
        script("echo loading; echo no config >&2; exit 3"),
    )
    .await;
    let exit = end_of(&executor, task).await;
    assert_eq!(
        (exit.cause, exit.code, exit.signal),
        (ExitCause::Exited, Some(3), None)
    );
    let (head, lines) = exit.message.split_once('\n').expect("lines");
    assert_eq!(head, "exited with code 3; last output:");
    // Two pipes have no order between them.
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["loading", "no config"]);
}

#[tokio::test]
async fn a_task_killed_by_a_signal_tells_which_also_one_without_a_name() {
    let node = Node::new();
    let executor = node.executor().await;
    let task = run(&executor, script("kill -SEGV $$")).await;
    let exit = end_of(&executor, task).await;
    assert_eq!(
        (exit.cause, exit.code, exit.signal),
        (ExitCause::Exited, Some(139), Some(11))
    );
    assert_eq!(exit.message, "killed by signal 11 (SIGSEGV)");

    let task = run(&executor, script("kill -40 $$")).await;
    let exit = end_of(&executor, task).await;
    assert_eq!((exit.code, exit.signal), (Some(168), Some(40)));
}

#[tokio::test]
async fn a_running_task_is_listed_with_its_process_and_stops_on_order() {
    let node = Node::new();
    let executor = node.executor().await;
    let task = run(&executor, command(&["/bin/sleep", "1000"])).await;
    let pid = pid_of(&executor, task);
    assert_eq!(processes_of(task), [pid as i32]);
    assert_eq!(executor.list().len(), 1);

    executor
        .stop(task, SIGTERM, Duration::from_secs(600))
        .await
        .expect("an order");
    let exit = end_of(&executor, task).await;
    assert_eq!(
        (exit.cause, exit.code, exit.signal),
        (ExitCause::Stopped, Some(143), Some(15))
    );
    assert_eq!(exit.message, "stopped with SIGTERM");
    assert_gone(task);
}

#[tokio::test]
async fn a_task_may_end_in_its_own_way_when_it_is_stopped() {
    let node = Node::new();
    let executor = node.executor().await;
    let ready = node.shared("ready");
    let text = format!(
        "trap 'exit 0' INT; echo > {}; while :; do sleep 0.01; done",
        ready.display()
    );
    let task = run(&executor, script(&text)).await;
    text_of(&ready).await;
    executor
        .stop(task, Signal::SIGINT as i32, Duration::from_secs(600))
        .await
        .expect("an order");
    let exit = end_of(&executor, task).await;
    assert_eq!((exit.cause, exit.code), (ExitCause::Stopped, Some(0)));
}

#[tokio::test]
async fn a_task_that_ignores_its_signal_is_killed_after_the_grace() {
    let node = Node::new();
    let executor = node.executor().await;
    let ready = node.shared("ready");
    let text = format!(
        "trap '' TERM; echo > {}; while :; do sleep 0.01; done",
        ready.display()
    );
    let task = run(&executor, script(&text)).await;
    text_of(&ready).await;
    let began = Instant::now();
    executor
        .stop(task, SIGTERM, Duration::from_millis(300))
        .await
        .expect("an order");
    let exit = end_of(&executor, task).await;
    assert!(
        began.elapsed() >= Duration::from_millis(300),
        "it had its grace"
    );
    assert_eq!(
        (exit.cause, exit.code, exit.signal),
        (ExitCause::Stopped, Some(137), Some(9))
    );
    assert_eq!(
        exit.message,
        "killed: it did not end within 0.3 s of SIGTERM"
    );
}

#[tokio::test]
async fn a_further_order_brings_the_end_nearer() {
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
        .stop(task, SIGTERM, Duration::from_secs(86_400))
        .await
        .expect("an order");
    executor
        .stop(task, SIGTERM, Duration::ZERO)
        .await
        .expect("an order");
    assert_eq!(end_of(&executor, task).await.signal, Some(9));
    executor
        .stop(task, SIGTERM, Duration::ZERO)
        .await
        .expect("what has ended is stopped");
}

#[tokio::test]
async fn children_that_escaped_are_gone_after_the_stop() {
    let node = Node::new();
    let executor = node.executor().await;
    let escaped = node.shared("escaped");
    // One in a session of its own, deaf to everything, whose parent has gone: a daemon.
    let daemon = "trap \"\" TERM HUP INT; echo $$ > \"$0\"; while :; do sleep 0.01; done";
    let text = format!(
        "(setsid sh -c '{daemon}' {} &) ; sleep 1000",
        escaped.display()
    );
    let task = run(&executor, script(&text)).await;
    let pid: i32 = text_of(&escaped)
        .await
        .trim()
        .parse()
        .expect("a process id");
    assert!(processes_of(task).contains(&pid));

    executor
        .stop(task, SIGTERM, Duration::from_secs(600))
        .await
        .expect("an order");
    end_of(&executor, task).await;
    assert_gone(task);
}

#[tokio::test]
async fn what_a_task_leaves_behind_goes_when_it_ends_by_itself() {
    let node = Node::new();
    let executor = node.executor().await;
    let task = run(
        &executor,
        script("setsid sleep 1000 & setsid sleep 1001 & exit 5"),
    )
    .await;
    assert_eq!(end_of(&executor, task).await.code, Some(5));
    assert_gone(task);
}

#[tokio::test]
async fn orders_may_be_given_twice_and_unknown_tasks_are_named() {
    let node = Node::new();
    let executor = node.executor().await;
    let count = node.shared("count");
    let work = script(&format!("echo run >> {}", count.display()));
    let task = work.task;
    executor
        .prepare(work.clone().into())
        .await
        .expect("prepared");
    executor
        .prepare(work.into())
        .await
        .expect("prepared already");
    assert_eq!(
        executor.get(task).map(|known| known.phase),
        Some(Phase::Prepared)
    );
    let (one, two) = tokio::join!(executor.start(task), executor.start(task));
    one.and(two).expect("started");
    end_of(&executor, task).await;
    executor.start(task).await.expect("started already");
    assert_eq!(std::fs::read_to_string(&count).expect("a count"), "run\n");

    executor.remove(task).await.expect("removed");
    executor.remove(task).await.expect("removed already");
    assert_eq!(executor.list(), []);
    let error = executor.start(task).await.expect_err("it is gone");
    assert!(matches!(error, ExecutorError::UnknownTask(named) if named == task));
    assert!(executor.stop(task, SIGTERM, Duration::ZERO).await.is_err());
    assert!(executor.logs(task, LogQuery::default()).is_err());
}

#[tokio::test]
async fn a_task_stopped_before_its_start_never_runs() {
    let node = Node::new();
    let executor = node.executor().await;
    let ran = node.shared("ran");
    let work = script(&format!("echo > {}", ran.display()));
    let task = work.task;
    executor.prepare(work.into()).await.expect("prepared");
    executor
        .stop(task, SIGTERM, Duration::from_secs(9))
        .await
        .expect("an order");
    let exit = end_of(&executor, task).await;
    assert_eq!((exit.cause, exit.code), (ExitCause::Stopped, None));
    executor.start(task).await.expect("nothing to do");
    assert_eq!(end_of(&executor, task).await, exit);
    assert!(!ran.exists());
}

#[tokio::test]
async fn removing_a_running_task_leaves_nothing_of_it() {
    let node = Node::new();
    let executor = node.executor().await;
    let text = "trap '' TERM; setsid sleep 1000 & while :; do sleep 0.01; done";
    let task = run(&executor, script(text)).await;
    executor.remove(task).await.expect("removed");
    assert_gone(task);
    assert!(!node.task_dir(task).exists());
    assert_eq!(executor.list(), []);
}

#[tokio::test]
async fn many_tasks_at_once_each_get_their_own_end() {
    let node = Node::new();
    let executor = node.executor().await;
    let works: Vec<TaskWork> = (0..20)
        .map(|code| script(&format!("exit {code}")))
        .collect();
    let tasks = works.into_iter().map(|work| run(&executor, work));
    let tasks = futures::future::join_all(tasks).await;
    for (code, task) in tasks.into_iter().enumerate() {
        assert_eq!(end_of(&executor, task).await.code, Some(code as i32));
    }
}

/// Of a check that prints without end only the beginning is repeated, and nothing waits for the
/// rest to be read.
#[tokio::test]
async fn a_check_may_print_as_much_as_it_likes() {
    let node = Node::new();
    let executor = node.executor().await;
    let task = run(&executor, command(&["/bin/sleep", "1000"])).await;
    let check = async |text: &str| {
        let command = ["/bin/sh", "-c", text].map(str::to_owned);
        let patience = Duration::from_secs(60);
        executor.check(task, &command, patience).await
    };
    let much = "head -c 30000000 /dev/zero | tr '\\0' x";
    check(&format!("{much}; {much} >&2"))
        .await
        .expect("it passes");
    let failed = check(&format!("{much}; echo never >&2; exit 3")).await;
    let said = failed.expect_err("it fails").to_string();
    let want = format!("the check ended with exit status: 3: {}", "x".repeat(4_096));
    assert_eq!(said, want);
    let failed = check("echo out; echo err >&2; exit 1").await;
    let said = failed.expect_err("it fails").to_string();
    assert_eq!(said, "the check ended with exit status: 1: out\nerr");
    executor.remove(task).await.expect("removed");
}
