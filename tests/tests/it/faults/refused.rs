// SPDX-License-Identifier: Apache-2.0
//! Daemons that do not start, and what they say; and one that repairs and goes on.

use std::path::PathBuf;

use skep_tests::Daemon;

use crate::api::{Api, program};

/// Records begin behind the header of a segment.
const HEADER_BYTES: usize = 4096;

/// Expects words in what was said.
fn says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word:?} is missing: {said}");
    }
}

fn simulated() -> Daemon {
    Daemon::start_with(&["--dev", "--executor", "simulated"])
}

/// A daemon with something to lose.
fn filled() -> (Daemon, Api) {
    let daemon = simulated();
    let api = Api::of(&daemon);
    for number in 0..10 {
        api.create(program(&format!("service-{number}"), 1, &["/bin/true"]));
    }
    (daemon, api)
}

/// The last segment of the log.
fn segment(daemon: &Daemon) -> PathBuf {
    let files = std::fs::read_dir(daemon.data_dir().join("store/log")).expect("a log");
    let paths = files.map(|file| file.expect("a file").path());
    let segments = paths.filter(|path| path.extension().is_some_and(|end| end == "wal"));
    segments.max().expect("a log has a segment")
}

#[test]
fn a_second_daemon_is_refused() {
    let (daemon, api) = filled();
    let said = daemon.refusal(&[]);
    let dir = daemon.data_dir();
    says(
        &said,
        &[
            dir.to_str().expect("text"),
            "in use by another skepd",
            "--data-dir",
        ],
    );
    assert!(
        daemon.ready.socket.exists(),
        "the first one keeps its socket"
    );
    api.service("service-9");
}

#[test]
fn a_newer_format_is_refused() {
    let (mut daemon, api) = filled();
    daemon.stop();
    let file = daemon.data_dir().join("FORMAT");
    let format = std::fs::read_to_string(&file).expect("a format");
    let newer = format.replace("format 1", "format 2");
    assert_ne!(newer, format);
    std::fs::write(&file, &newer).expect("written");
    says(
        &daemon.refusal(&[]),
        &["has format 2", "knows formats up to 1", "newer skepd"],
    );
    std::fs::write(&file, &format).expect("written");
    daemon.start_again();
    api.service("service-9");
}

#[test]
fn a_damaged_log_is_refused_and_left_alone() {
    let (mut daemon, api) = filled();
    daemon.kill();
    let path = segment(&daemon);
    let sound = std::fs::read(&path).expect("the segment");
    let mut damaged = sound.clone();
    damaged[HEADER_BYTES + 20] ^= 1;
    std::fs::write(&path, &damaged).expect("written");
    let name = path.to_str().expect("text");
    let at = format!("at byte {HEADER_BYTES}");
    says(
        &daemon.refusal(&[]),
        &[name, "is damaged", &at, "from a backup"],
    );
    assert!(
        std::fs::read(&path).expect("the segment") == damaged,
        "nothing was changed"
    );
    std::fs::write(&path, &sound).expect("written");
    daemon.start_again();
    api.service("service-9");
}

#[test]
fn a_torn_tail_is_repaired_and_logged() {
    let (mut daemon, api) = filled();
    daemon.kill();
    let path = segment(&daemon);
    let mut content = std::fs::read(&path).expect("the segment");
    let end = content
        .iter()
        .rposition(|byte| *byte != 0)
        .expect("records");
    // Records begin at multiples of 8: this one was never finished.
    let begin = (end / 8 + 1) * 8;
    content[begin..begin + 100].fill(0xA5);
    std::fs::write(&path, &content).expect("written");
    daemon.start_again();
    let name = path.to_str().expect("text");
    says(&daemon.log(), &["cut off the torn end of the log", name]);
    for number in 0..10 {
        api.service(&format!("service-{number}"));
    }
    daemon.kill();
    daemon.start_again();
    let told = daemon.log().matches("cut off the torn end").count();
    assert_eq!(told, 1, "it was repaired for good");
}

#[test]
fn a_socket_path_that_is_too_long_is_refused() {
    let mut daemon = simulated();
    daemon.stop();
    let long = format!("/tmp/{}.sock", "s".repeat(120));
    says(
        &daemon.refusal(&["--socket", &long]),
        &["107", &long, "--socket"],
    );
    let mut command = std::process::Command::new(skep_tests::daemon::binary("skep"));
    let output = command
        .args(["-H", &format!("unix://{long}"), "info"])
        .output();
    let output = output.expect("skep can be run");
    says(&String::from_utf8_lossy(&output.stderr), &["107", &long]);
    assert!(!output.status.success());
}

/// Also by a daemon that would begin no container: who founds a swarm later could not mend it.
#[test]
fn an_engine_that_cannot_be_reached_by_its_address_is_refused() {
    let mut daemon = simulated();
    daemon.stop();
    let said = daemon.refusal(&["--docker-host", "ftp://engine"]);
    says(
        &said,
        &["--docker-host is wrong", "ftp://engine", "tcp://host:port"],
    );
}
