// SPDX-License-Identifier: Apache-2.0
//! What a person typed and read, with what differs from run to run made the same.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use regex::Regex;

use crate::{DEADLINE, Daemon};

/// What is replaced wherever it stands, in this order.
const RULES: &[(&str, &str)] = &[
    (r"\b(tsk|svc|nod|swm)_[0-9a-z]{8,26}\b", "${1}_ID"),
    (r"'?\b20\d\d-\d\d-\d\dT[0-9:.]+Z\b'?", "TIME"),
    (
        r"\b([Ll]ess than a second|[Aa]bout an? (minute|hour)|\d+ (second|minute|hour)s?) ago\b",
        "AGO",
    ),
    (r#"([rR]evision"?: ["']?)\d+"#, "${1}REV"),
    (r#"("?pid"?: )\d+"#, "${1}PID"),
    (r"\buid:\d+\b", "uid:UID"),
    (r#"("?published"?: )2\d{4}\b"#, "${1}BACKEND"),
    (r":2\d{4}\b", ":BACKEND"),
    (r"(?m)^(\d+)( +[A-Z]+ )", "REV$2"),
    (
        r"(?m)^( *(CPUs|Memory|Capacity|Hostname|Operating System|Architecture|Capabilities): *).*$",
        "${1}OF THIS MACHINE",
    ),
    (r"\d+ MiB on (\d+) node", "SOME MiB on $1 node"),
    // Progress is shown as it comes, so only where it ends is always the same.
    (
        r"(?m)^(overall progress: \d+ out of \d+ tasks?|removing \S+: \d+ tasks? still to stop)\n",
        "",
    ),
    // Columns are as wide as what stands in them.
    (r"(\S) {2,}", "$1  "),
    (r"(?m) +$", ""),
];

/// Commands with what they printed and how they ended.
#[derive(Debug, Default)]
pub struct Transcript {
    text: String,
}

impl Transcript {
    /// Runs `skep` against a daemon and takes down what came of it.
    pub fn run(&mut self, daemon: &Daemon, arguments: &[&str]) -> Output {
        let output = daemon.skep(arguments);
        self.text
            .push_str(&format!("$ skep {}\n", shown(daemon, arguments)));
        self.text.push_str(&normal(daemon, &output.stdout));
        for line in normal(daemon, &output.stderr).lines() {
            self.text.push_str(&format!("2> {line}\n"));
        }
        let code = output.status.code();
        if code != Some(0) {
            let code = code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
            self.text.push_str(&format!("[exit {code}]\n"));
        }
        self.text.push('\n');
        output
    }

    /// Runs a `skep` that goes on for ever until it printed so many lines.
    ///
    /// # Panics
    /// If they do not come in time.
    pub fn follow(&mut self, daemon: &Daemon, arguments: &[&str], lines: usize) {
        let mut child = daemon
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("skep can be run");
        let out = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let (send, receive) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            out.lines()
                .map_while(Result::ok)
                .all(|line| send.send(line).is_ok())
        });
        let end = Instant::now() + DEADLINE;
        let mut found = Vec::new();
        while found.len() < lines {
            match receive.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => found.push(line),
                Err(_) => break,
            }
        }
        child.kill().expect("skep can be killed");
        child.wait().expect("skep can be waited for");
        drop(receive);
        reader.join().expect("the reader ends with what it reads");
        let text = found.join("\n") + "\n";
        assert_eq!(
            found.len(),
            lines,
            "skep {arguments:?} printed only\n{text}"
        );
        self.text
            .push_str(&format!("$ skep {}\n", shown(daemon, arguments)));
        self.text.push_str(&normal(daemon, text.as_bytes()));
        self.text.push('\n');
    }

    /// All of it so far.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Compares with the golden file of a name, see [`golden`].
    ///
    /// # Panics
    /// If they differ.
    pub fn check(&self, name: &str) {
        golden(name, &self.text);
    }
}

/// Compares a text with `tests/golden/NAME.txt`. With `UPDATE_GOLDEN=1` writes that file instead;
/// look at the difference before you commit it.
///
/// # Panics
/// If they differ.
pub fn golden(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).expect("the golden file can be written");
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == text,
        "{} differs; UPDATE_GOLDEN=1 writes it anew\n--- expected\n{expected}\n--- found\n{text}",
        path.display()
    );
}

/// The words as a shell takes them.
fn shown(daemon: &Daemon, arguments: &[&str]) -> String {
    let plain = |word: &&&str| {
        !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || "'\"{}*;$".contains(c))
    };
    let words = arguments.iter().map(|word| match plain(&word) {
        true => (*word).to_owned(),
        false => format!("'{word}'"),
    });
    normal(daemon, words.collect::<Vec<_>>().join(" ").as_bytes())
}

/// A text with what is of this run replaced.
#[must_use]
pub fn normal(daemon: &Daemon, text: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(text).into_owned();
    for number in (0..4).rev() {
        let address = daemon.node_address(number).to_string();
        text = text.replace(&address, &format!("ADDRESS-{}", number + 1));
    }
    text = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    text = text.replace(&daemon.dir().display().to_string(), "/DIR");
    for (pattern, with) in RULES {
        let pattern = Regex::new(pattern).expect("the patterns above are sound");
        text = pattern.replace_all(&text, *with).into_owned();
    }
    text
}
