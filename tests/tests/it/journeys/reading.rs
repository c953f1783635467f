// SPDX-License-Identifier: Apache-2.0
//! Reading what tasks printed.

use skep_tests::{DEADLINE, Daemon, until};

use super::create;

/// The lines that a task printed, each with its time.
fn read(daemon: &Daemon, more: &[&str]) -> Vec<String> {
    let mut words = vec!["service", "logs", "--raw", "--timestamps"];
    words.extend(more);
    words.push("talker");
    let text = daemon.skep_ok(words);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn lines_since_a_time_leave_out_those_before() {
    let daemon = Daemon::start(1);
    let script =
        "n=0; while [ $n -lt 20 ]; do n=$((n+1)); echo line $n; sleep 0.05; done; sleep 1000";
    create(&daemon, "talker", &[], &["/bin/sh", "-c", script]);
    let all = until("it has printed all", DEADLINE, || {
        let lines = read(&daemon, &[]);
        (lines.len() == 20).then_some(lines)
    });
    for first in [0, 7, 19] {
        let (time, _) = all[first].split_once(' ').expect("a time");
        let since = read(&daemon, &["--since", time]);
        assert_eq!(since, all[first..], "since {time}");
        // Of them the last ones.
        let last = read(&daemon, &["--since", time, "--tail", "1"]);
        assert_eq!(last, all[19..], "since {time}");
    }
    assert_eq!(read(&daemon, &["--since", "1h"]), all);
    // None was printed in a time to come.
    assert_eq!(
        read(&daemon, &["--since", "2126-01-01T00:00:00Z"]),
        Vec::<String>::new()
    );
}
