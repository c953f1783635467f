// SPDX-License-Identifier: Apache-2.0
//! A day with a swarm, as a person types it: `tests/e2e/day.sh`.

use std::path::Path;
use std::process::{Command, Stdio};

use skep_tests::Engine;
use skep_tests::daemon::binary;

/// How long a day may take, in seconds; a quiet machine needs about a tenth of it.
const DAY_SECONDS: &str = "400";

/// Plays the day.
///
/// # Panics
/// If it did not go well: with what it printed.
fn play(kind: &str, engine: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/day.sh");
    let programs = binary("skepd");
    let programs = programs.parent().expect("a program lies in a folder");
    // It tidies up when it is told to end.
    let output = Command::new("timeout")
        .args(["--kill-after=60", DAY_SECONDS])
        .arg(script)
        .arg(kind)
        .env("SKEP_BIN_DIR", programs)
        .env("DOCKER_HOST", engine)
        .env_remove("SKEP_HOST")
        .env_remove("SKEP_CONTEXT")
        .env_remove("SKEPD_CONFIG")
        .stdin(Stdio::null())
        .output()
        .expect("the script can be started");
    assert!(
        output.status.success(),
        "it ended with {}:\n{}\n--- errors\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_day_with_processes() {
    // An engine that this machine may have is left alone.
    play("processes", "unix:///nowhere/docker.sock");
}

#[test]
fn a_day_with_containers() {
    if let Some(engine) = Engine::shared() {
        play("containers", &engine.host());
    }
}
