// SPDX-License-Identifier: Apache-2.0
//! The rules of the house that no compiler checks: a list of problems, each with its place and
//! its cure.
//!
//! A rule is a function from the [`Tree`] to problems, so each can be tested on a few lines of
//! text. Exceptions stand in `xtask/tidy.toml` with their reason; one that is not needed any
//! more is a problem too, so the list can only shrink.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail};

mod arrows;
mod exceptions;
mod length;
mod licences;
mod links;
mod spdx;
mod tree;
mod waits;
mod words;

use exceptions::Exceptions;
use tree::Tree;

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    path: String,
    /// Counted from 1; 0: the whole file.
    line: usize,
    /// What is wrong, and what to do.
    text: String,
}

impl Problem {
    fn new(path: &str, line: usize, text: impl Into<String>) -> Problem {
        Problem {
            path: path.to_owned(),
            line,
            text: text.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.text),
            line => write!(f, "{}:{line}: {}", self.path, self.text),
        }
    }
}

/// Prints every problem of the repository at `root`.
///
/// # Errors
/// If there is one, or the repository cannot be read.
pub(crate) fn run(root: &Path) -> Result<()> {
    let problems = problems(root)?;
    for problem in &problems {
        println!("{problem}");
    }
    match problems.len() {
        0 => Ok(()),
        count => bail!("tidy: {count} problems, listed above"),
    }
}

fn problems(root: &Path) -> Result<Vec<Problem>> {
    let tree = Tree::read(root).context("reading the repository")?;
    let exceptions = Exceptions::read(&tree).context(exceptions::PATH)?;
    let mut problems = [
        arrows::check(&tree)?,
        licences::check(root)?,
        spdx::check(&tree),
        length::check(&tree, &exceptions.long_files),
        words::check(&tree, &words::places(root)),
        links::check(&tree),
        waits::check(&tree, &exceptions.waits),
    ]
    .concat();
    problems.sort();
    problems.dedup();
    Ok(problems)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_house_is_tidy() {
        let problems = super::problems(crate::repository_root()).expect("a readable repository");
        let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(list.is_empty(), "\n{}", list.join("\n"));
    }
}
