// SPDX-License-Identifier: Apache-2.0
//! What was stored once is read for ever.
//!
//! Each archive in `tests/fixtures` is the data directory of a daemon of that version, killed
//! while it ran: log and snapshot, made by `skepd --dev --nodes 2 --executor simulated` with the
//! commands in the test's comments. A new version of what is stored adds one, and changes none.

use std::process::Command;

use skep_tests::Daemon;

fn daemon_of(version: &str) -> Daemon {
    let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let archive = format!("{archive}/data-{version}.tar.gz");
    let flags = ["--dev", "--nodes", "2", "--executor", "simulated"];
    Daemon::start_prepared(&flags, |dir| {
        let mut tar = Command::new("tar");
        let unpacked = tar.args(["-xzf", &archive, "-C"]).arg(dir).status();
        assert!(unpacked.expect("tar can be run").success(), "{archive}");
    })
}

/// `swarm update --snapshot-interval 100`; `node update --label-add rack=r1 --availability drain
/// node-2`; `service create` of `web` (2 replicas, a TCP and a UDP port), of `agent` (global, with
/// a health check) and of `pinned` (a container, which no node of it offers); 80 updates of
/// `agent`, one of `web`, and its rollback.
#[test]
fn a_data_directory_of_0_1_is_read() {
    let daemon = daemon_of("0.1");
    let format = "{{.Name}} {{.Mode}} {{.Image}} {{.Ports}}";
    let services = daemon.skep_ok(["service", "ls", "--format", format]);
    assert_eq!(
        services,
        "agent global /bin/agent \n\
         pinned replicated nginx:1.27 \n\
         web replicated /bin/web *:8080->80/tcp, *:5353->53/udp\n"
    );
    let format = "{{.Revision}}/{{.Current}}/{{.Good}}/{{.Changed}}";
    let history = daemon.skep_ok(["service", "history", "web", "--format", format]);
    assert_eq!(history, "537//*/template.process.env\n7/*/*/\n");
    let node = daemon.skep_ok(["node", "inspect", "--format", "json", "node-2"]);
    for part in ["\"rack\": \"r1\"", "AVAILABILITY_DRAIN"] {
        assert!(node.contains(part), "{part}: {node}");
    }
    let web = daemon.skep_ok(["service", "inspect", "--format", "json", "web"]);
    for part in ["\"tier\": \"front\"", "ROLLED_BACK", "ON_FAILURE_ROLLBACK"] {
        assert!(web.contains(part), "{part}: {web}");
    }
    // And it goes on from there.
    daemon.skep_ok(["service", "scale", "--stable-for", "0", "web=3"]);
    let format = "{{.Name}} {{.Replicas}}";
    let services = daemon.skep_ok(["service", "ls", "--format", format]);
    assert!(services.contains("web 3/3\n"), "{services}");
}
