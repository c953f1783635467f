// SPDX-License-Identifier: Apache-2.0
//! The simulated executor: as an executor, and as a world without a clock.

use std::time::Duration;

use futures::StreamExt;
use skep_agent::executor::simulated::{SimWorld, SimulatedExecutor};
use skep_agent::executor::{Executor, ExitCause, Hint, Phase, TaskWork};
use skep_agent::logs::LogQuery;
use skep_core::model::{TaskId, Timestamp};

use crate::support::{SIGTERM, end_of, output, run};

fn work(number: u128, env: &[(&str, &str)]) -> TaskWork {
    let env = env
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    TaskWork {
        task: TaskId(number),
        env: env.collect(),
        ..TaskWork::default()
    }
}

/// A world with one task that was started at 0.
fn world(env: &[(&str, &str)]) -> SimWorld {
    let mut world = SimWorld::default();
    world.prepare(work(1, env).into()).expect("prepared");
    world.start(TaskId(1), Timestamp(0)).expect("started");
    world
}

fn code(world: &SimWorld) -> Option<(ExitCause, Option<i32>)> {
    match world.get(TaskId(1))?.phase {
        Phase::Exited(exit) => Some((exit.cause, exit.code)),
        _ => None,
    }
}

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[test]
fn a_task_ends_when_its_time_has_come_and_not_before() {
    let mut world = world(&[("SIM_EXIT", "3"), ("SIM_AFTER", "500ms")]);
    assert_eq!(world.next_wake(), Some(at(500)));
    assert_eq!(world.advance(at(499)), []);
    assert_eq!(code(&world), None);
    assert_eq!(world.advance(at(9_000)), [TaskId(1)]);
    assert_eq!(code(&world), Some((ExitCause::Exited, Some(3))));
    assert_eq!(world.next_wake(), None);
    let Some(Phase::Exited(exit)) = world.get(TaskId(1)).map(|known| known.phase) else {
        panic!("it has ended");
    };
    assert_eq!(
        exit.at,
        at(500),
        "when it was due, not when somebody looked"
    );
}

#[test]
fn a_stop_is_obeyed_in_time_or_the_task_is_killed() {
    let grace = Duration::from_secs(1);
    let mut obeys = world(&[("SIM_STOP", "300ms")]);
    obeys
        .stop(TaskId(1), SIGTERM, grace, at(0))
        .expect("an order");
    assert_eq!(obeys.next_wake(), Some(at(300)));
    obeys.advance(at(300));
    assert_eq!(code(&obeys), Some((ExitCause::Stopped, Some(143))));

    let mut stubborn = world(&[("SIM_STOP", "1m")]);
    stubborn
        .stop(TaskId(1), SIGTERM, grace, at(0))
        .expect("an order");
    assert_eq!(stubborn.next_wake(), Some(at(1_000)));
    stubborn
        .stop(TaskId(1), SIGTERM, grace, at(500))
        .expect("no later for that");
    stubborn.advance(at(1_000));
    assert_eq!(code(&stubborn), Some((ExitCause::Stopped, Some(137))));
}

#[test]
fn a_task_can_refuse_to_start_and_die_of_a_signal() {
    let mut world = SimWorld::default();
    world
        .prepare(work(1, &[("SIM_REFUSE", "no such program")]).into())
        .expect("prepared");
    let error = world.start(TaskId(1), at(7)).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "no such program (field process.command[0])"
    );
    assert_eq!(code(&world), Some((ExitCause::NotStarted, None)));

    let mut world = self::world(&[("SIM_SIGNAL", "11")]);
    world.advance(at(0));
    assert_eq!(code(&world), Some((ExitCause::Exited, Some(139))));
}

#[test]
fn a_removed_task_does_nothing_any_more() {
    let mut world = world(&[("SIM_AFTER", "1s")]);
    world.remove(TaskId(1));
    assert_eq!(world.advance(at(5_000)), []);
    assert_eq!(world.list(), []);
}

#[test]
fn lines_are_printed_on_time_and_old_ones_go() {
    let mut world = world(&[
        ("SIM_LOG", "tick"),
        ("SIM_LOG_EVERY", "1s"),
        ("SIM_AFTER", "5m"),
    ]);
    world.advance(at(2_000));
    let all = LogQuery::default();
    assert_eq!(world.lines(TaskId(1), &all, 1).expect("lines").len(), 3);
    let since = LogQuery {
        since: Some(at(1_000)),
        ..all
    };
    assert_eq!(world.lines(TaskId(1), &since, 1).expect("lines").len(), 2);
    let tail = LogQuery {
        tail: Some(1),
        ..all
    };
    assert_eq!(world.lines(TaskId(1), &tail, 1).expect("lines").len(), 1);
    world.advance(at(600_000));
    assert_eq!(
        world.lines(TaskId(1), &all, 1).expect("lines").len(),
        101,
        "a gap and 100 lines"
    );
}

#[tokio::test(start_paused = true)]
async fn as_an_executor_it_runs_in_the_time_of_the_runtime() {
    let executor = SimulatedExecutor::new();
    let mut hints = executor.hints();
    let task = run(
        &executor,
        work(5, &[("SIM_EXIT", "3"), ("SIM_AFTER", "20s")]),
    )
    .await;
    assert_eq!(hints.next().await, Some(Hint::Task(task)));
    assert!(matches!(executor.list()[0].phase, Phase::Running { .. }));
    let began = tokio::time::Instant::now();
    assert_eq!(end_of(&executor, task).await.code, Some(3));
    assert_eq!(began.elapsed().as_secs(), 20);
    executor.remove(task).await.expect("removed");
    assert_eq!(executor.list(), []);
}

#[tokio::test(start_paused = true)]
async fn thousands_of_tasks_live_side_by_side() {
    let executor = SimulatedExecutor::new();
    for number in 0..5_000 {
        let seconds = format!("{}s", number % 50);
        run(&executor, work(number, &[("SIM_AFTER", &seconds)])).await;
    }
    for number in 0..5_000 {
        end_of(&executor, TaskId(number)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn its_logs_can_be_followed_to_the_end() {
    let executor = SimulatedExecutor::new();
    let env = [
        ("SIM_LOG", "tick"),
        ("SIM_LOG_EVERY", "10s"),
        ("SIM_AFTER", "35s"),
    ];
    let task = run(&executor, work(5, &env)).await;
    let follow = LogQuery {
        follow: true,
        ..LogQuery::default()
    };
    assert_eq!(output(&executor, task, follow).await, ["tick"; 4]);
}
