// SPDX-License-Identifier: Apache-2.0
//! Containers that never get well, and what a user is told: exit codes, words, cures.

use skep_tests::{Daemon, Engine};

use super::swarm::daemon;
use crate::journeys_rollouts::ends;

/// `skep service create` of an image that the engine has, with these further words.
fn create<'a>(name: &'a str, words: &[&'a str]) -> Vec<&'a str> {
    let create = ["service", "create", "--name", name, "--pull", "never"];
    let quick = ["--restart-delay", "10ms", "--stable-for", "0"];
    [&create[..], &quick, words].concat()
}

fn update<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [&["service", "update", "--stable-for", "0"], words].concat()
}

/// What `service ps` says went wrong with its tasks.
fn errors(daemon: &Daemon, name: &str) -> String {
    let format = "{{.CurrentState}}: {{.Error}}";
    daemon.skep_ok(["service", "ps", "--no-trunc", "--format", format, name])
}

#[test]
fn a_check_that_never_passes_ends_by_the_deadline() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let daemon = daemon(&engine, 1);
    let said = |text: &str| {
        assert!(text.contains("unhealthy, as told"), "the check: {text}");
        assert!(text.contains("; last output: "), "{text}");
        assert!(text.contains("serving http on "), "its own words: {text}");
    };
    let text = ends(&daemon, &create("sick", &["skep-hello:bad"]), 11);
    let words = "Error: service sick is in a crash loop: 1 of 1 tasks end again and again";
    assert!(text.contains(words), "{text}");
    said(&text);
    said(&errors(&daemon, "sick"));

    ends(&daemon, &update(&["--no-healthcheck", "sick"]), 0);
    let text = ends(&daemon, &update(&["--no-healthcheck=false", "sick"]), 10);
    assert!(
        text.contains("is paused: update paused: task sick.1"),
        "{text}"
    );
    said(&text);

    let good = ["--no-healthcheck", "--update-failure-action", "rollback"];
    let good = create("back", &[&good[..], &["skep-hello:bad"]].concat());
    ends(&daemon, &good, 0);
    let text = ends(&daemon, &update(&["--no-healthcheck=false", "back"]), 12);
    assert!(
        text.contains("Error: service back was rolled back"),
        "{text}"
    );
    said(&text);
    assert!(errors(&daemon, "back").starts_with("Running "));
}

#[test]
fn a_command_that_is_not_in_the_image_is_named() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let daemon = daemon(&engine, 1);
    let missing = ["--entrypoint", "/no/such/program"];
    let words = "exec: \"/no/such/program\": ";
    let said = |text: &str| {
        assert!(text.contains(words), "{text}");
        assert!(text.contains("no such file or directory"), "{text}");
        assert!(text.contains("(field container.command)"), "{text}");
    };
    let begun = [&missing[..], &["skep-hello:1"]].concat();
    let text = ends(&daemon, &create("missing", &begun), 11);
    assert!(
        text.contains("service missing is in a crash loop"),
        "{text}"
    );
    said(&text);
    said(&errors(&daemon, "missing"));

    ends(&daemon, &create("good", &["skep-hello:1"]), 0);
    let text = ends(&daemon, &update(&[&missing[..], &["good"]].concat()), 10);
    said(&text);
    for signal in ["SIGNOPE", "99"] {
        let unknown = ["--stop-signal", signal, "skep-hello:1"];
        let text = ends(&daemon, &create("signal", &unknown), 1);
        let words = format!("(--stop-signal): is \"{signal}\", not a signal such as SIGTERM");
        assert!(text.contains(&words), "{text}");
    }
    let mended = update(&["--entrypoint", "/skep-hello", "missing"]);
    ends(&daemon, &mended, 0);
}
