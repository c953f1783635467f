// SPDX-License-Identifier: Apache-2.0
//! Tests wait for what they want to see, not for time to pass, and every test runs.

use super::Problem;
use super::exceptions::{PATH, Wait};
use super::tree::{File, Tree};

/// Lines of test code that sleep or leave a test out, and exceptions that are not needed.
pub(super) fn check(tree: &Tree, exceptions: &[Wait]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut used = vec![false; exceptions.len()];
    for file in tree.files.iter().filter(|file| file.extension() == "rs") {
        let found = found_in(file);
        match exceptions.iter().position(|entry| entry.path == file.path) {
            Some(place) => used[place] = !found.is_empty(),
            None => problems.extend(found),
        }
    }
    for (entry, _) in exceptions.iter().zip(used).filter(|(_, used)| !used) {
        let text = format!(
            "{} needs no exception any more: remove its entry",
            entry.path
        );
        problems.push(Problem::new(PATH, 0, text));
    }
    problems
}

fn found_in(file: &File) -> Vec<Problem> {
    let mut in_tests = file.is_test();
    let mut after_cfg_test = false;
    let mut found = Vec::new();
    for (number, line) in file.lines() {
        let code = line.trim_start();
        // By custom the module of tests ends its file.
        in_tests |= after_cfg_test && code.starts_with("mod ") && code.ends_with('{');
        after_cfg_test = code == "#[cfg(test)]";
        if code.starts_with("//") || !in_tests {
            continue;
        }
        if code.starts_with("#[ignore") {
            let text = "a test that does not run proves nothing: make it run, or remove it";
            found.push(Problem::new(&file.path, number, text));
        } else if sleeps(code) {
            let text = "a test must not sleep: wait for an event or a condition, with a deadline";
            found.push(Problem::new(&file.path, number, text));
        }
    }
    found
}

/// Whether the line calls a function named `sleep`.
fn sleeps(code: &str) -> bool {
    code.match_indices("sleep(").any(|(start, _)| {
        !code[..start].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)]), &[])
            .iter()
            .map(|problem| problem.line)
            .collect()
    }

    #[test]
    fn only_tests_must_not_sleep() {
        let code = "fn f() { NAP(x) }\n#[cfg(test)]\nmod tests {\nfn g() { t::NAP(x) }\n}\n";
        // Spelt otherwise here, or this file would name itself.
        let code = code.replace("NAP", concat!("sl", "eep"));
        assert_eq!(problems("src/a.rs", &code), [4]);
        assert_eq!(problems("tests/a.rs", &code), [1, 4]);
        let none = problems("tests/a.rs", "fn no_sleep() { run(\"sleep\") }\n");
        assert!(none.is_empty(), "{none:?}");
    }

    #[test]
    fn no_test_is_left_out() {
        assert_eq!(
            problems(
                "tests/a.rs",
                concat!("#[ign", "ore = \"slow\"]\nfn f() {}\n")
            ),
            [1]
        );
    }

    #[test]
    fn an_exception_must_be_needed() {
        let entry = || Wait {
            path: "tests/a.rs".into(),
            reason: "polls a file".into(),
        };
        let sleeping = Tree::of(&[("tests/a.rs", concat!("sl", "eep(x)\n"))]);
        assert_eq!(check(&sleeping, &[entry()]), []);
        let awake = Tree::of(&[("tests/a.rs", "wait()\n")]);
        assert_eq!(check(&awake, &[entry()]).len(), 1);
    }
}
