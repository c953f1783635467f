// SPDX-License-Identifier: Apache-2.0
//! A page of the documentation at work: its commands are run as they stand, and have to answer
//! as it says.

use std::process::Command;

/// A command of a page, and what stands below it.
#[derive(Default)]
struct Example {
    command: String,
    answer: Vec<String>,
}

/// A page's examples: a block of `sh`, and the block of `text` that follows it.
fn examples(page: &str) -> Vec<Example> {
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

/// Runs every example with these variables; there have to be at least `count`. Each line of an
/// answer is printed, in that order, as it is on a terminal; a command fails if a line of its
/// answer begins with "ERROR", "Error" or the code of an error in JSON.
///
/// # Panics
/// If a command does not answer as the page says.
pub fn play(page: &str, count: usize, environment: &[(&str, &str)]) {
    let examples = examples(page);
    assert!(
        examples.len() >= count,
        "the page has {} examples",
        examples.len()
    );
    for Example { command, answer } in examples {
        let output = Command::new("/bin/sh")
            .args(["-c", &format!("exec 2>&1\n{command}")])
            .envs(environment.iter().copied())
            .output()
            .expect("there is a shell");
        let fails = answer
            .iter()
            .any(|line| line.to_lowercase().starts_with("error") || line.starts_with("\"code\": "));
        let text = String::from_utf8_lossy(&output.stdout);
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
