// SPDX-License-Identifier: Apache-2.0
//! `docs/grpcurl.md` and `docs/buf-curl.md` at work: clients that ask the daemon what there is.

use std::path::{Path, PathBuf};
use std::process::Command;

use skep_tests::{Daemon, page, skip};

/// The pinned program, where the variable says, or where its script puts it, if this machine has
/// what that takes.
fn pinned(name: &str, variable: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let found = named.or_else(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../scripts/{name}.sh"));
        let built = Command::new(script).arg("--path").output().ok()?;
        let path = String::from_utf8(built.stdout).ok()?;
        built.status.success().then(|| PathBuf::from(path.trim()))
    });
    found.filter(|path| path.is_file())
}

/// Plays a page with this program on the path.
fn play(program: &Path, page: &str, count: usize, variables: &[(&str, &str)]) {
    let folder = program.parent().expect("a program lies in a folder");
    let path = std::env::var("PATH").expect("there is a PATH");
    let path = format!("{}:{path}", folder.display());
    page::play(page, count, &[variables, &[("PATH", &path)]].concat());
}

fn grpcurl(address: &str) {
    match pinned("grpcurl", "SKEP_GRPCURL") {
        None => skip(
            "grpcurl",
            "neither SKEP_GRPCURL nor a Go toolchain to build it",
        ),
        Some(program) => {
            let page = include_str!("../../../docs/grpcurl.md");
            play(&program, page, 14, &[("ADDR", address)]);
        }
    }
}

#[test]
fn grpcurl_over_the_socket() {
    let daemon = Daemon::start(1);
    grpcurl(&format!("unix://{}", daemon.ready.socket.display()));
}

#[test]
fn grpcurl_over_the_dev_address() {
    let daemon = Daemon::start(1);
    grpcurl(&daemon.dev_addr().to_string());
}

fn buf(options: &str, address: &str) {
    match pinned("buf", "SKEP_BUF") {
        None => skip("buf curl", "neither SKEP_BUF nor npm or pip to install it"),
        Some(program) => {
            let page = include_str!("../../../docs/buf-curl.md");
            let buf = format!("buf curl --protocol grpc {options}");
            play(&program, page, 12, &[("BUF", &buf), ("ADDR", address)]);
        }
    }
}

#[test]
fn buf_over_the_socket() {
    let daemon = Daemon::start(1);
    let socket = daemon.ready.socket.display();
    buf(&format!("--unix-socket {socket}"), "http://localhost");
}

#[test]
fn buf_over_the_dev_address() {
    let daemon = Daemon::start(1);
    buf("", &format!("http://{}", daemon.dev_addr()));
}
