// SPDX-License-Identifier: Apache-2.0
//! Pages point at what exists: their links, and the paths they name in backticks.

use super::Problem;
use super::tree::{File, Tree};

/// Links and paths in Markdown that lead nowhere.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let pages = tree.files.iter().filter(|file| file.extension() == "md");
    pages.flat_map(|page| check_page(tree, page)).collect()
}

fn check_page(tree: &Tree, page: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in prose(page) {
        for target in link_targets(line) {
            if let Err(text) = resolve(tree, page, target) {
                problems.push(Problem::new(&page.path, number, text));
            }
        }
        for path in named_paths(tree, line) {
            if !tree.has(path) {
                let text = format!("`{path}` is not there: correct the path");
                problems.push(Problem::new(&page.path, number, text));
            }
        }
    }
    problems
}

/// The lines outside fenced code, with their numbers.
fn prose(page: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    page.lines().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// What stands in `](…)`.
fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("](").filter_map(|(start, _)| {
        let rest = &line[start + 2..];
        rest.find(')').map(|end| &rest[..end])
    })
}

/// Paths in backticks that begin with a folder of the repository's top and hold no placeholder.
fn named_paths<'a>(tree: &'a Tree, line: &'a str) -> impl Iterator<Item = &'a str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    line.split('`').skip(1).step_by(2).filter(move |text| {
        let top = text.split_once('/').map(|(top, _)| top);
        top.is_some_and(|top| !top.is_empty() && tree.has(top))
            && text.chars().all(plain)
            && !text.contains("NNNN")
    })
}

fn resolve(tree: &Tree, page: &File, target: &str) -> Result<(), String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return Ok(());
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let place = if path.is_empty() {
        page.path.clone()
    } else {
        beside(&page.path, path)?
    };
    if !tree.has(&place) {
        return Err(format!("link to '{target}': there is no {place}"));
    }
    let missing = |file: &File| !anchors(file).any(|known| known == anchor);
    if !anchor.is_empty() && tree.file(&place).is_none_or(missing) {
        return Err(format!(
            "link to '{target}': {place} has no heading '#{anchor}'"
        ));
    }
    Ok(())
}

/// The path from the root of what `target` means in the file at `page`.
fn beside(page: &str, target: &str) -> Result<String, String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => {
                return Err(format!("link to '{target}' leaves the repository"));
            }
            ".." => {}
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// The anchors that a page's headings make, as code hosts derive them.
fn anchors(page: &File) -> impl Iterator<Item = String> {
    let headings = prose(page).filter(|(_, line)| line.starts_with('#'));
    headings.map(|(_, line)| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_paths_lead_somewhere() {
        let page = "# Tour, in short\n\
            [a](docs/b.md) [b](docs/b.md#a-part) [c](#tour-in-short) [d](https://example.com)\n\
            `docs/b.md` `docs` `docs/NNNN.md` `a/b` `docs/<name>.md`\n\
            ```\n[x](nowhere.md) `docs/nowhere.md`\n```\n";
        let tree = Tree::of(&[
            ("README.md", page),
            ("docs/b.md", "## A part\n[up](../README.md)"),
        ]);
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn what_leads_nowhere_is_named() {
        let page = "[a](nowhere.md)\n[b](#nothing)\n[c](../README.md)\n`docs/nowhere.md`\n";
        let tree = Tree::of(&[("README.md", page), ("docs/b.md", "")]);
        let lines: Vec<usize> = check(&tree).iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [1, 2, 3, 4]);
    }
}
