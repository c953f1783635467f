// SPDX-License-Identifier: Apache-2.0
//! What `skep` does at a terminal and with the files of a person: bars that move, words that a
//! shell completes, logs that go on, specs from a file. The files with what is expected are in
//! `tests/golden/`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use skep_tests::daemon::binary;
use skep_tests::{DEADLINE, Daemon, Transcript, golden, normal, skip, until};

/// A service whose tasks are where a person can name them.
const WEB: &str = "\
name: web
replicated:
  replicas: 2
template:
  process:
    command:
    - /bin/sh
    - -c
    - sleep 1000
  placement:
    requirements:
    - key: node.name
      values:
      - node-1
update:
  order: ORDER_START_FIRST
";

/// How large a terminal is.
const ROWS: u16 = 24;
const COLUMNS: u16 = 100;

/// Begins what moves the cursor.
const ESCAPE: u8 = 0x1b;

/// Runs `skep` at a terminal of its own and gives what stands on it at the end.
fn at_a_terminal(daemon: &Daemon, arguments: &str) -> Option<String> {
    let script = Command::new("script").arg("--version").output().is_ok();
    if !script {
        skip("progress at a terminal", "there is no program `script`");
        return None;
    }
    let skep = binary("skep");
    let size = format!("stty rows {ROWS} cols {COLUMNS}");
    let line = format!("{size}; exec {} {arguments}", skep.display());
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env(
            "SKEP_HOST",
            format!("unix://{}", daemon.ready.socket.display()),
        )
        .env("HOME", daemon.dir())
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output()
        .expect("script can be run");
    let raw = output.stdout;
    assert!(output.status.success(), "{arguments}: {raw:?}");
    assert!(raw.contains(&ESCAPE), "nothing was drawn over: {raw:?}");
    let mut screen = vt100::Parser::new(ROWS, COLUMNS, 0);
    screen.process(&raw);
    let rows: Vec<String> = screen.screen().rows(0, COLUMNS).collect();
    let text = rows.join("\n");
    Some(normal(daemon, text.trim_end().as_bytes()) + "\n")
}

#[test]
fn bars_stand_at_a_terminal_until_all_is_as_wanted() {
    let daemon = Daemon::start(1);
    let create = "service create --name web --replicas 2 --stable-for 100ms --process -- \
                  /bin/sleep 1000";
    let Some(picture) = at_a_terminal(&daemon, create) else {
        return;
    };
    golden("terminal", &picture);
}

#[test]
fn specs_come_from_files() {
    let daemon = Daemon::start(2);
    let write = |name: &str, text: &str| {
        let path = daemon.dir().join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path.display().to_string()
    };
    let web = write("web.yaml", WEB);
    let unknown = write("unknown.yaml", &WEB.replace("command:", "comand:"));
    let bad = write("bad.yaml", &WEB.replace("/bin/sh", "sh"));
    let mut seen = Transcript::default();
    for path in [&unknown, &bad, "/no/such/file.yaml"] {
        seen.run(&daemon, &["service", "create", "-f", path]);
    }
    let create = ["service", "create", "--stable-for", "0", "-f", &web];
    seen.run(&daemon, &create);
    let format = "{{.Name}} runs {{.Image}} on {{.Node}}";
    seen.run(&daemon, &["service", "ps", "web", "--format", format]);
    // Good is what converged, which is found out a moment after the tasks run.
    until("the revision is good", DEADLINE, || {
        let marks = daemon.skep_ok(["service", "history", "web", "--format", "{{.Good}}"]);
        (marks == "*\n").then_some(())
    });
    seen.run(&daemon, &["service", "history", "web"]);
    seen.run(&daemon, &["service", "rollback", "--to", "3", "web"]);
    seen.check("files");
}

#[test]
fn a_log_goes_on_while_it_is_followed() {
    let daemon = Daemon::start(1);
    let sign = daemon.dir().join("go-on");
    let program = format!(
        "echo first; until [ -e {0} ]; do sleep 0.05; done; echo second; exec sleep 1000",
        sign.display()
    );
    let mut words = "service create --quiet --stable-for 0 --name talker --process -- /bin/sh -c"
        .split(' ')
        .collect::<Vec<_>>();
    words.push(&program);
    daemon.skep_ok(words);
    let mut skep = daemon
        .command(["service", "logs", "--follow", "talker"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("skep can be run");
    let out = BufReader::new(skep.stdout.take().expect("it is a pipe"));
    let (send, receive) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        out.lines()
            .map_while(Result::ok)
            .all(|line| send.send(line).is_ok())
    });
    let next = || {
        let line = receive.recv_timeout(DEADLINE).expect("a line in time");
        normal(&daemon, line.as_bytes())
    };
    assert_eq!(next(), "talker.1.tsk_ID@node-1  | first");
    std::fs::write(&sign, "").expect("a file can be written");
    assert_eq!(next(), "talker.1.tsk_ID@node-1  | second");
    skep.kill().expect("skep can be killed");
    skep.wait().expect("skep can be waited for");
    drop(receive);
    reader.join().expect("the reader ends with what it reads");
}

/// What bash offers after a line, in the order it does.
fn offered(script: &Path, line: &str) -> String {
    let ask = format!(
        "source {}; words=({line} ''); COMP_WORDS=(\"${{words[@]}}\"); \
         COMP_CWORD=$((${{#words[@]}} - 1)); _skep skep '' \"${{words[COMP_CWORD - 1]}}\"; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display()
    );
    let output = Command::new("bash").args(["--norc", "-c", &ask]).output();
    let output = output.expect("bash can be run");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn shells_complete_verbs_and_flags() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = |shell: &str| {
        let output = Command::new(binary("skep"))
            .args(["completion", shell])
            .output();
        let output = output.expect("skep can be run");
        assert!(output.status.success(), "{shell}: {output:?}");
        let path = dir.path().join(shell);
        std::fs::write(&path, &output.stdout).expect("a file can be written");
        (path, String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let (_, text) = script(shell);
        for word in ["rollback", "history", "mount-add", "update-delay"] {
            assert!(text.contains(word), "{shell} does not know {word}");
        }
    }
    let (bash, _) = script("bash");
    if Command::new("bash").arg("--version").output().is_err() {
        return skip("completion", "there is no bash");
    }
    let mut seen = String::new();
    for line in [
        "skep",
        "skep service",
        "skep service rollback",
        "skep completion",
    ] {
        seen.push_str(&format!("$ {line} <TAB>\n{}\n", offered(&bash, line)));
    }
    golden("completion", &seen);
}
