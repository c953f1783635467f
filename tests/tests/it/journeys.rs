// SPDX-License-Identifier: Apache-2.0
//! What a new user tries and gets wrong, and the answer: its exit code, its words, its cure.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use skep_tests::daemon::binary;
use skep_tests::{DEADLINE, Daemon, skip, until};

/// What a program that ran said of what went wrong, and its exit code.
fn said(output: &Output) -> (i32, String) {
    let code = output.status.code().expect("it ended by itself");
    (code, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Runs `skep`, which has to end with a code and exactly these words.
fn answers(daemon: &Daemon, arguments: &[&str], code: i32, words: &str) {
    let found = said(&daemon.skep(arguments));
    assert_eq!(found, (code, format!("{words}\n")), "skep {arguments:?}");
}

/// Creates a service of one process and does not wait for it.
fn create(daemon: &Daemon, name: &str, flags: &[&str], command: &[&str]) {
    let mut words = vec!["service", "create", "-d", "--name", name];
    words.extend(flags);
    words.extend(["--process", "--"]);
    words.extend(command);
    daemon.skep_ok(words);
}

/// Waits until a command prints something.
fn shows(daemon: &Daemon, arguments: &[&str], wanted: &str) -> String {
    until(&format!("{arguments:?} shows {wanted}"), DEADLINE, || {
        let text = daemon.skep_ok(arguments);
        text.contains(wanted).then_some(text)
    })
}

#[test]
fn what_makes_no_sense_is_refused_with_the_cure() {
    let daemon = Daemon::start(1);
    let sleep = ["--process", "--", "/bin/sleep", "1000"];
    let refused = |flags: &[&str], code: i32, words: &str| {
        let arguments = [&["service", "create"], flags, &sleep].concat();
        answers(&daemon, &arguments, code, words);
    };
    refused(
        &["--name", "web", "--replicas", "-1"],
        2,
        "Error: invalid value '-1' for '--replicas <N>': must not be negative\n\n\
         For more information, try '--help'.",
    );
    refused(
        &["--name", "my web"],
        1,
        "Error: the request has a bad field: spec.name\n  spec.name (--name): is \"my web\"; a \
         name has letters, digits, \".\", \"_\" and \"-\", and begins and ends with a letter or \
         a digit",
    );
    for key in ["node.color", "engine.labels.disk"] {
        refused(
            &["--name", "web", "--constraint", &format!("{key}==red")],
            1,
            &format!(
                "Error: the request has a bad field: spec.template.placement.requirements[0].key\
                 \n  spec.template.placement.requirements[0].key (--constraint): is \"{key}\"; \
                 the keys there are: node.id, node.name, node.hostname, node.ip, node.role, \
                 node.platform.os, node.platform.arch and node.labels.KEY"
            ),
        );
    }
    refused(
        &["--name", "web", "--mount", "type=bind,source=/a,target=/b"],
        1,
        "Error: the request has a bad field: spec.template.mounts\n  spec.template.mounts \
         (--mount): is for containers only: leave it out, or run a container",
    );
    let (code, words) = said(
        &daemon.skep(
            [
                &[
                    "service",
                    "create",
                    "--name",
                    "web",
                    "--env",
                    "A={{.Color}}",
                ][..],
                &sleep,
            ]
            .concat(),
        ),
    );
    assert_eq!(code, 1);
    let begin = "Error: the request has a bad field: spec.template.process.env[\"A\"]\n  \
                 spec.template.process.env[\"A\"] (--env): \"{{.Color}}\" is not a placeholder; \
                 there are {{.Service.ID}}, ";
    assert!(words.starts_with(begin), "{words}");
    answers(
        &daemon,
        &[
            "service",
            "create",
            "--name",
            "web",
            "--process",
            "--",
            "sleep",
        ],
        1,
        "Error: the request has a bad field: spec.template.process.command[0]\n  \
         spec.template.process.command[0] (IMAGE|COMMAND): is \"sleep\", not an absolute path",
    );
    assert_eq!(daemon.skep_ok(["service", "ls", "-q"]), "");
}

#[test]
fn what_is_taken_is_said_with_the_cure() {
    let daemon = Daemon::start(1);
    create(&daemon, "web", &["-p", "8080:80"], &["/bin/sleep", "1000"]);
    answers(
        &daemon,
        &[
            "service",
            "create",
            "--name",
            "web",
            "--process",
            "--",
            "/bin/true",
        ],
        1,
        "Error: there is a service \"web\" already; take another name, or update that one",
    );
    answers(
        &daemon,
        &[
            "service",
            "create",
            "--name",
            "api",
            "-p",
            "8080:81",
            "--process",
            "--",
            "/bin/true",
        ],
        1,
        "Error: port 8080/tcp is published by service \"web\"; take another, or none to have one \
         chosen",
    );
    answers(
        &daemon,
        &["service", "inspect", "wep"],
        1,
        "Error: there is no service \"wep\"; did you mean web?",
    );
}

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

#[test]
fn swarms_are_founded_once_and_left_on_purpose() {
    let daemon = Daemon::start(1);
    answers(
        &daemon,
        &["swarm", "init"],
        1,
        "Error: this daemon is in a swarm already; leave that with LeaveSwarm (\"skep swarm leave \
         --force\") first",
    );
    answers(
        &daemon,
        &["swarm", "leave"],
        1,
        "Error: this is the only manager: if it leaves, the swarm with its services is lost on \
         every node; force it if that may be\nTo do it all the same, add --force.",
    );
    answers(
        &daemon,
        &["node", "rm", "--force", "self"],
        1,
        "Error: node \"node-1\" is a manager, keeps the state and cannot be deleted",
    );
    daemon.skep_ok(["node", "ls"]);
}

#[test]
fn no_daemon_is_exit_code_3() {
    let folder = tempfile::tempdir().expect("a directory");
    let socket = folder.path().join("skep.sock");
    let host = format!("unix://{}", socket.display());
    let skep = || {
        let mut command = Command::new(binary("skep"));
        command.args(["-H", &host, "ps"]).env("HOME", folder.path());
        command
    };
    let cure = "Is it running? Start one with `skepd --dev`, or say where it is with --host or \
                SKEP_HOST.\n";
    let (code, text) = said(&skep().output().expect("skep can be run"));
    let begin = format!("Error: no skep daemon answers at {host} (no such socket)\n");
    assert_eq!((code, text), (3, begin + cure));
    let long = format!("unix:///tmp/{}/skep.sock", "x".repeat(120));
    let output = Command::new(binary("skep"))
        .args(["-H", &long, "ps"])
        .output();
    let (code, text) = said(&output.expect("skep can be run"));
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("start the daemon with a shorter --socket"),
        "{text}"
    );
}

#[test]
fn a_socket_of_others_is_said_with_the_cure() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    if !nix::unistd::Uid::effective().is_root() {
        return skip("a socket of others", "only root can become somebody else");
    }
    let daemon = Daemon::start(1);
    // Somebody else can come to the socket and use a copy of the program, and is not let in.
    let open = |path: &Path| std::fs::set_permissions(path, PermissionsExt::from_mode(0o755));
    open(daemon.dir()).expect("it is ours");
    open(&daemon.dir().join("data")).expect("it is ours");
    let program = daemon.dir().join("skep");
    std::fs::copy(binary("skep"), &program).expect("there is space");
    open(&program).expect("it is ours");
    let host = format!("unix://{}", daemon.ready.socket.display());
    let output = Command::new(&program)
        .args(["-H", &host, "ps"])
        .current_dir("/")
        .uid(65_534)
        .gid(65_534)
        .output();
    let (code, text) = said(&output.expect("skep can be run"));
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("permission"), "{text}");
    assert!(
        text.ends_with(
            "\nRun this as root, or join the group that owns the socket (often `skep`) and log \
             in again.\n"
        ),
        "{text}"
    );
}

#[test]
fn verbs_of_docker_that_are_not_there_name_what_is() {
    let daemon = Daemon::start(1);
    for (arguments, words) in [
        (
            &["stack", "deploy", "x"][..],
            "skep stack: stacks are not there yet; create each service with `skep service create -f FILE`",
        ),
        (
            &["secret", "ls"],
            "skep secret: secrets are not there yet; use a file of the node, for a container by --mount",
        ),
        (
            &["network", "ls"],
            "skep network: overlay networks are not there yet; services reach one another by published ports",
        ),
        (&["run", "alpine"], "skep run: use `skep service create`"),
        (&["events"], "skep events: use `skep watch`"),
        (
            &["swarm", "join-token", "worker"],
            "skep swarm join-token: joining is not there yet; `skepd --dev --nodes N` starts N nodes on one machine",
        ),
        (
            &["node", "promote", "x"],
            "skep node promote: there is one manager yet, and its role is fixed",
        ),
        (
            &["service", "update", "x", "--rollback"],
            "skep service update --rollback: use `skep service rollback`",
        ),
        (
            &["service", "create", "--name", "web", "/bin/sleep"],
            "/bin/sleep is no image; to run it on the nodes themselves add --process: --process -- /bin/sleep",
        ),
    ] {
        answers(&daemon, arguments, 2, &format!("Error: {words}"));
    }
}

#[test]
fn two_at_once_do_not_undo_each_other() {
    let daemon = Daemon::start(1);
    create(&daemon, "web", &[], &["/bin/sleep", "1000"]);
    let add = |number: u32| {
        let pair = format!("V{number}=1");
        let words = ["service", "update", "-d", "--env-add", &pair, "web"];
        daemon.command(words).spawn().expect("skep can be run")
    };
    let running: Vec<_> = (0..6).map(add).collect();
    for child in running {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{output:?}");
    }
    let service = daemon.skep_ok(["service", "inspect", "web"]);
    for number in 0..6 {
        assert!(
            service.contains(&format!("\"V{number}\": \"1\"")),
            "{service}"
        );
    }
    // One name asked for twice at once is had once.
    let ask = || {
        let words = [
            "service",
            "create",
            "-d",
            "--name",
            "one",
            "--process",
            "--",
            "/bin/sleep",
            "9",
        ];
        daemon.command(words).spawn().expect("skep can be run")
    };
    let both = [ask(), ask()].map(|child| child.wait_with_output().expect("it ends").status.code());
    assert!(
        both.contains(&Some(0)) && both.contains(&Some(1)),
        "{both:?}"
    );
}

/// How many processes of tasks each node has.
fn processes_by_node(daemon: &Daemon) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for environment in daemon.task_environments().into_values() {
        let node = environment["SKEP_NODE_NAME"].clone();
        *counts.entry(node).or_default() += 1;
    }
    counts
}

#[test]
fn a_node_deleted_while_it_lives_ends_its_tasks_and_returns_with_its_daemon() {
    let mut daemon = Daemon::start(2);
    let sleep = ["/bin/sleep", "1000"];
    create(&daemon, "web", &["--replicas", "4"], &sleep);
    let nodes = until("both nodes run two", DEADLINE, || {
        let found = processes_by_node(&daemon);
        (found.len() == 2 && found.values().all(|count| *count == 2)).then_some(found)
    });
    // The other is a manager, which cannot be deleted.
    let forget = |name: &&String| {
        daemon
            .skep(["node", "rm", "--force", name])
            .status
            .success()
    };
    let gone: Vec<&String> = nodes.keys().filter(forget).collect();
    assert_eq!(gone.len(), 1, "{nodes:?}");
    until("the node that stayed runs all", DEADLINE, || {
        let found = processes_by_node(&daemon);
        (found.len() == 1 && !found.contains_key(gone[0]) && found.values().eq([&4])).then_some(())
    });
    assert!(!daemon.skep_ok(["node", "ls"]).contains(gone[0].as_str()));
    daemon.kill();
    daemon.start_again();
    shows(&daemon, &["node", "ls"], gone[0]);
}
