// SPDX-License-Identifier: Apache-2.0
//! Stopping tasks in the way that their spec asks for.

use skep_tests::{DEADLINE, Daemon, until};

use super::{create, shows};

#[test]
fn a_program_gets_the_signal_of_its_spec() {
    let daemon = Daemon::start(1);
    let script = "trap 'echo told; exit 7' USR1; echo ready; while :; do sleep 0.05; done";
    let flags = ["--stop-signal", "SIGUSR1"];
    create(&daemon, "odd", &flags, &["/bin/sh", "-c", script]);
    shows(&daemon, &["service", "logs", "odd"], "ready");
    let task = daemon.skep_ok(["task", "ls", "-q"]);
    let task = task.trim();
    daemon.skep_ok(["task", "stop", task]);
    let told = [
        "task",
        "inspect",
        "--format",
        "{{.status.state}} {{.status.exitCode}}",
        task,
    ];
    until("it has stopped in its own way", DEADLINE, || {
        (daemon.skep_ok(told).trim() == "TASK_STATE_STOPPED 7").then_some(())
    });
    let printed = daemon.skep_ok(["task", "logs", "--raw", task]);
    assert_eq!(printed, "ready\ntold\n");
}
