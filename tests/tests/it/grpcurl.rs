// SPDX-License-Identifier: Apache-2.0
//! `docs/grpcurl.md` at work: its commands are run as they stand, and have to answer as it says.

use std::path::{Path, PathBuf};
use std::process::Command;

use skep_tests::{Daemon, skip};

/// A command of the page, and what stands below it.
#[derive(Default)]
struct Example {
    command: String,
    answer: Vec<String>,
}

/// The pinned grpcurl, if it is on this machine.
fn grpcurl() -> Option<PathBuf> {
    let named = std::env::var_os("SKEP_GRPCURL").map(PathBuf::from);
    let found = named.or_else(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/grpcurl.sh");
        let built = Command::new(script).arg("--path").output().ok()?;
        let path = String::from_utf8(built.stdout).ok()?;
        built.status.success().then(|| PathBuf::from(path.trim()))
    });
    found.filter(|path| path.is_file())
}

/// The page's examples: a block of `sh`, and the block of `text` that follows it.
fn examples() -> Vec<Example> {
    let page = include_str!("../../../docs/grpcurl.md");
    let mut examples: Vec<Example> = Vec::new();
    let mut block = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), block) {
            (Some("sh"), None) => {
                examples.push(Example::default());
                block = Some("sh");
            }
            (Some("text"), None) => block = Some("text"),
            (Some(_), _) => block = None,
            (None, Some("sh")) => {
                let example = examples.last_mut().expect("its block began");
                example.command.push_str(line);
                example.command.push('\n');
            }
            (None, Some(_)) => {
                let example = examples.last_mut().expect("an answer follows a command");
                example.answer.push(line.trim().to_owned());
            }
            (None, None) => {}
        }
    }
    examples
}

/// Runs every example against an address. Each line of an answer is printed in that order; a
/// command fails if a line of its answer begins with "ERROR" or "Error".
fn session(address: &str) {
    let Some(program) = grpcurl() else {
        return skip(
            "grpcurl",
            "neither SKEP_GRPCURL nor a Go toolchain to build it",
        );
    };
    let folder = program.parent().expect("a program lies in a folder");
    let path = std::env::var("PATH").expect("there is a PATH");
    let examples = examples();
    assert!(
        examples.len() >= 12,
        "the page has {} examples",
        examples.len()
    );
    for Example { command, answer } in examples {
        let output = Command::new("/bin/sh")
            .args(["-c", &command])
            .env("PATH", format!("{}:{path}", folder.display()))
            .env("ADDR", address)
            .output()
            .expect("there is a shell");
        let fails = answer
            .iter()
            .any(|line| line.to_lowercase().starts_with("error"));
        let out = String::from_utf8_lossy(&output.stdout);
        let text = format!("{out}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.success(), !fails, "{command}{text}");
        let mut lines = text.lines().map(str::trim);
        for wanted in answer {
            assert!(
                lines.any(|line| line == wanted),
                "{command}does not print, in this order:\n{wanted}\n--- but\n{text}"
            );
        }
    }
}

#[test]
fn grpcurl_over_the_socket() {
    let daemon = Daemon::start(1);
    session(&format!("unix://{}", daemon.ready.socket.display()));
}

#[test]
fn grpcurl_over_the_dev_address() {
    let daemon = Daemon::start(1);
    session(&daemon.dev_addr().to_string());
}
