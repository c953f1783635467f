// SPDX-License-Identifier: Apache-2.0
//! Start, end and stop of real processes.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use skep_agent::executor::{Executor, ExecutorError, ExitCause, Phase, TaskWork, Ulimit};
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

/// Starts work that cannot be started, and gives the words.
async fn refusal(work: TaskWork) -> String {
    let node = Node::new();
    let executor = node.executor().await;
    let task = work.task;
    executor.prepare(work).await.expect("prepared");
    let error = executor
        .start(task)
        .await
        .expect_err("it cannot be started");
    assert!(error.is_refusal(), "{error}");
    let exit = end_of(&executor, task).await;
    assert_eq!((exit.cause, exit.code), (ExitCause::NotStarted, None));
    assert_eq!(exit.message, error.to_string(), "the list says the same");
    executor
        .start(task)
        .await
        .expect("a further start changes nothing");
    assert_eq!(end_of(&executor, task).await, exit);
    exit.message
}

#[tokio::test]
async fn a_command_that_cannot_be_run_says_why() {
    let node = Node::new();
    let file = |name: &str, text: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        let path = node.shared(name);
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
        path.to_str().expect("a path").to_owned()
    };
    let told = |path: &str| refusal(command(&[path]));

    let want = "/no/such: no such file or directory (field process.command[0])";
    assert_eq!(told("/no/such").await, want);
    let plain = file("plain", "#!/bin/sh\n", 0o644);
    let want = format!(
        "{plain}: permission denied: the task's user may not execute it (field process.command[0])"
    );
    assert_eq!(told(&plain).await, want);
    assert_eq!(
        told("/tmp").await,
        "/tmp: it is a directory (field process.command[0])"
    );
    let orphan = file("orphan", "#!/no/such/shell\n", 0o755);
    assert!(
        told(&orphan)
            .await
            .contains("it exists, but the interpreter it needs")
    );
    let text = file("text", "echo hello\n", 0o755);
    assert!(
        told(&text)
            .await
            .contains("neither a program for this machine nor a script")
    );
}

#[tokio::test]
async fn a_directory_that_is_not_there_says_so() {
    let work = TaskWork {
        dir: "/no/such/dir".into(),
        ..command(&["/bin/true"])
    };
    let want = "/no/such/dir: no such file or directory (field process.dir)";
    assert_eq!(refusal(work).await, want);
}

#[tokio::test]
async fn a_user_that_does_not_exist_is_refused_before_anything_is_made() {
    let node = Node::new();
    let executor = node.executor().await;
    let work = TaskWork {
        user: "no-such-user".into(),
        ..command(&["/bin/true"])
    };
    let task = work.task;
    let error = executor
        .prepare(work)
        .await
        .expect_err("no such user")
        .to_string();
    assert_eq!(
        error,
        "there is no user \"no-such-user\" on this node (field process.user)"
    );
    assert_eq!(executor.list(), []);
    assert!(!node.task_dir(task).exists());
}

#[tokio::test]
async fn a_task_runs_as_the_user_it_names() {
    if !is_root() {
        return skip("tasks of other users (not root)");
    }
    let node = Node::new();
    let executor = node.executor().await;
    let work = TaskWork {
        user: "4000111:4000222".into(),
        groups: vec!["4000333".into()],
        ..script("id -u; id -g; id -G; stat -c %u:%g .; touch mine && echo written")
    };
    let task = run(&executor, work).await;
    assert_eq!(end_of(&executor, task).await.code, Some(0));
    let lines = output(&executor, task, LogQuery::default()).await;
    let want = [
        "4000111",
        "4000222",
        "4000222 4000333",
        "4000111:4000222",
        "written",
    ];
    assert_eq!(lines, want);
}

#[tokio::test]
async fn a_directory_is_entered_with_the_rights_of_the_tasks_user() {
    if !is_root() {
        return skip("tasks of other users (not root)");
    }
    use std::os::unix::fs::PermissionsExt;
    let closed = Node::new();
    let dir = closed.shared("closed");
    std::fs::create_dir(&dir).expect("a directory");
    let mode = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(&dir, mode).expect("permissions");
    let dir = dir.to_str().expect("a path").to_owned();
    let work = TaskWork {
        user: "4000111".into(),
        dir,
        ..command(&["/bin/true"])
    };
    assert!(
        refusal(work)
            .await
            .ends_with(": permission denied (field process.dir)")
    );
}

#[tokio::test]
async fn the_environment_is_what_the_work_says() {
    let node = Node::new();
    let executor = node.executor().await;
    let mut work = command(&["/usr/bin/env"]);
    work.env.insert("GREETING".into(), "hello = world".into());
    let id = work.task;
    let task = run(&executor, work).await;
    end_of(&executor, task).await;
    let mut lines = output(&executor, task, LogQuery::default()).await;
    lines.sort_unstable();
    let want = [
        "GREETING=hello = world".to_owned(),
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        format!("SKEP_TASK_ID={id}"),
    ];
    assert_eq!(lines, want);
}

#[tokio::test]
async fn a_task_has_a_directory_of_its_own_or_the_one_it_names() {
    let node = Node::new();
    let executor = node.executor().await;
    let task = run(&executor, script("pwd; touch here")).await;
    end_of(&executor, task).await;
    let work = node.task_dir(task).join("work");
    assert!(work.join("here").exists());
    executor.remove(task).await.expect("removed");
    assert!(!work.exists());

    let named = TaskWork {
        dir: "/usr".into(),
        ..command(&["/bin/pwd"])
    };
    let task = run(&executor, named).await;
    end_of(&executor, task).await;
    assert_eq!(output(&executor, task, LogQuery::default()).await, ["/usr"]);
}

#[tokio::test]
async fn kernel_limits_hold_and_those_beyond_reach_are_refused() {
    let node = Node::new();
    let executor = node.executor().await;
    let limit = |soft, hard| [("nofile".to_owned(), Ulimit { soft, hard })].into();
    let work = TaskWork {
        ulimits: limit(50, 60),
        ..script("ulimit -Sn; ulimit -Hn")
    };
    let task = run(&executor, work).await;
    end_of(&executor, task).await;
    assert_eq!(
        output(&executor, task, LogQuery::default()).await,
        ["50", "60"]
    );

    let work = TaskWork {
        ulimits: limit(60, 50),
        ..command(&["/bin/true"])
    };
    let told = refusal(work).await;
    assert!(
        told.starts_with("cannot be set to soft 60, hard 50: invalid argument"),
        "{told}"
    );
    assert!(
        told.ends_with("(field process.ulimits[\"nofile\"])"),
        "{told}"
    );
}

#[tokio::test]
async fn signals_are_as_a_program_expects_them() {
    let node = Node::new();
    let executor = node.executor().await;
    let task = run(&executor, command(&["/bin/cat", "/proc/self/status"])).await;
    end_of(&executor, task).await;
    let lines = output(&executor, task, LogQuery::default()).await;
    let mask = |name: &str| {
        let digits = lines
            .iter()
            .find_map(|line| line.strip_prefix(name))
            .expect("a mask");
        u64::from_str_radix(digits.trim(), 16).expect("a number")
    };
    // Signals 32 and 33 are the C library's own; it lets nobody touch them.
    let own = 3 << 31;
    assert_eq!(mask("SigBlk:") & !own, 0);
    assert_eq!(mask("SigIgn:") & !own, 0, "the shim itself ignores SIGPIPE");
}

#[tokio::test]
async fn neither_task_nor_shim_has_files_of_the_daemon() {
    let node = Node::new();
    let executor = node.executor().await;
    // One that the daemon forgot to mark.
    let leak = node.shared("leak");
    std::fs::write(&leak, "secret").expect("a file");
    let flags = nix::fcntl::OFlag::O_RDONLY;
    let open = nix::fcntl::open(&leak, flags, nix::sys::stat::Mode::empty()).expect("open");

    let task = run(&executor, script("ls -l /proc/$$/fd | wc -l; sleep 1000")).await;
    let files = format!("/proc/{}/fd", shim_pid(&node, task));
    let files = std::fs::read_dir(files).expect("its files").flatten();
    let files: Vec<_> = files
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .collect();
    assert!(!files.contains(&leak), "{files:?}");
    assert!(files.len() < 12, "{files:?}");
    drop(open);

    executor
        .stop(task, SIGTERM, Duration::from_secs(600))
        .await
        .expect("an order");
    end_of(&executor, task).await;
    // "total 0", and standard input, output and error.
    assert_eq!(output(&executor, task, LogQuery::default()).await, ["4"]);
}

#[tokio::test]
async fn orders_may_be_given_twice_and_unknown_tasks_are_named() {
    let node = Node::new();
    let executor = node.executor().await;
    let count = node.shared("count");
    let work = script(&format!("echo run >> {}", count.display()));
    let task = work.task;
    executor.prepare(work.clone()).await.expect("prepared");
    executor.prepare(work).await.expect("prepared already");
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
    executor.prepare(work).await.expect("prepared");
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
