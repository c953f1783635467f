// SPDX-License-Identifier: Apache-2.0
//! Words that must not be committed: marks of unfinished work, and places on one machine.

use std::path::Path;

use super::Problem;
use super::tree::Tree;

/// Marks of unfinished work. Written in halves, or this file would name itself.
const UNFINISHED: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("HA", "CK"),
    concat!("db", "g!"),
    concat!("to", "do!"),
    concat!("unimpl", "emented!"),
];

/// Folders that are on every machine, so naming them tells nothing of one.
const COMMON: [&str; 8] = [
    "/",
    "/home",
    "/tmp",
    "/var/tmp",
    "/opt",
    "/srv",
    "/usr/src",
    "/usr/local/src",
];

/// The places on this machine that no file may name: this checkout, the folder it lies in, and
/// people's homes.
pub(super) fn places(root: &Path) -> Vec<String> {
    let mut places: Vec<String> = [concat!("/ho", "me/"), concat!("/ro", "ot/")]
        .into_iter()
        .map(str::to_owned)
        .collect();
    for place in [Some(root), root.parent()].into_iter().flatten() {
        let place = place.display().to_string();
        if !COMMON.contains(&place.as_str()) {
            places.push(format!("{place}/"));
        }
    }
    places
}

/// Lines that name one of `places`, or work left undone.
pub(super) fn check(tree: &Tree, places: &[String]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in tree.files.iter().filter(|file| !file.is_generated()) {
        for (number, line) in file.lines() {
            if let Some(word) = UNFINISHED.iter().find(|word| has_word(line, word)) {
                let text = format!("'{word}': finish it, or write down what is not there yet");
                problems.push(Problem::new(&file.path, number, text));
            }
            if let Some(place) = places.iter().find(|place| names_place(line, place)) {
                let text = format!("'{place}' is a place on one machine: use a relative path");
                problems.push(Problem::new(&file.path, number, text));
            }
        }
    }
    problems
}

/// Whether `word` stands in `line` with no letter, digit or underscore around it.
fn has_word(line: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        let after = &line[start + word.len()..];
        !line[..start].ends_with(inside) && !after.starts_with(inside)
    })
}

/// Whether `place` begins a path in `line`, rather than being a part of a longer one.
fn names_place(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(start, _)| {
        !line[..start].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '~'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_work_and_own_places_are_named() {
        let mark = UNFINISHED[0];
        let text = format!(
            "// {mark}: later\nlet {mark}S = 1;\nmktemp -d x.XXXXXX\nopen(\"/ci/skep/x\")\n\
             see a/ci/skep/x\n"
        );
        let tree = Tree::of(&[
            ("a.rs", &text),
            ("gen.rs", &format!("// @generated\n// {mark}\n")),
        ]);
        let places = places(Path::new("/ci/skep"));
        let found: Vec<usize> = check(&tree, &places)
            .iter()
            .map(|problem| problem.line)
            .collect();
        assert_eq!(found, [1, 4]);
    }

    #[test]
    fn a_common_folder_is_no_secret() {
        assert!(!places(Path::new("/tmp/skep")).contains(&"/tmp/".to_owned()));
        assert!(places(Path::new("/tmp/skep")).contains(&"/tmp/skep/".to_owned()));
    }
}
