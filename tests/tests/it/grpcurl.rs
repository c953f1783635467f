// SPDX-License-Identifier: Apache-2.0
//! `docs/grpcurl.md` at work.

use std::path::{Path, PathBuf};
use std::process::Command;

use skep_tests::{Daemon, page, skip};

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

fn session(address: &str) {
    let Some(program) = grpcurl() else {
        return skip(
            "grpcurl",
            "neither SKEP_GRPCURL nor a Go toolchain to build it",
        );
    };
    let folder = program.parent().expect("a program lies in a folder");
    let path = std::env::var("PATH").expect("there is a PATH");
    let path = format!("{}:{path}", folder.display());
    let text = include_str!("../../../docs/grpcurl.md");
    page::play(text, 12, &[("PATH", &path), ("ADDR", address)]);
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
