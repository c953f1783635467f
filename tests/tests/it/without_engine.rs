// SPDX-License-Identifier: Apache-2.0
//! The checks of a machine on which there can be no Docker engine: `scripts/test.sh` with all
//! programs of this machine but Docker's. What it has cargo build and run is there already: the
//! programs, and this test itself.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use skep_tests::daemon::binary;
use tempfile::TempDir;

/// How long the checks may take, in seconds; a quiet machine needs about a tenth of it.
const SECONDS: &str = "300";

/// Programs that are left out: Docker's, and those whose part of the checks needs no engine.
const ABSENT: [&str; 6] = ["docker", "dockerd", "cargo", "go", "npm", "python3"];

/// A machine without an engine.
struct Machine(TempDir);

impl Machine {
    /// One whose `cargo test` runs those tests of containers whose names contain this.
    fn new(tests: &str) -> Machine {
        let machine = Machine(tempfile::tempdir().expect("a directory"));
        for folder in ["programs", "own", "target"] {
            fs::create_dir(machine.path(folder)).expect("it is ours");
        }
        let paths = std::env::var_os("PATH").expect("there is one");
        let folders = std::env::split_paths(&paths).filter_map(|path| fs::read_dir(path).ok());
        for program in folders.flatten().flatten() {
            let name = program.file_name();
            if !ABSENT.iter().any(|absent| name == **absent) {
                // The first of a name is the one that is meant.
                let _ = symlink(program.path(), machine.path("programs").join(name));
            }
        }
        let built = binary("skepd");
        let built = built.parent().expect("a program lies in a folder");
        let built = built.canonicalize().expect("it is there");
        symlink(built, machine.path("target/debug")).expect("a link");
        let own = std::env::current_exe().expect("this program");
        let text = format!(
            "case $1 in\n\
             metadata) echo '{{\"target_directory\":\"{}\"}}' ;;\n\
             rustc) ;;\n\
             test) exec '{}' {tests} ;;\n\
             *) echo \"cargo $*\" >&2 && exit 1 ;;\n\
             esac\n",
            machine.path("target").display(),
            own.display()
        );
        machine.program("cargo", &text);
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts a program of the shell before all others.
    fn program(&self, name: &str, text: &str) {
        let path = self.path("own").join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}")).expect("it is ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }

    /// Runs the checks of the demo and of the tests: whether they passed, and all they printed.
    fn checks(&self, ci: &str) -> (bool, String) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/test.sh");
        let (own, programs) = (self.path("own"), self.path("programs"));
        let mut command = Command::new("timeout");
        command.args(["--kill-after=60", SECONDS, "env"]);
        command.arg(format!("PATH={}:{}", own.display(), programs.display()));
        command.arg(script).args(["demo", "tests"]).env("CI", ci);
        for name in ["DOCKER_HOST", "SKEP_HOST", "SKEP_CONTEXT", "SKEPD_CONFIG"] {
            command.env_remove(name);
        }
        let output = command.stdin(Stdio::null()).output();
        let output = output.expect("the script can be started");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        (output.status.success(), text)
    }
}

/// Why there is no engine, as the script and the tests say it.
fn why() -> &'static str {
    if nix::unistd::geteuid().is_root() {
        "no dockerd"
    } else {
        "not root"
    }
}

/// The lines that say what was skipped.
fn skipped(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| line.contains("SKIPPED"));
    lines.collect()
}

#[test]
fn demo_and_tests_pass_without_an_engine_and_say_in_one_line_what_they_left_out() {
    let machine = Machine::new("docker:: a_day_with_containers");
    let (passed, text) = machine.checks("");
    assert!(passed, "{text}");
    let why = why();
    let line = format!("SKIPPED 2: demo of containers (engine: {why}), docker ({why})");
    assert_eq!(skipped(&text), [line], "{text}");
    for part in [
        "\n== no containers: ",
        "all of it held.",
        "docker::swarm::",
        "test result: ok.",
        "everything that ran passed",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_is_skipped_fails_in_ci() {
    let machine = Machine::new("a_day_with_containers");
    // The demo itself is played above.
    machine.program("timeout", "exit 0");
    let (passed, text) = machine.checks("true");
    assert!(!passed, "{text}");
    let why = why();
    let line = format!("SKIPPED 1: demo of containers (engine: {why})");
    assert_eq!(skipped(&text), [line], "{text}");
    for part in [
        &format!("docker cannot be tested here ({why}), and in CI nothing may be skipped")[..],
        "\nFAILED: tests skips\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
