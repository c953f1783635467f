// SPDX-License-Identifier: Apache-2.0
//! Changes that go wrong, and what a user does about them: exit codes, words, cures.

use std::net::TcpListener;
use std::process::Output;

use skep_tests::{DEADLINE, Daemon, until};

/// What a program that ran said of what went wrong, and its exit code.
fn said(output: &Output) -> (i32, String) {
    let code = output.status.code().expect("it ended by itself");
    (code, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Runs `skep`, which has to end with this code; what it said.
pub(super) fn ends(daemon: &Daemon, words: &[&str], code: i32) -> String {
    let (found, text) = said(&daemon.skep(words));
    assert_eq!(found, code, "skep {words:?}: {text}");
    text
}

/// A service of two tasks that fail as soon as BAD is set.
fn web(daemon: &Daemon, flags: &[&str]) {
    let program = "test -z \"$BAD\" && exec sleep 1000; echo bad news; exit 4";
    let create = ["service", "create", "--name", "web", "--replicas", "2"];
    let quick = [
        "--stable-for",
        "500ms",
        "--restart-delay",
        "10ms",
        "--update-monitor",
        "300ms",
        "--rollback-monitor",
        "300ms",
    ];
    let process = ["--process", "--", "/bin/sh", "-c", program];
    let words = [&create[..], &quick, flags, &process].concat();
    ends(daemon, &words, 0);
}

const BREAK: [&str; 5] = ["service", "update", "--env-add", "BAD=1", "web"];

fn rollout_state(daemon: &Daemon) -> String {
    let format = "{{.status.rollout.state}}";
    let text = daemon.skep_ok(["service", "inspect", "--format", format, "web"]);
    text.trim().trim_start_matches("STATE_").to_owned()
}

fn good_and_bad(daemon: &Daemon) -> (usize, usize) {
    let environments = daemon.task_environments();
    let bad = environments.values().filter(|it| it.contains_key("BAD"));
    let bad = bad.count();
    (environments.len() - bad, bad)
}

#[test]
fn an_update_that_fails_pauses_with_10_and_is_taken_back() {
    let mut daemon = Daemon::start(2);
    web(&daemon, &[]);
    let text = ends(&daemon, &BREAK, 10);
    for wanted in [
        "Error: service web has a roll-out that is paused: update paused: task web.",
        "exited with code 4; last output: bad news",
        "go on with `skep service resume web`, or go back with `skep service rollback web`.",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert_eq!(rollout_state(&daemon), "PAUSED");
    // Asking for the same again goes on, and comes to the same end; so does resuming, also after
    // a crash of the daemon.
    let text = ends(&daemon, &BREAK, 10);
    assert!(
        text.starts_with("nothing to change; going on with the roll-out"),
        "{text}"
    );
    daemon.kill();
    daemon.start_again();
    ends(&daemon, &["service", "resume", "web"], 10);
    let back = ["service", "rollback", "--stable-for", "500ms", "web"];
    let text = ends(&daemon, &back, 0);
    assert!(text.ends_with("verify: Service web converged\n"), "{text}");
    assert_eq!(rollout_state(&daemon), "ROLLED_BACK");
    until("both run as before", DEADLINE, || {
        (good_and_bad(&daemon) == (2, 0)).then_some(())
    });
}

#[test]
fn a_change_that_goes_back_by_itself_ends_with_12() {
    let daemon = Daemon::start(1);
    web(&daemon, &["--update-failure-action", "rollback"]);
    let text = ends(&daemon, &BREAK, 12);
    for wanted in [
        "Error: service web was rolled back: rollback to revision ",
        "mend the cause, and change it again with `skep service update web ...`.",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert_eq!(rollout_state(&daemon), "ROLLED_BACK");
    assert_eq!(good_and_bad(&daemon), (2, 0));
    // Its next good change ends well.
    let next = [
        "service",
        "update",
        "--stable-for",
        "500ms",
        "--env-add",
        "A=1",
        "web",
    ];
    ends(&daemon, &next, 0);
}

#[test]
fn a_rollback_that_a_person_joins_has_not_failed() {
    let daemon = Daemon::start(1);
    // Each step back takes a while, so there is time to join it.
    web(
        &daemon,
        &[
            "--update-failure-action",
            "rollback",
            "--update-parallelism",
            "0",
            "--rollback-delay",
            "3s",
        ],
    );
    daemon.skep_ok(["service", "update", "-d", "--env-add", "BAD=1", "web"]);
    until("it goes back", DEADLINE, || {
        (rollout_state(&daemon) == "ROLLING_BACK").then_some(())
    });
    let back = ["service", "rollback", "--stable-for", "500ms", "web"];
    ends(&daemon, &back, 0);
    assert_eq!(good_and_bad(&daemon), (2, 0));
}

#[test]
fn a_roll_out_stops_and_goes_on_when_told_to() {
    let daemon = Daemon::start(1);
    web(&daemon, &["--update-delay", "1h"]);
    let change = ["service", "update", "-d", "--env-add", "A=1", "web"];
    daemon.skep_ok(change);
    let changed = || {
        let environments = daemon.task_environments().into_values();
        environments.filter(|it| it.contains_key("A")).count()
    };
    until("the first is changed", DEADLINE, || {
        (changed() == 1).then_some(())
    });
    daemon.skep_ok(["service", "pause", "web"]);
    assert_eq!(rollout_state(&daemon), "PAUSED");
    let text = ends(&daemon, &["service", "scale", "web=2"], 10);
    assert!(
        text.contains("is paused: update paused by request\n"),
        "{text}"
    );
    ends(
        &daemon,
        &["service", "update", "-d", "--update-delay", "0s", "web"],
        0,
    );
    assert_eq!((rollout_state(&daemon).as_str(), changed()), ("PAUSED", 1));
    ends(
        &daemon,
        &["service", "resume", "--stable-for", "500ms", "web"],
        0,
    );
    assert_eq!(changed(), 2);
    let text = ends(&daemon, &["service", "resume", "web"], 1);
    assert!(
        text.contains("only one that is paused can be resumed"),
        "{text}"
    );
}

#[test]
fn a_crash_loop_is_counted_over_a_crash_of_the_daemon() {
    let mut daemon = Daemon::start(1);
    let create = [
        "service",
        "create",
        "--name",
        "crash",
        "--restart-delay",
        "10ms",
    ];
    let process = ["--process", "--", "/bin/sh", "-c", "echo on fire; exit 3"];
    let json = ["--progress", "json"];
    let text = ends(&daemon, &[&create[..], &json, &process].concat(), 11);
    let last = text
        .lines()
        .rfind(|line| line.starts_with('{'))
        .expect("there are objects");
    assert!(
        last.contains("\"phase\":\"ended\",\"exit_code\":11,"),
        "{last}"
    );
    daemon.kill();
    daemon.start_again();
    // Whoever waits for it later hears the same at once.
    let text = ends(&daemon, &["service", "update", "crash"], 11);
    let words = "Error: service crash is in a crash loop: 1 of 1 tasks end again and again: \
                 crash.1: exited with code 3; last output: on fire\n";
    assert!(text.contains(words), "{text}");
    let mend = [
        "service",
        "update",
        "--args",
        "-c 'exec sleep 1000'",
        "--stable-for",
        "6s",
    ];
    ends(&daemon, &[&mend[..], &["crash"]].concat(), 0);
}

#[test]
fn a_port_that_is_held_ends_with_11_until_it_is_free() {
    let daemon = Daemon::start(2);
    let address = daemon.node_address(1);
    let other = TcpListener::bind((address, 0)).expect("an address of our own");
    let port = other.local_addr().expect("it is bound").port();
    let publish = format!("{port}:80");
    let create = ["service", "create", "--name", "web", "-p", &publish];
    let process = ["--process", "--", "/bin/sleep", "1000"];
    let text = ends(&daemon, &[&create[..], &process].concat(), 11);
    let words = format!(
        "Error: service web is not reachable on every node: another program holds port \
         {port}/tcp on node node-2; stop that program or publish another port\n"
    );
    assert!(text.contains(&words), "{text}");
    drop(other);
    until("it is free", DEADLINE, || {
        let text = daemon.skep_ok(["service", "inspect", "web"]);
        (!text.contains("PORT_IN_USE")).then_some(())
    });
    ends(
        &daemon,
        &["service", "update", "--stable-for", "500ms", "web"],
        0,
    );
}

#[test]
fn a_health_check_that_never_passes_ends_by_the_deadline() {
    let daemon = Daemon::start(1);
    let check = [
        "--health-cmd",
        "echo not yet; exit 1",
        "--health-interval",
        "100ms",
        "--health-retries",
        "2",
    ];
    let create = ["service", "create", "--name", "sick"];
    let quick = ["--restart-delay", "10ms", "--stable-for", "500ms"];
    let process = [
        "--process",
        "--",
        "/bin/sh",
        "-c",
        "echo no database; exec sleep 1000",
    ];
    let text = ends(
        &daemon,
        &[&create[..], &quick, &check, &process].concat(),
        11,
    );
    assert!(
        text.contains("Error: service sick is in a crash loop"),
        "{text}"
    );
    let words = "not yet; last output: no database";
    assert!(text.contains(words), "{text}");

    let well = [
        "service",
        "update",
        "--no-healthcheck",
        "--stable-for",
        "500ms",
        "sick",
    ];
    ends(&daemon, &well, 0);
    let text = ends(
        &daemon,
        &[&["service", "update"][..], &check, &["sick"]].concat(),
        10,
    );
    assert!(
        text.contains("is paused: update paused: task sick.1"),
        "{text}"
    );
    assert!(text.contains("not yet"), "the check's own words: {text}");
}

#[test]
fn a_change_during_a_change_goes_on_from_there() {
    let daemon = Daemon::start(1);
    web(&daemon, &["--update-delay", "1h"]);
    daemon.skep_ok(["service", "update", "-d", "--env-add", "A=1", "web"]);
    let changed = |name: &str| {
        let environments = daemon.task_environments().into_values();
        environments.filter(|it| it.contains_key(name)).count()
    };
    until("the first is changed", DEADLINE, || {
        (changed("A") == 1).then_some(())
    });
    let next = [
        "service",
        "update",
        "--env-add",
        "B=1",
        "--update-delay",
        "0s",
    ];
    let quick = ["--stable-for", "500ms", "web"];
    let text = ends(&daemon, &[&next[..], &quick].concat(), 0);
    assert!(text.ends_with("verify: Service web converged\n"), "{text}");
    assert_eq!((changed("A"), changed("B")), (2, 2));
    assert_eq!(rollout_state(&daemon), "COMPLETED");
}

#[test]
fn what_there_is_no_way_back_to_is_told_with_what_there_is() {
    let daemon = Daemon::start(1);
    web(&daemon, &[]);
    let text = ends(&daemon, &["service", "rollback", "web"], 1);
    let cure = "`skep service history web` lists the revisions there are.\n";
    let none = format!("Error: service \"web\" has no other revision to go back to\n{cure}");
    assert_eq!(text, none);
    daemon.skep_ok(["service", "update", "-d", "--env-add", "A=1", "web"]);
    let text = ends(&daemon, &["service", "rollback", "--to", "99999", "web"], 1);
    assert!(text.contains("99999") && text.ends_with(cure), "{text}");
}
