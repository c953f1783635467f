// SPDX-License-Identifier: Apache-2.0
//! What a process is given when it starts, and starts that fail.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use skep_agent::executor::{Executor, ExitCause, TaskWork, Ulimit};
use skep_agent::logs::LogQuery;

use crate::support::*;

/// Starts work that cannot be started, and gives the words.
async fn refusal(work: TaskWork) -> String {
    let node = Node::new();
    let executor = node.executor().await;
    let task = work.task;
    executor.prepare(work.into()).await.expect("prepared");
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

/// Prepares work that cannot be prepared, and gives the words.
async fn unready(work: TaskWork) -> String {
    let node = Node::new();
    let executor = node.executor().await;
    let refused = executor.prepare(work.into()).await;
    let error = refused.expect_err("it cannot be prepared");
    assert!(error.is_refusal(), "{error}");
    assert_eq!(executor.list(), [], "nothing of it is there");
    error.to_string()
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
    assert_eq!(unready(command(&["/no/such"])).await, want);
    let want = "/tmp: it is a directory (field process.command[0])";
    assert_eq!(unready(command(&["/tmp"])).await, want);
    let plain = file("plain", "#!/bin/sh\n", 0o644);
    let want = format!(
        "{plain}: permission denied: the task's user may not execute it (field process.command[0])"
    );
    assert_eq!(told(&plain).await, want);
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
    assert_eq!(unready(work).await, want);
}

/// What is there when the task is made ready may be gone when it starts.
#[tokio::test]
async fn a_command_that_goes_before_the_start_says_so() {
    let node = Node::new();
    let executor = node.executor().await;
    let program = node.shared("program");
    std::fs::write(&program, "#!/bin/sh\n").expect("a file");
    let path = program.to_str().expect("a path").to_owned();
    let work = command(&[&path]);
    let task = work.task;
    executor.prepare(work.into()).await.expect("prepared");
    std::fs::remove_file(&program).expect("removed");
    let error = executor.start(task).await.expect_err("it is gone");
    let want = format!("{path}: no such file or directory (field process.command[0])");
    assert_eq!(error.to_string(), want);
    assert_eq!(end_of(&executor, task).await.cause, ExitCause::NotStarted);
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
        .prepare(work.into())
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
    const WHO: &str = "id -u; id -g; id -G; stat -c %u:%g .
        echo words > mine; cat \"$(pwd)/mine\" > /dev/stdout";
    let node = Node::open_to_all();
    let executor = node.executor().await;
    let work = TaskWork {
        user: "4000111:4000222".into(),
        groups: vec!["4000333".into()],
        ..script(WHO)
    };
    let task = run(&executor, work).await;
    assert_eq!(end_of(&executor, task).await.code, Some(0));
    let lines = output(&executor, task, LogQuery::default()).await;
    let want = [
        "4000111",
        "4000222",
        "4000222 4000333",
        "4000111:4000222",
        "words",
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

    // The daemon itself may open as many as the machine allows.
    let files = Resource::RLIMIT_NOFILE;
    let (_, hard) = getrlimit(files).expect("a limit");
    setrlimit(files, hard, hard).expect("raised");
    let task = run(&executor, script("ulimit -Sn")).await;
    end_of(&executor, task).await;
    let want = hard.min(1_024).to_string();
    assert_eq!(output(&executor, task, LogQuery::default()).await, [want]);

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

    let task = run(&executor, command(&["/bin/sleep", "1000"])).await;
    let files = format!("/proc/{}/fd", shim_pid(&node, task));
    let files = std::fs::read_dir(files).expect("its files").flatten();
    let files: Vec<_> = files
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .collect();
    assert!(!files.contains(&leak), "{files:?}");
    assert!(files.len() < 12, "{files:?}");
    executor.remove(task).await.expect("removed");

    let task = run(&executor, command(&["/bin/ls", "/proc/self/fd"])).await;
    end_of(&executor, task).await;
    drop(open);
    // The last one is the directory that it reads.
    let lines = output(&executor, task, LogQuery::default()).await;
    assert_eq!(lines, ["0", "1", "2", "3"]);
}
