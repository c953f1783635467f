// SPDX-License-Identifier: Apache-2.0
//! Small rooms: no file written by hand grows past a limit.

use super::Problem;
use super::exceptions::{LongFile, PATH};
use super::tree::Tree;

/// Lines of a source file.
const LINES_MAX: usize = 400;
/// Lines of a file of tests.
const TEST_LINES_MAX: usize = 600;

/// Files over their limit, and exceptions that are not needed.
pub(super) fn check(tree: &Tree, exceptions: &[LongFile]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut used = vec![false; exceptions.len()];
    for file in &tree.files {
        if !matches!(file.extension(), "rs" | "py" | "sh" | "go" | "ts") || file.is_generated() {
            continue;
        }
        let general = if file.is_test() {
            TEST_LINES_MAX
        } else {
            LINES_MAX
        };
        let lines = file.text.lines().count();
        if lines <= general {
            continue;
        }
        let granted = exceptions.iter().position(|entry| entry.path == file.path);
        if let Some(place) = granted {
            used[place] = true;
        }
        let limit = granted.map_or(general, |place| exceptions[place].lines_max);
        if lines > limit {
            let text = format!("{lines} lines, limit {limit}: lift a part out into its own file");
            problems.push(Problem::new(&file.path, 0, text));
        }
    }
    for (entry, _) in exceptions.iter().zip(used).filter(|(_, used)| !used) {
        let text = format!("{} is short enough: remove its entry", entry.path);
        problems.push(Problem::new(PATH, 0, text));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(path: &str, lines_max: usize) -> LongFile {
        LongFile {
            path: path.into(),
            lines_max,
            reason: "for this test".into(),
        }
    }

    #[test]
    fn limits_hold_and_exceptions_only_shrink() {
        let long = "x\n".repeat(401);
        let longer = "x\n".repeat(601);
        let generated = format!("// @generated\n{longer}");
        let tree = Tree::of(&[
            ("short.rs", "x\n"),
            ("long.rs", &long),
            ("granted.rs", &longer),
            ("grown.rs", &longer),
            ("tests/long.rs", &long),
            ("tests/longer.rs", &longer),
            ("gen.rs", &generated),
        ]);
        let exceptions = [
            granted("granted.rs", 601),
            granted("grown.rs", 600),
            granted("short.rs", 500),
        ];
        let found: Vec<String> = check(&tree, &exceptions)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(
            found[0].starts_with("long.rs: 401 lines, limit 400"),
            "{found:?}"
        );
        assert!(
            found[1].starts_with("grown.rs: 601 lines, limit 600"),
            "{found:?}"
        );
        assert!(
            found[2].starts_with("tests/longer.rs: 601 lines"),
            "{found:?}"
        );
        assert!(found[3].contains("short.rs is short enough"), "{found:?}");
    }
}
