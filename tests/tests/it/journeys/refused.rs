// SPDX-License-Identifier: Apache-2.0
//! What makes no sense, is taken or is not let in: the answer, and its cure.

use std::path::Path;
use std::process::Command;

use skep_tests::daemon::binary;
use skep_tests::{Daemon, skip};

use super::{answers, create, said};

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
        &"service create --name web --process -- sleep"
            .split(' ')
            .collect::<Vec<_>>(),
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
        &"service create --name web --process -- /bin/true"
            .split(' ')
            .collect::<Vec<_>>(),
        1,
        "Error: there is a service \"web\" already; take another name, or update that one",
    );
    answers(
        &daemon,
        &"service create --name api -p 8080:81 --process -- /bin/true"
            .split(' ')
            .collect::<Vec<_>>(),
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
