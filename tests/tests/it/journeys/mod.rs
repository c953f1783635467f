// SPDX-License-Identifier: Apache-2.0
//! What a new user tries and gets wrong, and the answer: its exit code, its words, its cure.

mod failing;
mod reading;
mod refused;
mod stopping;
mod together;

use std::process::Output;

use skep_tests::{DEADLINE, Daemon, until};

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
