// SPDX-License-Identifier: Apache-2.0
//! The files of the repository, as the rules see them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Every text file that git tracks or would track.
pub(super) struct Tree {
    pub(super) files: Vec<File>,
}

/// One text file.
pub(super) struct File {
    /// From the repository's root, with "/" between folders.
    pub(super) path: String,
    pub(super) text: String,
}

impl Tree {
    /// Asks git for the files and reads them. Files that are not UTF-8 are left out.
    pub(super) fn read(root: &Path) -> Result<Tree> {
        let listed = Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(root)
            .output()
            .context("running git")?;
        ensure!(
            listed.status.success(),
            "git: {}",
            String::from_utf8_lossy(&listed.stderr)
        );
        let listed = String::from_utf8(listed.stdout).context("a path that is not UTF-8")?;
        let mut files = Vec::new();
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            let place = root.join(path);
            // Deleted but not yet staged, or a link to somewhere else.
            if !place.symlink_metadata().is_ok_and(|found| found.is_file()) {
                continue;
            }
            let bytes = std::fs::read(&place).with_context(|| path.to_owned())?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(File {
                    path: path.to_owned(),
                    text,
                });
            }
        }
        Ok(Tree { files })
    }

    /// The file at `path`.
    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether there is a file at `path`, or a folder with files in it.
    pub(super) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        self.files
            .iter()
            .any(|file| file.path == path || file.path.starts_with(&folder))
    }

    /// A tree of these paths and texts.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Tree {
        let file = |(path, text): &(&str, &str)| File {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        Tree {
            files: files.iter().map(file).collect(),
        }
    }
}

impl File {
    /// The name's ending after its last dot; empty if there is none.
    pub(super) fn extension(&self) -> &str {
        self.name()
            .rsplit_once('.')
            .map_or("", |(_, extension)| extension)
    }

    /// The last part of the path.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether a program wrote it: it says so near its top.
    pub(super) fn is_generated(&self) -> bool {
        self.text
            .lines()
            .take(5)
            .any(|line| line.contains("@generated"))
    }

    /// Whether the whole file is test code: in a folder of tests or named so.
    pub(super) fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests")
            || self.name() == "tests.rs"
            || self.name().ends_with("_tests.rs")
    }

    /// The lines and their numbers, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }
}
