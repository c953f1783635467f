// SPDX-License-Identifier: Apache-2.0
//! What every verb of `skep` prints, against a daemon, word for word. The files are in
//! `tests/golden/`.

use skep_tests::{DEADLINE, Daemon, Transcript, until};

/// A service on the first node, so that where its tasks are is always the same.
fn web(daemon: &Daemon, replicas: &str) {
    daemon.skep_ok([
        "service",
        "create",
        "--name",
        "web",
        "--replicas",
        replicas,
        "--label",
        "tier=front",
        "--env",
        "A=b",
        "--publish",
        "8080:80",
        "--stable-for",
        "0",
        "--constraint",
        "node.name==node-1",
        "--process",
        "--",
        "/bin/sh",
        "-c",
        "echo I am $SKEP_TASK_NAME; exec sleep 1000",
    ]);
}

#[test]
fn versions_and_the_swarm() {
    let daemon = Daemon::start(2);
    let mut seen = Transcript::default();
    seen.run(&daemon, &["version"]);
    seen.run(&daemon, &["version", "--client"]);
    seen.run(&daemon, &["info"]);
    seen.run(&daemon, &["swarm", "init"]);
    seen.run(&daemon, &["swarm", "update", "--task-history-limit", "2"]);
    seen.run(&daemon, &["swarm", "update"]);
    seen.run(&daemon, &["swarm", "leave"]);
    seen.check("swarm");
}

#[test]
fn nodes() {
    let daemon = Daemon::start(3);
    let mut seen = Transcript::default();
    seen.run(&daemon, &["node", "ls"]);
    seen.run(&daemon, &["node", "ls", "-q"]);
    seen.run(&daemon, &["node", "ls", "--filter", "name=node-2"]);
    seen.run(&daemon, &["node", "ls", "--filter", "color=red"]);
    seen.run(
        &daemon,
        &["node", "update", "--label-add", "rack=r1", "node-2"],
    );
    seen.run(
        &daemon,
        &["node", "update", "--availability", "drain", "node-3"],
    );
    seen.run(&daemon, &["node", "inspect", "--pretty", "self"]);
    seen.run(&daemon, &["node", "inspect", "--pretty", "node-2"]);
    seen.run(
        &daemon,
        &[
            "node",
            "inspect",
            "--format",
            "{{.spec.name}} {{.status.state}}",
            "node-3",
        ],
    );
    seen.run(&daemon, &["node", "inspect", "node-9"]);
    seen.run(
        &daemon,
        &["node", "ls", "--format", "{{.Name}}: {{.Availability}}"],
    );
    seen.run(&daemon, &["node", "ps", "node-2"]);
    seen.run(&daemon, &["node", "rm", "node-2"]);
    seen.run(&daemon, &["node", "rm", "self"]);
    let last = seen.run(
        &daemon,
        &["node", "update", "--availability", "asleep", "node-2"],
    );
    assert_eq!(last.status.code(), Some(2));
    seen.check("node");
}

#[test]
fn services() {
    let daemon = Daemon::start(2);
    web(&daemon, "2");
    let mut seen = Transcript::default();
    seen.run(&daemon, &["service", "ls"]);
    seen.run(&daemon, &["service", "ls", "-q"]);
    seen.run(&daemon, &["service", "ls", "--filter", "name=api"]);
    seen.run(
        &daemon,
        &[
            "service",
            "ls",
            "--filter",
            "label=tier=front",
            "--format",
            "{{.Name}} {{.Replicas}}",
        ],
    );
    seen.run(&daemon, &["service", "ls", "--format", "{{.Color}}"]);
    seen.run(&daemon, &["service", "ls", "--format", "yaml"]);
    seen.run(&daemon, &["service", "inspect", "web"]);
    seen.run(&daemon, &["service", "inspect", "--pretty", "web"]);
    seen.run(&daemon, &["service", "inspect", "wep"]);
    seen.run(&daemon, &["service", "ps", "web"]);
    seen.run(
        &daemon,
        &["service", "scale", "--stable-for", "1s", "web=3"],
    );
    seen.run(&daemon, &["service", "scale", "web=-3"]);
    seen.run(
        &daemon,
        &[
            "service",
            "update",
            "--env-add",
            "C=d",
            "--replicas",
            "1",
            "--stable-for",
            "0",
            "web",
        ],
    );
    seen.run(&daemon, &["service", "rm", "web"]);
    seen.run(&daemon, &["service", "ls"]);
    seen.check("service");
}

#[test]
fn tasks_logs_and_watches() {
    let daemon = Daemon::start(2);
    let mut seen = Transcript::default();
    seen.run(&daemon, &["ps"]);
    web(&daemon, "1");
    until("the task printed", DEADLINE, || {
        let text = daemon.skep_ok(["service", "logs", "web"]);
        (!text.is_empty()).then_some(())
    });
    seen.run(&daemon, &["ps"]);
    seen.run(&daemon, &["task", "ls", "--filter", "node=node-2"]);
    seen.run(&daemon, &["task", "ls", "-q"]);
    seen.run(
        &daemon,
        &[
            "ps",
            "--format",
            "{{.Name}} on {{.Node}}: {{.DesiredState}}",
        ],
    );
    seen.run(&daemon, &["task", "inspect", "web.1"]);
    let id = daemon.skep_ok(["task", "ls", "-q"]);
    seen.run(
        &daemon,
        &[
            "task",
            "inspect",
            "--format",
            "{{.name}} {{.status.state}}",
            id.trim(),
        ],
    );
    seen.run(&daemon, &["service", "logs", "web"]);
    seen.run(&daemon, &["service", "logs", "--raw", "--tail", "1", "web"]);
    seen.run(&daemon, &["task", "logs", "--raw", id.trim()]);
    seen.follow(&daemon, &["watch", "--type", "service"], 1);
    seen.follow(&daemon, &["watch", "--type", "task", "--service", "web"], 1);
    seen.follow(&daemon, &["task", "watch", "web"], 1);
    seen.run(&daemon, &["watch", "--type", "nodes"]);
    seen.run(&daemon, &["service", "rm", "--quiet", "web"]);
    seen.check("task");
}
