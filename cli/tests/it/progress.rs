// SPDX-License-Identifier: Apache-2.0
//! Waiting: the id on standard output, milestones on standard error, and how it ends.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::fake::{Ran, Swarm};

async fn create(swarm: &Swarm, name: &str, flags: &[&str]) -> Ran {
    let mut line = vec!["service", "create", "--name", name];
    line.extend(flags);
    line.extend(["--process", "--", "/bin/a"]);
    swarm.run(&line).await
}

fn id(name: &str) -> String {
    format!("svc_{name:0>26}\n")
}

#[tokio::test]
async fn a_create_prints_the_id_and_tells_milestones() {
    let swarm = Swarm::start().await;
    let ran = create(&swarm, "fine", &["--stable-for=100ms"]).await;
    assert_eq!((ran.code, ran.out), (0, id("fine")));
    assert_eq!(
        ran.err,
        "overall progress: 0 out of 1 task\noverall progress: 1 out of 1 task\n\
         verify: all tasks are as wanted; watching for 100ms that they stay so\n\
         verify: Service fine converged\n"
    );
    for flags in [&["--quiet"][..], &["--detach"], &["-d"], &["--detach=true"]] {
        let ran = create(&swarm, "fine", flags).await;
        assert_eq!(
            (ran.code, ran.out, ran.err.as_str()),
            (0, id("fine"), ""),
            "{flags:?}"
        );
    }
}

#[tokio::test]
async fn a_create_that_fails_ends_with_11() {
    let swarm = Swarm::start().await;
    let ran = create(&swarm, "stalls", &[]).await;
    assert_eq!((ran.code, ran.out), (11, id("stalls")));
    assert_eq!(
        ran.err,
        "web.1: task: non-zero exit (3) boom\noverall progress: 0 out of 1 task\n\
         Error: service stalls has failed, and nothing more happens by itself: \
         web.1 failed 3 times\n  web.1: task: non-zero exit (3) boom\n\
         Look at `skep service ps stalls` and `skep service logs stalls`. \
         `skep service update --force stalls` tries again.\n"
    );
    let ran = create(&swarm, "stalls", &["--progress", "json"]).await;
    let lines: Vec<&str> = ran
        .err
        .lines()
        .filter(|line| line.starts_with('{'))
        .collect();
    let (last, before) = lines.split_last().unwrap();
    let last: serde_json::Value = serde_json::from_str(last).unwrap();
    assert_eq!(
        (&last["phase"], &last["exit_code"]),
        (&"ended".into(), &11.into())
    );
    let first: serde_json::Value = serde_json::from_str(before[0]).unwrap();
    assert_eq!(first["phase"], "moving");
}

#[tokio::test]
async fn tasks_without_a_node_end_with_14_and_others_with_124() {
    let swarm = Swarm::start().await;
    let ran = create(&swarm, "pends", &["--timeout=300ms"]).await;
    assert_eq!((ran.code, ran.out), (14, id("pends")));
    assert!(
        ran.err.contains("web.1: no suitable node (needs 4096 MiB"),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("has tasks without a node after 300ms"),
        "{}",
        ran.err
    );
    let ran = create(&swarm, "slow", &["--timeout=300ms"]).await;
    assert_eq!(ran.code, 124);
    assert!(
        ran.err
            .contains("service slow has not converged after 300ms"),
        "{}",
        ran.err
    );
}

#[tokio::test]
async fn update_scale_and_rm_wait_too() {
    let swarm = Swarm::start().await;
    let ran = swarm
        .line("service update web --force --stable-for 0")
        .await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "web\n"), "{ran:?}");
    assert!(
        ran.err.ends_with("verify: Service web converged\n"),
        "{ran:?}"
    );
    let ran = swarm.line("service scale --stable-for 0 web=2 web=4").await;
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "web scaled to 2\nweb scaled to 4\n")
    );
    assert_eq!(
        ran.err.matches("verify: Service web converged").count(),
        2,
        "{ran:?}"
    );
    let ran = swarm.line("service rm web").await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "web\n"));
    assert_eq!(
        ran.err,
        "removing web: 1 task still to stop\nverify: Service web removed\n"
    );
    let ran = swarm.line("service scale agent=2").await;
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("agent runs one task on every node"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn an_interrupt_says_that_the_work_goes_on() {
    let swarm = Swarm::start().await;
    let line = [
        "service",
        "create",
        "--name=slow",
        "--process",
        "--",
        "/bin/a",
    ];
    let mut command = swarm.command(&line);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    // The first milestone says that it waits.
    let mut first = String::new();
    err.read_line(&mut first).await.unwrap();
    assert_eq!(first, "overall progress: 0 out of 1 task\n");
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap());
    kill(pid, Signal::SIGINT).unwrap();
    let mut rest = String::new();
    err.read_to_string(&mut rest).await.unwrap();
    assert_eq!(
        rest,
        "Operation continues in background.\nUse `skep service ps slow` to check progress.\n"
    );
    assert_eq!(child.wait().await.unwrap().code(), Some(130));
}
