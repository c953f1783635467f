// SPDX-License-Identifier: Apache-2.0
//! Several people, or a person and a daemon, at the same thing.

use std::collections::BTreeMap;

use skep_tests::{DEADLINE, Daemon, until};

use super::{create, shows};

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
