// SPDX-License-Identifier: Apache-2.0
//! Programs that fail, ports that are taken and nodes that are too small: what is said of them.

use std::net::TcpListener;

use skep_tests::{DEADLINE, Daemon, until};

use super::{create, said, shows};

#[test]
fn a_missing_program_is_named() {
    let daemon = Daemon::start(1);
    let words = [
        "service",
        "create",
        "--name",
        "gone",
        "--restart-delay",
        "10ms",
        "--process",
        "--",
    ];
    let output = daemon.skep([&words[..], &["/no/such/program"]].concat());
    let (code, text) = said(&output);
    assert_eq!(code, 11, "{text}");
    let problem = "gone.1: /no/such/program: no such file or directory (field process.command[0])";
    for wanted in [
        format!("{problem}\n"),
        format!(
            "Error: service gone is in a crash loop: 1 of 1 tasks end again and again: \
             {problem}\nNew attempts go on in background. "
        ),
    ] {
        assert!(text.contains(&wanted), "{wanted}{text}");
    }
    shows(
        &daemon,
        &["service", "ps", "gone"],
        "/no/such/program: no such file",
    );
}

#[test]
fn a_crash_loop_shows_its_last_output_and_ends_stalled() {
    let daemon = Daemon::start(1);
    let command = ["/bin/sh", "-c", "echo the disk is on fire; exit 3"];
    create(
        &daemon,
        "crash",
        &["--restart-delay", "10ms", "--restart-max-attempts", "2"],
        &command,
    );
    let line = "exited with code 3; last output: the disk is on fire";
    let all = until("all three attempts failed", DEADLINE, || {
        let text = daemon.skep_ok(["service", "ps", "crash"]);
        (text.matches(line).count() == 3).then_some(text)
    });
    assert!(all.contains("\\_ crash.1"), "{all}");
    shows(
        &daemon,
        &["service", "inspect", "--pretty", "crash"],
        "Stalled:\tyes",
    );
    let ids = daemon.skep_ok(["service", "ps", "-q", "crash"]);
    let id = ids.lines().next().expect("there are tasks");
    let task = daemon.skep_ok(["task", "inspect", id]);
    for wanted in [
        "\"TASK_STATE_FAILED\"",
        "\"exitCode\": 3",
        "last output:\\nthe disk is on fire",
    ] {
        assert!(task.contains(wanted), "{wanted} is not in {task}");
    }
    shows(
        &daemon,
        &["service", "logs", "--raw", "crash"],
        "the disk is on fire",
    );
    // Who waits for such a service hears that nothing more happens.
    let output = daemon.skep(["service", "update", "--force", "crash"]);
    let (code, text) = said(&output);
    assert_eq!(code, 10, "{text}");
    for wanted in [
        "Error: service crash has a roll-out that is paused: update paused: task crash.1 ",
        &format!(" failed: {line}\n"),
    ] {
        assert!(text.contains(wanted), "{wanted} is not in {text}");
    }
}

#[test]
fn a_crash_loop_is_named_in_every_list_of_tasks() {
    let daemon = Daemon::start(1);
    let command = ["/bin/sh", "-c", "echo the disk is on fire; exit 3"];
    let delays = ["--restart-delay", "1s", "--restart-max-delay", "1h"];
    create(&daemon, "crash", &delays, &command);
    let end = "exited with code 3; last output: the disk is on fire\"";
    let services = ["service", "ps", "crash"];
    // `ps` leaves out the attempts before, and names them all the same.
    for list in [&services[..], &["task", "ls"], &["node", "ps"], &["ps"]] {
        let text = shows(&daemon, list, " \"crash loop, attempt ");
        let line = text.lines().find(|line| line.contains("crash loop"));
        let line = line.expect("it is there");
        assert!(line.contains(" crash.1 ") && line.contains(end), "{text}");
        assert_eq!(text.matches("crash loop").count(), 1, "{text}");
    }
    // The fourth attempt waits for eight seconds, the next for sixteen.
    let text = shows(&daemon, &services, " seconds: exited with code 3; ");
    assert!(text.contains("\"crash loop, attempt "), "{text}");
    // Once no attempt is left, that is said, and the last end with it.
    daemon.skep_ok([
        "service",
        "update",
        "-d",
        "--restart-condition",
        "none",
        "--update-failure-action",
        "continue",
        "crash",
    ]);
    let text = shows(&daemon, &services, " was the last: exited with code 3; ");
    assert!(!text.contains("crash loop"), "{text}");
    shows(&daemon, &["ps"], " was the last: exited with code 3; ");
}

#[test]
fn a_program_that_ends_after_its_start_never_counts_as_converged() {
    let daemon = Daemon::start(2);
    let flags = ["service", "create", "--replicas", "2", "--restart-delay"];
    let crash = "sleep 0.2; echo the disk is on fire; exit 3";
    let words = [
        "10ms",
        "--name",
        "crash",
        "--process",
        "--",
        "/bin/sh",
        "-c",
    ];
    let (code, text) = said(&daemon.skep([&flags[..], &words, &[crash]].concat()));
    assert_eq!(code, 11, "{text}");
    assert!(!text.contains("converged"), "{text}");
    for wanted in [
        "Error: service crash is in a crash loop: ",
        "again and again: crash.",
        ": exited with code 3; last output: the disk is on fire\n",
        "New attempts go on in background. Look at `skep service logs crash`",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    // Code 0 is no better if the task is made anew each time.
    let words = ["10ms", "--name", "done", "--process", "--", "/bin/true"];
    let (code, text) = said(&daemon.skep([&flags[..], &words].concat()));
    assert_eq!(code, 11, "{text}");
    assert!(text.contains(": exited with code 0\n"), "{text}");
    // What has done its work is done.
    let once = ["--restart-condition", "none", "--name", "once", "--process"];
    let (code, text) = said(&daemon.skep([&flags[..4], &once, &["--", "/bin/true"]].concat()));
    assert_eq!(code, 0, "{text}");
    // What stays up is watched once, and then it has converged.
    let words = ["10ms", "--name", "fine", "--stable-for", "1s", "--process"];
    let (code, text) =
        said(&daemon.skep([&flags[..], &words, &["--", "/bin/sleep", "1000"]].concat()));
    assert_eq!(code, 0, "{text}");
    let end = "verify: all tasks are as wanted; watching for 1s that they stay so\n\
               verify: Service fine converged\n";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn a_port_of_another_program_is_named_on_the_node_and_served_once_it_is_free() {
    let daemon = Daemon::start(2);
    let address = daemon.node_address(1);
    let other = TcpListener::bind((address, 0)).expect("an address of our own");
    let port = other.local_addr().expect("it is bound").port();
    create(
        &daemon,
        "web",
        &["-p", &format!("{port}:80")],
        &["/bin/sleep", "1000"],
    );
    let words = format!(
        "service web is not reachable on {address}:{port}/tcp: another program holds the port; \
         stop that program or publish another port (trying again)"
    );
    shows(&daemon, &["node", "inspect", "--pretty", "node-2"], &words);
    drop(other);
    until("the port is served", DEADLINE, || {
        let text = daemon.skep_ok(["node", "inspect", "--pretty", "node-2"]);
        (!text.contains("PORT_IN_USE:")).then_some(())
    });
}

#[test]
fn memory_beyond_every_node_is_pending_with_the_reason() {
    let daemon = Daemon::start(2);
    let flags = [
        "service",
        "create",
        "--name",
        "big",
        "--reserve-memory",
        "900G",
    ];
    let more = ["--timeout", "1s", "--process", "--", "/bin/sleep", "1000"];
    let (code, text) = said(&daemon.skep([&flags[..], &more].concat()));
    assert_eq!(code, 14, "{text}");
    let begin = "no suitable node (needs 921600 MiB, most free is ";
    for wanted in [
        "Error: service big has tasks without a node after 1s:\n  no suitable node",
        "They start when a node fits; `skep service update big ...` changes what they need.\n",
    ] {
        assert!(text.contains(wanted), "{wanted}{text}");
    }
    shows(&daemon, &["ps"], "Pending");
    shows(&daemon, &["ps"], begin);
    let mut seen = skep_tests::Transcript::default();
    seen.follow(&daemon, &["watch", "--type", "task"], 1);
    assert!(seen.text().contains(begin), "{}", seen.text());
}
