// SPDX-License-Identifier: Apache-2.0
//! A disk that is full.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use nix::unistd::geteuid;
use skep_sdk::v1::daemon::State;
use skep_sdk::v1::{CreateServiceRequest, ErrorReason, GetDaemonRequest};
use skep_sdk::{Code, Error};
use skep_tests::{DEADLINE, Daemon, skip, until};
use tempfile::TempDir;

use crate::api::{Api, program};

/// A small file system of its own.
struct Disk {
    dir: TempDir,
}

impl Disk {
    /// Mounts it; nothing if this machine does not allow that.
    fn mount(size: &str) -> Option<Disk> {
        if !geteuid().is_root() {
            skip("a full disk", "only root may mount a small one");
            return None;
        }
        let dir = tempfile::tempdir().expect("a directory");
        let options = format!("size={size}");
        if let Err(why) = run(
            "mount",
            &["-t", "tmpfs", "-o", &options, "skep-test"],
            dir.path(),
        ) {
            skip("a full disk", &why);
            return None;
        }
        Some(Disk { dir })
    }

    fn grow(&self, size: &str) {
        let options = format!("remount,size={size}");
        run("mount", &["-o", &options], self.dir.path()).expect("it can be made larger");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(why) = run("umount", &[], self.dir.path()) {
            eprintln!("cannot unmount {}: {why}", self.dir.path().display());
        }
    }
}

fn run(program: &str, arguments: &[&str], at: &Path) -> Result<(), String> {
    let output = Command::new(program).args(arguments).arg(at).output();
    let output = output.map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.success().then_some(()).ok_or(said)
}

/// A service whose record in the log is large.
fn large(number: u32) -> CreateServiceRequest {
    let mut spec = program(&format!("service-{number}"), 0, &["/bin/true"]);
    let template = spec.template.get_or_insert_default();
    if let Some(skep_sdk::v1::task_template::Workload::Process(process)) = &mut template.workload {
        process.args = vec!["x".repeat(100_000)];
    }
    CreateServiceRequest {
        spec: Some(spec),
        request_id: format!("request-{number}"),
    }
}

/// On a full disk nothing is acknowledged any more, and said why; once there is room again and
/// the daemon was started anew, everything acknowledged is there and work goes on.
#[test]
fn a_full_disk_loses_nothing_acknowledged() {
    let Some(disk) = Disk::mount("7m") else {
        return;
    };
    let flags = ["--dev", "--executor", "simulated"];
    let mut daemon = Daemon::start_prepared(&flags, |dir| {
        symlink(disk.dir.path(), dir.join("data")).expect("a link to the disk");
    });
    let api = Api::of(&daemon);
    let mut acknowledged = 0;
    let error = loop {
        let created = api.run(api.client.services().create_service(large(acknowledged)));
        match created {
            Ok(_) => acknowledged += 1,
            Err(status) => break Error::from(status),
        }
        assert!(acknowledged < 1_000, "7 MiB do not hold so much");
    };
    assert!(error.is(ErrorReason::StorageFailed), "{error:?}");
    assert_eq!(error.code, Code::Unavailable);
    let path = &error.metadata["path"];
    assert!(path.contains("/store/log/"), "{path}");
    assert!(
        error.metadata["cause"].contains("No space left"),
        "{error:?}"
    );
    assert!(error.message.contains(path.as_str()), "{error}");

    let answer = api.run(api.client.daemon().get_daemon(GetDaemonRequest {}));
    let said = answer
        .expect("it still answers")
        .into_inner()
        .daemon
        .unwrap_or_default();
    assert_eq!(said.state(), State::Error);
    assert!(said.error.contains("No space left"), "{}", said.error);
    disk.grow("64m");
    let again = api.run(api.client.services().create_service(large(acknowledged)));
    let again = Error::from(again.expect_err("it does not trust its disk any more"));
    assert!(again.is(ErrorReason::StorageFailed), "{again:?}");

    daemon.stop();
    daemon.start_again();
    for number in 0..acknowledged {
        api.service(&format!("service-{number}"));
    }
    let repeated = until("the refused change is made", DEADLINE, || {
        let created = api.run(api.client.services().create_service(large(acknowledged)));
        created.ok()
    });
    assert!(repeated.into_inner().service.is_some());
}
